"""What is known of an item from those who rated it: how well it is liked, how often, and where it lies among others.

    r_ui = m + a_u + b_i + p_u . q_i                     alternating least squares, each penalised
    L = U S V^T, of the likes of users, each user's row of length 1                          tastes = V S

q are ``factor`` (Koren, Bell and Volinsky 2009, "Matrix Factorization Techniques for Recommender Systems") and the rows
of V S ``taste`` (Cremonesi, Koren and Turrin 2010, "Performance of Recommender Algorithms on Top-N Recommendation
Tasks", PureSVD). Both are only known up to a rotation. So that a learner may read them as they stand, each table is
turned as near as can be to the same fixed directions, which are made of the items' content.

``trend`` is likes as they would be if all users had come when this one did: those of others count the more the nearer
the time of their first ratings, as a rank among users, is to his.

A learner that were trained on a user whose own ratings are in the table would learn to trust it too much. So there are
``FOLDS`` tables beside the whole one: fold f's is made without the users of fold f, and those read nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.tasks import cached, draw
from quickstudy.tasks.places import cache_folder

FOLDS = 5
STATISTICS = ("mean", "count", "likes")
FACTORS, TASTES, ERAS = 16, 32, 9
NAMES = (*STATISTICS, *(f"factor {i + 1}" for i in range(FACTORS)), *(f"taste {i + 1}" for i in range(TASTES)))
"""Columns of a table, in order; behind them are ``ERAS`` of ``trend``, at even times from the first to the last."""
ROUNDS = 6
PENALTY, SHRINK = 8.0, 5.0
"""Of factors; of means and offsets: so many average ratings are added to each."""
WIDTH = 0.08
"""Standard deviation of the times that count together, as a share of all users."""
OTHERS = 0.2
"""Share of likes whenever they were that is added to a trend."""
VERSION = "2"
"""Of tables in the cache; another one makes them anew."""


def folded(user: Tensor, item: Tensor, y: Tensor, fold: Tensor, era: Tensor, content: Tensor) -> Tensor:
    """[FOLDS + 1, M, columns + ERAS] tables: without each fold in turn, and at the end of all users.

    ``user``, ``item``, ``y`` [N] are the ratings of training users alone (y of 0 or more is a like), ``fold`` and
    ``era`` [U] are each one's, ``content`` [M, C].
    """
    people, items = len(fold), len(content)
    seen, rated = torch.zeros(people, items), torch.zeros(people, items)
    seen[user, item], rated[user, item] = 1.0, y
    kept = [fold != number for number in range(FOLDS)] + [torch.ones_like(fold, dtype=torch.bool)]
    return torch.stack([table(seen[keep], rated[keep], era[keep], content) for keep in kept])


def table(seen: Tensor, rated: Tensor, era: Tensor, content: Tensor) -> Tensor:
    """[M, columns + ERAS] of users who have ``seen`` [U, M] (1 or 0) items and ``rated`` [U, M] them (0 where not)."""
    count, likes = seen.sum(0), (seen * (rated >= 0)).sum(0)
    middle, offset, bias = means(seen, rated)
    rest = (rated - middle - offset.unsqueeze(-1) - bias) * seen
    directions = _directions(content, max(FACTORS, TASTES))
    factors = _turned(_factors(seen, rest, directions[:, :FACTORS]), directions[:, :FACTORS], count)
    tastes = _turned(_tastes(seen * (rated >= 0), directions[:, :TASTES]), directions[:, :TASTES], likes)
    statistics = torch.stack([middle + bias, count.log1p() / 3, likes.log1p() / 3], -1)
    return torch.cat([statistics, factors, tastes, _trends(seen * (rated >= 0), era)], -1)


def _trends(liked: Tensor, era: Tensor) -> Tensor:
    """[M, ERAS] likes as of each time, in the units of ``likes``."""
    times = torch.linspace(0, 1, ERAS)
    near = torch.exp(-0.5 * ((times.unsqueeze(-1) - era) / WIDTH).square()) + 1e-6
    share = near / near.sum(-1, keepdim=True) + OTHERS / len(era)
    return (len(era) * share @ liked).T.log1p() / 3


def trend(tables: Tensor, era: Tensor) -> Tensor:
    """[T, ...] trends at ``era`` [T], between the times that ``tables`` [T, ..., ERAS] have."""
    place = era.clamp(0, 1) * (ERAS - 1)
    low = place.floor().clamp(max=ERAS - 2).long()
    shape = (-1, *[1] * (tables.dim() - 1))
    low, part = low.view(shape).expand(*tables.shape[:-1], 1), (place - low).view(shape)
    return (tables.gather(-1, low) * (1 - part) + tables.gather(-1, low + 1) * part).squeeze(-1)


def means(seen: Tensor, rated: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean [], offsets of users [U] and of items [M]: each the shrunk mean of what the others leave."""
    middle = rated.sum() / seen.sum().clamp(min=1)
    offset, bias = rated.new_zeros(len(rated)), rated.new_zeros(rated.shape[1])
    for _ in range(ROUNDS):
        bias = ((rated - middle - offset.unsqueeze(-1)) * seen).sum(0) / (seen.sum(0) + SHRINK)
        offset = ((rated - middle - bias) * seen).sum(1) / (seen.sum(1) + SHRINK)
    return middle, offset, bias


def _factors(seen: Tensor, rest: Tensor, start: Tensor) -> Tensor:
    """[M, FACTORS] of items, by alternating least squares from ``start``."""
    items = 0.1 * start
    for _ in range(ROUNDS):
        people = _solved(seen, rest, items)
        items = _solved(seen.T, rest.T, people)
    return items


def _solved(seen: Tensor, rest: Tensor, other: Tensor) -> Tensor:
    """[n, k]: ridge regression of each row of ``rest`` [n, m] on ``other`` [m, k], where ``seen``."""
    size = other.shape[1]
    pairs = (other.unsqueeze(-1) * other.unsqueeze(-2)).flatten(1)
    gram = (seen @ pairs).unflatten(-1, (size, size)) + PENALTY * torch.eye(size)
    return torch.linalg.solve(gram, (rest @ other).unsqueeze(-1)).squeeze(-1)


def _tastes(liked: Tensor, start: Tensor) -> Tensor:
    """[M, TASTES] V S of the likes, by subspace iteration from ``start``; zeros where there are fewer."""
    rows = liked / liked.sum(1, keepdim=True).clamp(min=1).sqrt()
    basis = rows.T @ (rows @ start)
    for _ in range(ROUNDS):
        basis = rows.T @ (rows @ torch.linalg.qr(basis)[0])
    basis = torch.linalg.qr(basis)[0]
    left, size, _ = torch.linalg.svd(rows @ basis, full_matrices=False)
    found = rows.T @ left * (size > 1e-4)
    return F.pad(found, (0, start.shape[1] - found.shape[1]))


def _directions(content: Tensor, size: int) -> Tensor:
    """[M, size]: what content says, mixed by fixed normal numbers, and a little of each item's own."""
    items, known = content.shape
    mixing = draw.normal(torch.arange(known), size, "directions")
    own = draw.normal(torch.arange(items), size, "items")
    return (content - content.mean(0)) @ mixing + 0.3 * own if known else own


def _turned(found: Tensor, directions: Tensor, count: Tensor) -> Tensor:
    """``found`` [M, k] rotated as near to ``directions`` as can be (Schoenemann 1966), its spread brought to 1.

    Items of which nothing is known have zeros.
    """
    weight = count.sqrt().unsqueeze(-1)
    left, _, right = torch.linalg.svd((found * weight).T @ (directions * weight))
    turned = found @ (left @ right)
    spread = ((turned * weight).square().sum() / (weight.square().sum() * found.shape[1]).clamp(min=1)).sqrt()
    return turned / torch.where(spread > 0, spread, 1.0) * (count > 0).unsqueeze(-1)


def stored(name: str, make: Callable[[], Tensor]) -> Tensor:
    """The tables of that name in the cache, else what ``make`` gives, which is cached; no name is not cached."""
    if not name:
        return make()
    path = cache_folder() / "ratings" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.safetensors"
    return cached.tensors(path, "the table of items", VERSION, lambda: {"tables": make()})["tables"]
