"""Linear probe: logistic regression on frozen pre-trained features. Tian, Wang, Krishnan, Tenenbaum, Isola (2020),
"Rethinking Few-Shot Image Classification: a Good Embedding Is All You Need?" (section 3.2, without distillation).

    z = f(x) / ||f(x)||, and a constant 1
    W = argmin lambda / 2 ||W||^2 - sum_i log softmax(W z_i)[y_i]  over the support, solved until nothing moves
    p(y | x) = softmax(W z)

f is pre-trained by cross-entropy on all training classes. The paper's lambda is 1 (scikit-learn's C = 1 / lambda), and
its constant has no penalty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Logits, Traits, check_positive, only_present, present
from quickstudy.learners.logistic import fit
from quickstudy.learners.metric import with_one
from quickstudy.learners.pretrained import Frozen, PretrainedConfig
from quickstudy.tasks.base import Examples, Spec, check_counts


@dataclass(frozen=True, kw_only=True)
class LinearConfig(PretrainedConfig):
    """Linear probe."""

    penalty: float = 1.0
    """lambda: how strongly large weights are punished; 1 / C of scikit-learn."""
    newton_steps: int = 10
    """Newton steps, whatever the task: enough unless the penalty is tiny."""
    normalise: bool = True
    """Unit-length features."""


class Linear(Frozen):
    """Pre-training on every class; then logistic regression on features that stay as they are."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = LinearConfig

    def __init__(self, spec: Spec, config: LinearConfig) -> None:
        super().__init__(spec, config)
        check_counts(**{"newton-steps": config.newton_steps})
        check_positive(penalty=config.penalty)

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        x, here = self._inputs(features) * support.mask.unsqueeze(-1), present(support)
        dual = fit(x @ x.T / self.config.penalty, support.y.T * support.mask, here, self.config.newton_steps)
        return {"weight": dual @ x / self.config.penalty, "present": here}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        return Logits(only_present(self._inputs(features) @ adapted["weight"].T, adapted["present"]))

    def _inputs(self, features: Tensor) -> Tensor:
        """[n, f + 1]."""
        return with_one(F.normalize(features, dim=-1) if self.config.normalise else features)
