"""The vectorised differentiable inner loop."""

from quickstudy.inner.rules import Rule, sgd
from quickstudy.inner.unroll import unroll

__all__ = ["Rule", "sgd", "unroll"]
