"""Inner steps that stay differentiable.

Exact meta-gradients differentiate through every step; ``first_order`` treats the inner gradients as constants
(Finn et al. 2017, section 5.2), which removes the second derivatives and leaves the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.func import grad

from quickstudy.inner.rules import Params, Rule


def unroll(loss: Callable[[Params], Tensor], params: Params, rule: Rule, steps: int, first_order: bool) -> Params:
    """``params`` after ``steps`` updates on ``loss``, as a differentiable function of the ``params`` given."""
    state = rule.init(params)
    for _ in range(steps):
        grads = grad(loss)(params)
        if first_order:
            grads = {name: value.detach() for name, value in grads.items()}
        params, state = rule.update(grads, state, params)
    return params
