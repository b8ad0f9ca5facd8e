"""The vectorised differentiable inner loop."""

from quickstudy.inner.implicit import Implicit
from quickstudy.inner.meta import MetaGradient, meta_grad
from quickstudy.inner.modules import Trace, adapt, bound
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
    "MetaGradient",
    "PerStep",
    "Rule",
    "Trace",
    "Truncated",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "adapt",
    "asgd",
    "bound",
    "meta_grad",
    "nadam",
    "preconditioned",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
    "trajectory",
    "unroll",
]
