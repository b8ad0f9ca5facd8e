"""Best-match average over the terms of an ontology. Resnik (1995), "Using Information Content to Evaluate Semantic
Similarity in a Taxonomy"; to rank diseases by a patient's terms, Köhler et al. (2009), "Clinical Diagnostics in Human
Genetics with Semantic Similarity Searches in Ontologies".

    IC_t = -log p_t,   m_S(t) = max of IC_a over the a above t, or t itself, that a patient of S has
    sim(x -> c) = sum of m_c(t) / sum of v_t over the most specific terms t of x,   v_t = 1 (resnik) or IC_t (share)
    logit_c = s (sim(x -> c) + mean over the known patients i of c of sim(x_i -> x)) / 2

The best match of a term is looked for among all known patients of a class. ``resnik`` is the information that terms
have in common, ``share`` the share of it. All maxima of a patient are found in one walk down the ontology, level by
level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Logits, check_positive, only_present, present
from quickstudy.learners.termed import Termed, counts, rarity, weights
from quickstudy.tasks.base import Examples, Spec, WholeTasks

SCALES = {"resnik": 2.0, "share": 12.0}
"""s where none is asked for."""


@dataclass(frozen=True, kw_only=True)
class BestMatchConfig:
    """Best-match average."""

    similarity: Literal["resnik", "share"] = "share"
    """What is averaged: the information that terms have in common, or the share of it."""
    scale: float = 0.0
    """s: how sure a similarity makes; 0 is 2 for resnik and 12 for share. It does not change which class is first."""


class BestMatch(Termed):
    """Each specific term looks for its like on the other side, above it in the ontology."""

    Config: ClassVar[type[Any]] = BestMatchConfig
    information: Tensor
    order: Tensor
    place: Tensor
    above: Tensor
    links: Tensor

    def __init__(self, spec: Spec, config: BestMatchConfig) -> None:
        super().__init__(spec, config)
        self.scale = config.scale or SCALES[config.similarity]
        check_positive(scale=self.scale)
        self._keep_terms("information")
        self.sizes, order, above = levels(spec.parents)
        self.register_buffer("order", order)  # terms, those nearest to the top first
        self.register_buffer("place", order.argsort())
        self.register_buffer("above", above)  # [V, most parents] places in that order
        self.register_buffer("links", links(spec.parents))

    def prepare(self, tasks: WholeTasks) -> None:
        """Fill ``information`` [V]."""
        size, observed, _ = counts(tasks)
        self.information.copy_(rarity(observed.sum(0), size.sum()))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``matches`` [way, V]: m_c(t); ``terms`` [way, V]: mean weight of each specific term in the patients."""
        observed = self._parts(support.x)[0]
        own = weights(support, observed.dtype)
        mean = own / own.sum(-1, keepdim=True).clamp(min=1)
        together = (own @ observed > 0).to(observed.dtype)  # what any has: the best of all matches is found there
        return {
            "matches": self._matches(together),
            "terms": mean @ self._specific(observed),
            "present": present(support),
        }

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, V]."""
        observed = self._parts(x)[0]
        there = self._specific(observed) @ adapted["matches"].T
        back = self._matches(observed) @ adapted["terms"].T
        return Logits(only_present(self.scale * (there + back) / 2, adapted["present"]))

    def _matches(self, observed: Tensor) -> Tensor:
        """m(t) [n, V] of what is ``observed`` [n, V]."""
        own = (observed * self.information)[..., self.order]
        found, at = own[..., : self.sizes[0]], self.sizes[0]
        for size in self.sizes[1:]:
            inherited = found[..., self.above[at : at + size]].amax(-1)
            found = torch.cat([found, torch.maximum(own[..., at : at + size], inherited)], -1)
            at += size
        return found[..., self.place]

    def _specific(self, observed: Tensor) -> Tensor:
        """[n, V]: 1 / sum of v for each term that is ``observed`` and has none below it that is, else 0."""
        child, parent = self.links
        below = torch.zeros_like(observed).index_add(-1, parent, observed[..., child])
        specific = observed * (below == 0)
        total = specific * self.information if self.config.similarity == "share" else specific
        smallest = torch.finfo(observed.dtype).tiny
        return specific / total.sum(-1, keepdim=True).clamp(min=smallest**0.5)


def levels(parents: Sequence[Sequence[int]]) -> tuple[list[int], Tensor, Tensor]:
    """Sizes of the levels of an ontology, its terms [V] level by level, and the places [V, most] of their parents.

    A term is one level below the lowest of its parents; one with fewer than the most parents names the first again.
    """
    depth = [0] * len(parents)
    waiting = True
    while waiting:
        deeper = [max((depth[one] + 1 for one in above), default=0) for above in parents]
        waiting, depth = deeper != depth, deeper
    order = sorted(range(len(parents)), key=lambda at: depth[at])
    place = {at: number for number, at in enumerate(order)}
    most = max(map(len, parents), default=0) or 1
    padded = [[place[one] for one in parents[at]] or [0] for at in order]
    above = torch.tensor([row + row[:1] * (most - len(row)) for row in padded])
    return [depth.count(level) for level in range(max(depth) + 1)], torch.tensor(order), above


def links(parents: Sequence[Sequence[int]]) -> Tensor:
    """[2, L] terms and their parents, a pair for each link."""
    pairs = [(child, parent) for child, above in enumerate(parents) for parent in above]
    return torch.tensor(pairs).reshape(-1, 2).T.contiguous()
