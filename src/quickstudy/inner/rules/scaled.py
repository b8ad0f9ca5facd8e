"""Rules that scale each weight's gradient by the size of its past ones, without a bias correction.

adagrad    sum <- sum + g^2;  theta <- theta - rate / (1 + s lr_decay) g / (sqrt(sum) + eps), s = 0, 1, ...
           (Duchi, Hazan, Singer 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization")
rmsprop    v <- alpha v + (1 - alpha) g^2;  theta <- theta - rate g / (sqrt(v) + eps), or with
           momentum: b <- momentum b + g / (sqrt(v) + eps);  theta <- theta - rate b
           (Tieleman and Hinton 2012, lecture 6.5 of "Neural Networks for Machine Learning"; centered takes the variance
           v - m^2 for v: Graves 2013, "Generating Sequences With Recurrent Neural Networks")
adadelta   v <- rho v + (1 - rho) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g;  u <- rho u + (1 - rho) d^2
           theta <- theta - rate d
           (Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method")
rprop      size <- size eta_plus where g agrees in sign with the last g, size eta_minus where it disagrees (and g <- 0)
           theta <- theta - size sign(g)
           (Riedmiller and Braun 1993, "A Direct Adaptive Method for Faster Backpropagation Learning")
"""

from __future__ import annotations

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.inner.rules.rule import At, Params, Rule, Setting, absent, average, build, decay, safe_sqrt


def adagrad(
    rate: Setting = 1e-2,
    lr_decay: Setting = 0.0,
    weight_decay: Setting = 0.0,
    initial_accumulator_value: Setting = 0.0,
    eps: Setting = 1e-10,
) -> Rule:
    """The initial value is added where the sum is read, so that it stays an input of ``update``."""

    def one(at: At, grad: Tensor, kept: Params, param: Tensor) -> tuple[Tensor, Params]:
        grad, param = decay(at, grad, param)
        total = kept["sum"] + grad * grad
        root = safe_sqrt(total + at("initial_accumulator_value")) + at("eps")
        return param - at("rate") / (1 + at.step * at("lr_decay")) * grad / root, {"sum": total}

    hyper = {"rate": rate, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
    return build(one, hyper | {"initial_accumulator_value": initial_accumulator_value}, ("sum",))


def rmsprop(
    rate: Setting = 1e-2,
    alpha: Setting = 0.99,
    eps: Setting = 1e-8,
    weight_decay: Setting = 0.0,
    momentum: Setting = 0.0,
    centered: bool = False,
) -> Rule:
    """A ``momentum`` of plain 0 keeps no speed, so one to be learnt starts as a tensor."""

    def one(at: At, grad: Tensor, kept: Params, param: Tensor) -> tuple[Tensor, Params]:
        grad, param = decay(at, grad, param)
        new = kept | {"square": average(kept["square"], grad * grad, at("alpha"))}
        spread = new["square"]
        if centered:
            new["mean"] = average(kept["mean"], grad, at("alpha"))
            spread = spread - new["mean"] * new["mean"]
        change = grad / (safe_sqrt(spread) + at("eps"))
        if not absent(at.hyper["momentum"]):
            change = new["momentum"] = at("momentum") * kept["momentum"] + change
        return param - at("rate") * change, new

    hyper = {"rate": rate, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
    return build(one, hyper, ("square", *["mean"] * centered, *["momentum"] * (not absent(momentum))))


def adadelta(rate: Setting = 1.0, rho: Setting = 0.9, eps: Setting = 1e-6, weight_decay: Setting = 0.0) -> Rule:
    """The roots here are of at least ``eps``, which is what keeps their derivatives finite."""

    def one(at: At, grad: Tensor, kept: Params, param: Tensor) -> tuple[Tensor, Params]:
        grad, param = decay(at, grad, param)
        square = average(kept["square"], grad * grad, at("rho"))
        change = (kept["change"] + at("eps")).sqrt() / (square + at("eps")).sqrt() * grad
        new = {"square": square, "change": average(kept["change"], change * change, at("rho"))}
        return param - at("rate") * change, new

    hyper = {"rate": rate, "rho": rho, "eps": eps, "weight_decay": weight_decay}
    return build(one, hyper, ("square", "change"))


def rprop(
    rate: Setting = 1e-2,
    etas: tuple[Setting, Setting] = (0.5, 1.2),
    step_sizes: tuple[Setting, Setting] = (1e-6, 50.0),
) -> Rule:
    """``rate`` is the size of the first step; ``etas`` and ``step_sizes`` are (minus, plus) and (smallest, largest).

    Only signs of gradients count, so the derivative by a start is 1 and by its gradients 0.
    """
    minus, plus = etas
    if (isinstance(minus, (int, float)) and not 0 < minus < 1) or (isinstance(plus, (int, float)) and not plus > 1):
        raise UserError(f"etas are {minus} and {plus}. Expected one between 0 and 1 and one above 1.")

    def one(at: At, grad: Tensor, kept: Params, param: Tensor) -> tuple[Tensor, Params]:
        size = kept["size"] if at.step else torch.ones_like(param) * at("rate")
        agree = grad * kept["last"]
        # each product is made before it is chosen: a where of two plain numbers would be float32
        slower = torch.where(agree < 0, size * at("eta_minus"), size)
        size = torch.where(agree > 0, size * at("eta_plus"), slower)
        size = _at_most(_at_least(size, at("smallest")), at("largest"))
        grad = torch.where(agree < 0, 0.0, grad)
        return param - size * grad.sign(), {"size": size, "last": grad}

    hyper = {"rate": rate, "eta_minus": minus, "eta_plus": plus, "smallest": step_sizes[0], "largest": step_sizes[1]}
    return build(one, hyper, ("size", "last"))


def _at_least(x: Tensor, least: float | Tensor) -> Tensor:
    return torch.maximum(x, least) if isinstance(least, Tensor) else x.clamp(min=least)


def _at_most(x: Tensor, most: float | Tensor) -> Tensor:
    return torch.minimum(x, most) if isinstance(most, Tensor) else x.clamp(max=most)
