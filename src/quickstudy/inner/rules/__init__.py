"""Update rules of the inner loop as pure functions, by idea one file."""

from collections.abc import Callable

from quickstudy.inner.rules.curvature import identities, preconditioned
from quickstudy.inner.rules.moments import adam, adamax, adamw, nadam, radam
from quickstudy.inner.rules.momentum import asgd, sgd
from quickstudy.inner.rules.rule import Hyper, Params, PerStep, Rule, Setting, State, resolve
from quickstudy.inner.rules.scaled import adadelta, adagrad, rmsprop, rprop

RULES: dict[str, Callable[..., Rule]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
    "adamax": adamax,
    "nadam": nadam,
    "radam": radam,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "rprop": rprop,
    "asgd": asgd,
}

__all__ = [
    "RULES",
    "Hyper",
    "Params",
    "PerStep",
    "Rule",
    "Setting",
    "State",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "identities",
    "nadam",
    "preconditioned",
    "radam",
    "resolve",
    "rmsprop",
    "rprop",
    "sgd",
]
