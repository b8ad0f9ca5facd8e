"""Adam and its kin: moving averages of the gradient and of its square, corrected for their start at zero.

m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;  t = 1, 2, ...

adam     theta <- theta - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps); amsgrad: the largest v so far for v
         (Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization"; Reddi, Kale, Kumar 2018, "On the Convergence
         of Adam and Beyond")
adamw    the same on theta <- (1 - rate weight_decay) theta
         (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization")
adamax   u <- max(beta2 u, |g| + eps);  theta <- theta - rate m / (1 - beta1^t) / u      (Kingma and Ba 2015, section 7)
nadam    mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2);  theta <- theta - rate ((1 - mu_t) / (1 - mu_1 ... mu_t) g
         + mu_{t+1} / (1 - mu_1 ... mu_{t+1}) m) / (sqrt(v / (1 - beta2^t)) + eps)
         (Dozat 2016, "Incorporating Nesterov Momentum into Adam")
radam    rho = 2 / (1 - beta2) - 1;  rho_t = rho - 2 t beta2^t / (1 - beta2^t)
         r_t^2 = (rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t)
         theta <- theta - rate m / (1 - beta1^t) r_t sqrt(1 - beta2^t) / (sqrt(v) + eps), from rho_t > 5 on; before, the
         last two factors are 1
         (Liu, Jiang, He, Chen, Liu, Gao, Han 2020, "On the Variance of the Adaptive Learning Rate and Beyond")

Where a beta differs from step to step, beta^t is the product of those so far: what m and v sum to less than 1 by.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quickstudy.inner.rules.rule import At, Hyper, Number, Params, Rule, Setting, average, build, decay, safe_sqrt

Pair = tuple[Setting, Setting]


def _hyper(rate: Setting, betas: Pair, eps: Setting, weight_decay: Setting) -> Hyper:
    return {"rate": rate, "beta1": betas[0], "beta2": betas[1], "eps": eps, "weight_decay": weight_decay}


def _moments(at: At, grad: Tensor, kept: Params) -> Params:
    """The new averages m and v."""
    mean = average(kept["mean"], grad, at("beta1"))
    return {"mean": mean, "square": average(kept["square"], grad * grad, at("beta2"))}


def _root(at: At, square: Tensor) -> Tensor:
    """sqrt(v / (1 - beta2^t)) + eps."""
    return safe_sqrt(square) / (1 - at.product("beta2")) ** 0.5 + at("eps")


def _adam(hyper: Hyper, amsgrad: bool, decoupled: bool) -> Rule:
    def one(at: At, grad: Tensor, kept: Params, param: Tensor) -> tuple[Tensor, Params]:
        grad, param = decay(at, grad, param, decoupled)
        new = _moments(at, grad, kept)
        square = new["square"]
        if amsgrad:
            square = new["largest"] = torch.maximum(kept["largest"], square)
        return param - at("rate") / (1 - at.product("beta1")) * new["mean"] / _root(at, square), new

    return build(one, hyper, ("mean", "square", *["largest"] * amsgrad))


def adam(
    rate: Setting = 1e-3,
    betas: Pair = (0.9, 0.999),
    eps: Setting = 1e-8,
    weight_decay: Setting = 0.0,
    amsgrad: bool = False,
) -> Rule:
    """Adam; weight decay is added to the gradient."""
    return _adam(_hyper(rate, betas, eps, weight_decay), amsgrad, decoupled=False)


def adamw(
    rate: Setting = 1e-3,
    betas: Pair = (0.9, 0.999),
    eps: Setting = 1e-8,
    weight_decay: Setting = 1e-2,
    amsgrad: bool = False,
) -> Rule:
    """Adam; weight decay is taken off the parameters."""
    return _adam(_hyper(rate, betas, eps, weight_decay), amsgrad, decoupled=True)


def adamax(rate: Setting = 2e-3, betas: Pair = (0.9, 0.999), eps: Setting = 1e-8, weight_decay: Setting = 0.0) -> Rule:
    """Adam with the largest gradient for the root of the mean square."""

    def one(at: At, grad: Tensor, kept: Params, param: Tensor) -> tuple[Tensor, Params]:
        grad, param = decay(at, grad, param)
        mean = average(kept["mean"], grad, at("beta1"))
        largest = torch.maximum(at("beta2") * kept["largest"], grad.abs() + at("eps"))
        return param - at("rate") / (1 - at.product("beta1")) * mean / largest, {"mean": mean, "largest": largest}

    return build(one, _hyper(rate, betas, eps, weight_decay), ("mean", "largest"))


def nadam(
    rate: Setting = 2e-3,
    betas: Pair = (0.9, 0.999),
    eps: Setting = 1e-8,
    weight_decay: Setting = 0.0,
    momentum_decay: Setting = 4e-3,
    decoupled_weight_decay: bool = False,
) -> Rule:
    """Adam with Nesterov's look ahead. The state ``weight`` is 1 - mu_1 ... mu_t, which like all state starts at 0."""

    def one(at: At, grad: Tensor, kept: Params, param: Tensor) -> tuple[Tensor, Params]:
        grad, param = decay(at, grad, param, decoupled_weight_decay)
        new = _moments(at, grad, kept)
        here, ahead = (at("beta1") * (1 - 0.5 * 0.96 ** (t * at("momentum_decay"))) for t in (at.step + 1, at.step + 2))
        new["weight"] = 1 - here * (1 - kept["weight"])
        weight_ahead = 1 - ahead * (1 - new["weight"])
        change = (1 - here) / new["weight"] * grad + ahead / weight_ahead * new["mean"]
        return param - at("rate") * change / _root(at, new["square"]), new

    hyper = _hyper(rate, betas, eps, weight_decay) | {"momentum_decay": momentum_decay}
    return build(one, hyper, ("mean", "square"), scalars=("weight",))


def radam(
    rate: Setting = 1e-3,
    betas: Pair = (0.9, 0.999),
    eps: Setting = 1e-8,
    weight_decay: Setting = 0.0,
    decoupled_weight_decay: bool = False,
) -> Rule:
    """Adam whose scaling waits until enough squares are seen: the sixth step at the default beta2."""

    def one(at: At, grad: Tensor, kept: Params, param: Tensor) -> tuple[Tensor, Params]:
        grad, param = decay(at, grad, param, decoupled_weight_decay)
        new = _moments(at, grad, kept)
        mean = new["mean"] / (1 - at.product("beta1"))
        return param - at("rate") * mean * _rectified(at, new["square"]), new

    return build(one, _hyper(rate, betas, eps, weight_decay), ("mean", "square"))


def _rectified(at: At, square: Tensor) -> Number:
    """r_t sqrt(1 - beta2^t) / (sqrt(v) + eps) where rho_t > 5, else 1."""
    power = at.product("beta2")
    limit = 2 / (1 - at("beta2")) - 1
    length = limit - 2 * (at.step + 1) * power / (1 - power)
    enough = length > 5
    if isinstance(enough, Tensor):  # a learnt beta2: both branches are computed, so the one dropped must be finite
        limit, length = torch.where(enough, limit, 6.0), torch.where(enough, length, 6.0)
    elif not enough:
        return 1.0
    factor = ((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) ** 0.5
    scale = factor * (1 - power) ** 0.5 / (safe_sqrt(square) + at("eps"))
    return torch.where(enough, scale, 1.0) if isinstance(enough, Tensor) else scale
