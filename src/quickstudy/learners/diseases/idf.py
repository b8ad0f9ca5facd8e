"""The nearest disease by the cosine of terms that weigh more the rarer they are. Salton and Buckley (1988),
"Term-weighting approaches in automatic text retrieval"; for the profile of a class, Rocchio (1971).

    idf_t = log((N + 1) / (n_t + 1)),   z(x) = idf * [x = 1] / |idf * [x = 1]|,   logit_c = s cos(z(x), mean of z(x_i))

n_t of the N training patients have the term t, itself or one below it; x_i are the known patients of class c. It is
the vector-space form of what ontology-based ranking does with information content, -log p_t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Logits, check_positive, only_present, present
from quickstudy.learners.diseases.termed import Termed, counts, rarity, weights
from quickstudy.tasks.base import Examples, Spec, WholeTasks


@dataclass(frozen=True, kw_only=True)
class IdfConfig:
    """Cosine of terms by rarity."""

    scale: float = 20.0
    """s: how sure a cosine makes; it does not change which class is first."""


class Idf(Termed):
    """Cosine to the mean patient of each class; nothing but the rarity of terms is learnt."""

    Config: ClassVar[type[Any]] = IdfConfig
    idf: Tensor

    def __init__(self, spec: Spec, config: Any) -> None:
        super().__init__(spec, config)
        self._check()
        self._keep_terms("idf")

    def _check(self) -> None:
        check_positive(**vars(self.config))

    def prepare(self, tasks: WholeTasks) -> None:
        """Fill ``idf`` [V]."""
        size, observed, _ = counts(tasks)
        self.idf.copy_(rarity(observed.sum(0), size.sum()))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``profile`` [way, V] of unit length."""
        known = self._directions(support.x)
        return {
            "profile": F.normalize(weights(support, known.dtype) @ known, dim=-1),
            "present": present(support),
        }

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, V]."""
        cosine = self._directions(x) @ adapted["profile"].T
        return Logits(only_present(self.config.scale * cosine, adapted["present"]))

    def _directions(self, x: Tensor) -> Tensor:
        return F.normalize(self._parts(x)[0] * self.idf, dim=-1)
