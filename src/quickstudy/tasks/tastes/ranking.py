"""How well items are ordered: normalised discounted cumulative gain (Järvelin and Kekäläinen 2002, "Cumulated
Gain-Based Evaluation of IR Techniques") and recall, both of the first ten.

    ndcg10 = sum_j g(j-th) / log2(1 + j)  over its largest possible value,   j = 1, ..., 10
    recall10 = likes among the first ten / min(10, likes)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

FIRST = 10


def ndcg(score: Tensor, gain: Tensor, mask: Tensor) -> Tensor:
    """[T] of items in ``mask`` [T, n] ordered by ``score`` [T, n]; NaN where no order is better than another."""
    score = torch.where(mask, score, torch.finfo(score.dtype).min)
    gain = torch.where(mask, gain, 0)
    first = min(FIRST, score.shape[-1])
    discount = 1 / torch.arange(2, first + 2, device=score.device).log2()
    found = gain.gather(-1, _first(score, first)) @ discount
    best = gain.topk(first, dim=-1).values @ discount
    return torch.where(best > 0, found / best, math.nan)


def recall(score: Tensor, liked: Tensor, mask: Tensor) -> Tensor:
    """[T] of ``liked`` [T, n] items among the first ten in ``mask`` [T, n]; 0 where nothing is liked."""
    score = torch.where(mask, score, torch.finfo(score.dtype).min)
    hits = liked.gather(-1, _first(score, min(FIRST, score.shape[-1]))).sum(-1)
    likes = liked.sum(-1)
    return hits / likes.clamp(min=1, max=FIRST)


def _first(score: Tensor, count: int) -> Tensor:
    """Places of the largest, those that come first where they are equal."""
    return score.argsort(dim=-1, descending=True, stable=True)[..., :count]
