"""Update rules as pairs of pure functions: ``init(params) -> state``, ``update(grads, state, params)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

Params = dict[str, Tensor]


class Rule(NamedTuple):
    """``update`` returns new parameters and new state; nothing is changed in place."""

    init: Callable[[Params], Params]
    update: Callable[[Params, Params, Params], tuple[Params, Params]]


def sgd(rate: float | Tensor) -> Rule:
    """theta <- theta - rate * gradient; a tensor ``rate`` may be learnt."""

    def update(grads: Params, state: Params, params: Params) -> tuple[Params, Params]:
        return {name: value - rate * grads[name] for name, value in params.items()}, state

    return Rule(init=lambda params: {}, update=update)
