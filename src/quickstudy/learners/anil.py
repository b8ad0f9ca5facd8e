"""Almost no inner loop. Raghu, Raghu, Bengio, Vinyals (2020), "Rapid Learning or Feature Reuse? Towards Understanding
the Effectiveness of MAML".

    w_i = w - alpha grad_w L(w f_theta(x); support_i), repeated: the output layer w alone moves        (section 5)
    min over theta, w of sum_i L(w_i f_theta(x); query_i)

The features of the support do not change within a task, so they are computed once.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from quickstudy.learners.base import Adapted, Traits, run_net
from quickstudy.learners.descent import Descent, MetaConfig
from quickstudy.tasks.base import Examples, Spec, masked_mean


class ANIL(Descent):
    """MAML whose inner steps move the output layer alone."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), gradient=True, transductive=True)
    Config: ClassVar[type[Any]] = MetaConfig

    def __init__(self, spec: Spec, config: MetaConfig) -> None:
        super().__init__(spec, config, config.gradient)

    def _moves(self, name: str) -> bool:
        return name.startswith("head.")

    def _given(self, start: Adapted, still: Adapted, support: Examples) -> Any:
        return run_net(self.net, still, support.x, support.mask, None)[0], support, self._present(support)

    def _support_loss(self, moving: Adapted, given: Any) -> Tensor:
        features, support, here = given
        return masked_mean(self._judge(moving, here, features).nll(support.y), support.mask)
