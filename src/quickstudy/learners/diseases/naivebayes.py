"""Naive Bayes over terms with an empirical-Bayes prior. Robbins (1956), "An Empirical Bayes Approach to Statistics".
What few patients say of a disease's frequencies is the beta-binomial's posterior (Gelman et al. 2013, section 5.3).

    f_ct ~ Beta(k_t m_t, k_t (1 - m_t)),   E[f_ct | r of n] = (k_t m_t + r) / (k_t + n)
    logit_c = sum over the t observed in x of  a log(E f_ct / m_t)
            + sum over the others of           b log((1 - E f_ct) / (1 - m_t))
            + the same, with weights c and d, for terms being excluded

f_ct is the frequency of a term among the patients of class c, r of whose n known patients have it. m_t, the mean over
training diseases, and k_t, by which diseases differ, come from the moments of a beta-binomial. Weights below 1 make up
for terms that are not independent: a term comes with all those above it, and what is not mentioned was often not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Logits, check_positive, only_present, present
from quickstudy.learners.diseases.termed import Termed, counts, weights
from quickstudy.tasks.base import Examples, Spec, WholeTasks

ALIKE = (0.02, 0.9)
"""Least and most 1 / (1 + k): how alike patients of one disease are, where there is little to tell it from."""
RARE = 1e-4
"""Least m, and least 1 - m."""


@dataclass(frozen=True, kw_only=True)
class NaiveBayesConfig:
    """Naive Bayes over terms."""

    observed: float = 0.1
    """a: weight of a term that is observed."""
    unobserved: float = 0.06
    """b: weight of a term that is not."""
    excluded: float = 0.03
    """c: weight of a term that is excluded."""
    unexcluded: float = 0.01
    """d: weight of a term that is not excluded."""


class NaiveBayes(Termed):
    """Frequencies of terms in each class, drawn towards those of all training diseases."""

    Config: ClassVar[type[Any]] = NaiveBayesConfig
    mean: Tensor
    spread: Tensor

    def __init__(self, spec: Spec, config: NaiveBayesConfig) -> None:
        super().__init__(spec, config)
        check_positive(**vars(config))
        # [2, V]: of being observed, and of being excluded
        self.register_buffer("mean", torch.full((2, *spec.shape), 0.5))
        self.register_buffer("spread", torch.ones(2, *spec.shape))

    def prepare(self, tasks: WholeTasks) -> None:
        """Fill ``mean`` (m) and ``spread`` (k), both [2, V]."""
        size, *having = counts(tasks)
        for at, one in enumerate(having):
            self.mean[at], self.spread[at] = prior(one, size)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``gain`` [2, way, V]: what a term adds to the logit of a class; ``start`` [way]: what stands if none does."""
        parts = torch.stack(self._parts(support.x))
        own = weights(support, parts.dtype)
        mean, spread = (value.unsqueeze(1) for value in self._prior())
        size = own.sum(-1, keepdim=True)
        found = (spread * mean + own @ parts) / (spread + size)
        yes, no = self._weights()
        there, absent = yes * (found / mean).log(), no * ((1 - found) / (1 - mean)).log()
        return {"gain": there - absent, "start": absent.sum((0, 2)), "present": present(support)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, V]."""
        parts = torch.stack(self._parts(x))
        logits = adapted["start"] + (parts @ adapted["gain"].mT).sum(0)
        return Logits(only_present(logits, adapted["present"]))

    def _prior(self) -> tuple[Tensor, Tensor]:
        """m and k [2, V]."""
        return self.mean, self.spread

    def _weights(self) -> tuple[Tensor, Tensor]:
        """Of terms that are there and of those that are not, each [2, 1, 1] or [2, 1, V]."""
        c = self.config
        pairs = torch.tensor([[c.observed, c.excluded], [c.unobserved, c.unexcluded]], dtype=self.mean.dtype)
        yes, no = pairs.to(self.mean.device).view(2, 2, 1, 1)
        return yes, no


def prior(having: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """m and k [V] of terms that ``having`` [C, V] of ``size`` [C] patients of each class have.

    The variance of the classes' shares is m (1 - m) (r + (1 - r) h), r = 1 / (1 + k) and h the mean of 1 / size.
    """
    size = size.double().unsqueeze(-1)
    share = having / size
    overall = (having.sum(0) + 0.5) / (size.sum() + 1)
    mean = ((share.sum(0) + 0.5 * overall) / (len(share) + 0.5)).clamp(RARE, 1 - RARE)
    variance, noise = (share - mean).square().mean(0), (1 / size).mean()
    if noise >= 1:  # one patient each: nothing tells how alike they are
        return mean, torch.ones_like(mean)
    alike = ((variance / (mean * (1 - mean)) - noise) / (1 - noise)).clamp(*ALIKE)
    return mean, 1 / alike - 1
