"""The vectorised differentiable inner loop."""

from quickstudy.inner.implicit import Implicit
from quickstudy.inner.rules import (
    RULES,
    PerStep,
    Rule,
    adadelta,
    adagrad,
    adam,
    adamax,
    adamw,
    asgd,
    nadam,
    preconditioned,
    radam,
    rmsprop,
    rprop,
    sgd,
)
from quickstudy.inner.unroll import Gradient, Truncated, trajectory, unroll

__all__ = [
    "RULES",
    "Gradient",
    "Implicit",
    "PerStep",
    "Rule",
    "Truncated",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "nadam",
    "preconditioned",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
    "trajectory",
    "unroll",
]
