"""Rules that step along gradients without scaling them.

sgd     b <- g at first, then b <- momentum b + (1 - dampening) g;  theta <- theta - rate b
        nesterov: theta <- theta - rate (g + momentum b)
        (Polyak 1964, "Some Methods of Speeding up the Convergence of Iteration Methods"; Nesterov 1983; in this form
        Sutskever, Martens, Dahl, Hinton 2013, "On the Importance of Initialization and Momentum in Deep Learning")
asgd    rate_s = rate / (1 + lambd rate s)^alpha for step s = 0, 1, ...
        theta <- (1 - lambd rate_s) theta - rate_s g;  average <- average + (theta - average) / max(1, s - t0)
        (Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging"; the schedule is Bottou's)
"""

from __future__ import annotations

from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.inner.rules.rule import At, Params, Rule, Setting, absent, build, decay


def sgd(
    rate: Setting = 1e-3,
    momentum: Setting = 0.0,
    dampening: Setting = 0.0,
    weight_decay: Setting = 0.0,
    nesterov: bool = False,
) -> Rule:
    """Gradient descent. A ``momentum`` of plain 0 keeps no state, so one to be learnt starts as a tensor."""
    hyper = {"rate": rate, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
    if nesterov and (absent(momentum) or not absent(dampening)):
        raise UserError(f"nesterov needs a momentum and no dampening; found {momentum} and {dampening}.")

    def one(at: At, grad: Tensor, kept: Params, param: Tensor) -> tuple[Tensor, Params]:
        grad, param = decay(at, grad, param)
        if absent(at.hyper["momentum"]):
            return param - at("rate") * grad, kept
        momentum = at("momentum")
        speed = momentum * kept["momentum"] + (1 - at("dampening")) * grad if at.step else grad
        change = grad + momentum * speed if nesterov else speed
        return param - at("rate") * change, {"momentum": speed}

    return build(one, hyper, () if absent(momentum) else ("momentum",))


def asgd(
    rate: Setting = 1e-2,
    lambd: Setting = 1e-4,
    alpha: Setting = 0.75,
    t0: Setting = 1e6,
    weight_decay: Setting = 0.0,
) -> Rule:
    """Averaged gradient descent. The averages are ``state["average"]``; the parameters are the last ones."""

    def one(at: At, grad: Tensor, kept: Params, param: Tensor) -> tuple[Tensor, Params]:
        grad, param = decay(at, grad, param)
        rate = at("rate") / (1 + at("lambd") * at("rate") * at.step) ** at("alpha")
        param = param * (1 - at("lambd") * rate) - rate * grad
        count = at.step - at("t0")
        count = count.clamp(min=1) if isinstance(count, Tensor) else max(1.0, count)
        return param, {"average": kept["average"] + (param - kept["average"]) / count}

    hyper = {"rate": rate, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
    return build(one, hyper, ("average",))
