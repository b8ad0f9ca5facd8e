"""Best-match average over the terms of an ontology. Resnik (1995), "Using Information Content to Evaluate Semantic
Similarity in a Taxonomy"; Lin (1998), "An Information-Theoretic Definition of Similarity"; to rank diseases by a
patient's terms, Köhler et al. (2009), "Clinical Diagnostics in Human Genetics with Semantic Similarity Searches in
Ontologies".

    IC_t = -log p_t,   m_S(t) = max of IC_a over the a above t, or t itself, that a patient of S has (resnik, share)
                       m_S(t) = max of 2 IC_a / (IC_t + IC_u) over the a above both t and a specific u of S    (lin)
    sim(x -> c) = sum of m_c(t) / sum of v_t over the most specific terms t of x,   v_t = IC_t (share), else 1
    logit_c = s (sim(x -> c) + mean over the known patients i of c of sim(x_i -> x)) / 2

The best match of a term is looked for among all known patients of a class. ``resnik`` is the information that terms
have in common, ``share`` the share of it in the patient's own, ``lin`` that in both terms. The maxima of the first two
are found in one walk down the ontology, level by level; for ``lin`` u is the least informative one below each a.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Logits, check_positive, only_present, present
from quickstudy.learners.diseases.termed import Termed, counts, rarity, weights
from quickstudy.tasks.base import Examples, Spec, WholeTasks
from quickstudy.tasks.diseases.ontology import closures

SCALES = {"resnik": 2.0, "lin": 12.0, "share": 12.0}
"""s where none is asked for."""


@dataclass(frozen=True, kw_only=True)
class BestMatchConfig:
    """Best-match average."""

    similarity: Literal["resnik", "lin", "share"] = "share"
    """What is averaged: the information that terms have in common, its share in both, or its share in the patient's."""
    scale: float = 0.0
    """s: how sure a similarity makes; 0 is 2 for resnik, 12 for the others. It does not change which class is first."""


class BestMatch(Termed):
    """Each specific term looks for its like on the other side, above it in the ontology."""

    Config: ClassVar[type[Any]] = BestMatchConfig
    information: Tensor
    order: Tensor
    place: Tensor
    above: Tensor
    links: Tensor
    pairs: Tensor

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
        if config.similarity == "lin":
            above_each = closures(spec.parents)
            every = [(term, one) for term, over in enumerate(above_each) for one in sorted(over)]
            self.register_buffer("pairs", torch.tensor(every).T.contiguous())  # [2, P] terms, and those above or equal

    def prepare(self, tasks: WholeTasks) -> None:
        """Fill ``information`` [V]."""
        size, observed, _ = counts(tasks)
        self.information.copy_(rarity(observed.sum(0), size.sum()))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``matches`` [way, V]: m_c(t); ``terms`` [way, V]: mean weight of each specific term in the patients."""
        observed = self._parts(support.x)[0]
        own = weights(support, observed.dtype)
        mean = own / own.sum(-1, keepdim=True).clamp(min=1)
        specific = self._specific(observed)
        # what any of the class has: the best of all matches is found there
        together = [(own @ (one > 0).to(own.dtype) > 0).to(own.dtype) for one in (observed, specific)]
        return {"matches": self._matches(*together), "terms": mean @ specific, "present": present(support)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, V]."""
        observed = self._parts(x)[0]
        specific = self._specific(observed)
        there = specific @ adapted["matches"].T
        back = self._matches(observed, specific) @ adapted["terms"].T
        return Logits(only_present(self.scale * (there + back) / 2, adapted["present"]))

    def _matches(self, observed: Tensor, specific: Tensor) -> Tensor:
        """m(t) [n, V] of what is ``observed`` [n, V], the most ``specific`` of which are not 0."""
        if self.config.similarity == "lin":
            return self._lin(specific > 0)
        own = (observed * self.information)[..., self.order]
        found, at = own[..., : self.sizes[0]], self.sizes[0]
        for size in self.sizes[1:]:
            inherited = found[..., self.above[at : at + size]].amax(-1)
            found = torch.cat([found, torch.maximum(own[..., at : at + size], inherited)], -1)
            at += size
        return found[..., self.place]

    def _lin(self, specific: Tensor) -> Tensor:
        """m(t) [n, V] of ``specific`` [n, V] terms."""
        term, over = self.pairs
        limits, information = torch.finfo(self.information.dtype), self.information
        none = information.new_full(specific.shape, limits.max)  # no term below: the share is as good as nothing
        own = torch.where(specific[..., term], information[term], limits.max)
        least = none.scatter_reduce(-1, over.expand_as(own), own, "amin")[..., over]
        share = 2 * information[over] / (information[term] + least).clamp(min=limits.tiny)
        return torch.zeros_like(none).scatter_reduce(-1, term.expand_as(share), share, "amax")

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
