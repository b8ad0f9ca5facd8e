"""Matching Networks. Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra (2016), "Matching Networks for One Shot
Learning".

    a(x, x_i) = softmax_i(s cos(f(x), g(x_i)))      over the support                  (eq. 2)
    p(y | x)  = sum_i a(x, x_i) y_i                                                   (eq. 1)

The paper's cosine has no scale, which keeps every attention nearly even; here s is learnt, from 10.

Full context embeddings (fce; section 2.1.2 and appendix A), with g' and f' the backbone's features:

    g(x_i) = h_i forward + h_i backward + g'(x_i),  an LSTM each way over the support in the order it is given
    f(x)   = h_K of  h_k = LSTM([f'(x), r_(k-1)], h_(k-1)) + f'(x),  r_k = sum_i softmax_i(h_k . g(x_i)) g(x_i)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.learners.base import Adapted, Logits, Traits, only_present
from quickstudy.learners.metric import Metric, MetricConfig
from quickstudy.tasks.base import Examples, Spec, check_counts

SCALE = 10.0
"""Start of the cosine's scale."""


@dataclass(frozen=True, kw_only=True)
class MatchingConfig(MetricConfig):
    """Matching network."""

    fce: bool = False
    """Full context embeddings: an LSTM reads the support, another reads each query with an eye on the support."""
    processing_steps: int = 5
    """Steps in which a query is read (fce only)."""


class Matching(Metric):
    """A query's class is that of the support examples it resembles: attention by cosine, its scale learnt from 10."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = MatchingConfig

    def __init__(self, spec: Spec, config: MatchingConfig) -> None:
        if config.fce and config.proxies:
            raise UserError("--proxies trains the backbone alone, so that --fce would learn nothing. Leave out one.")
        check_counts(**{"processing-steps": config.processing_steps})
        super().__init__(spec, config, SCALE)
        self.context = FullContext(self.net.features, config.processing_steps) if config.fce else None

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        if self.context is not None:
            features = self.context.read_support(features, support.mask)
        return {"support": features, "labels": support.y * support.mask.unsqueeze(-1)}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        support, labels = adapted["support"], adapted["labels"]
        there = labels.sum(-1) > 0
        if self.context is not None:
            features = self.context.read_query(features, support, there)
        similarity = F.normalize(features, dim=-1) @ F.normalize(support, dim=-1).T
        log_attention = F.log_softmax(kept(self.log_scale.exp() * similarity, there), -1)
        votes = kept(log_attention.unsqueeze(-1), labels > 0)
        return Logits(only_present(votes.logsumexp(1), labels.sum(0) > 0))


def kept(logits: Tensor, keep: Tensor) -> Tensor:
    """``logits`` where ``keep``, elsewhere the least number there is: its exponential is 0, without infinities."""
    return torch.where(keep, logits, torch.finfo(logits.dtype).min)


class Cell(nn.Module):
    """One step of an LSTM (Hochreiter and Schmidhuber 1997), from linear maps so that it runs under vmap anywhere."""

    def __init__(self, inputs: int, size: int) -> None:
        super().__init__()
        self.gates = nn.Linear(inputs + size, 4 * size)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Input [..., inputs], output and memory [..., size] -> the next output and memory."""
        admit, forget, cell, out = self.gates(torch.cat([x, h], -1)).chunk(4, -1)
        c = forget.sigmoid() * c + admit.sigmoid() * cell.tanh()
        return out.sigmoid() * c.tanh(), c


class FullContext(nn.Module):
    """Full context embeddings of support (g) and query (f); each query is read on its own."""

    def __init__(self, size: int, steps: int) -> None:
        super().__init__()
        self.forwards, self.backwards, self.reader = Cell(size, size), Cell(size, size), Cell(2 * size, size)
        self.steps = steps

    def read_support(self, features: Tensor, mask: Tensor) -> Tensor:
        """[n, f] -> [n, f] in the light of the whole support; the LSTMs pass over padded rows."""
        if not len(features):
            return features
        ahead = self._run(self.forwards, features, mask)
        return features + ahead + self._run(self.backwards, features.flip(0), mask.flip(0)).flip(0)

    def read_query(self, features: Tensor, support: Tensor, there: Tensor) -> Tensor:
        """[n, f] -> [n, f] in the light of ``support`` [m, f], of which only the rows ``there`` [m] are looked at."""
        h, r, c = features, torch.zeros_like(features), torch.zeros_like(features)
        for _ in range(self.steps):
            h, c = self.reader(torch.cat([features, r], -1), h, c)
            h = h + features
            r = kept(h @ support.T, there).softmax(-1) @ support
        return h

    def _run(self, cell: Cell, rows: Tensor, mask: Tensor) -> Tensor:
        h = c = torch.zeros_like(rows[0])
        outputs = []
        for row, real in zip(rows, mask, strict=True):
            new_h, new_c = cell(row, h, c)
            h, c = torch.where(real, new_h, h), torch.where(real, new_c, c)
            outputs.append(h)
        return torch.stack(outputs)
