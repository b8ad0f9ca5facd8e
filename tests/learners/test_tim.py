"""Transductive information maximisation against its objective and its updates, written out."""

import math

import numpy as np
import pytest
import torch
from clusters import WAY, build, draw, logits, right
from scipy.special import softmax
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.tasks.base import Examples

TAU, WEIGHT, ALPHA = 15.0, 0.1, 0.1


def answer(w: np.ndarray, z: np.ndarray) -> np.ndarray:
    found: np.ndarray = softmax(-TAU / 2 * ((z[:, None] - w[None]) ** 2).sum(-1), -1)
    return found


def objective(w: np.ndarray, s: np.ndarray, y: np.ndarray, q: np.ndarray) -> float:
    p = answer(w, q)
    cross_entropy = -(y * np.log(answer(w, s))).sum(-1).mean()
    marginal, conditional = -(p.mean(0) * np.log(p.mean(0))).sum(), -(p * np.log(p)).sum(-1).mean()
    return float(WEIGHT * cross_entropy - marginal + ALPHA * conditional)


def updated(w: np.ndarray, s: np.ndarray, y: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Proposition 1, class by class and query by query."""
    p_s, p_q = answer(w, s), answer(w, q)
    wanted = np.zeros_like(p_q)
    for i in range(len(q)):
        for k in range(len(w)):
            wanted[i, k] = p_q[i, k] ** (1 + ALPHA) / math.sqrt(sum(p_q[j, k] ** (1 + ALPHA) for j in range(len(q))))
        wanted[i] /= wanted[i].sum()
    new = np.zeros_like(w)
    for k in range(len(w)):
        above = WEIGHT / (1 + ALPHA) * sum(y[i, k] * s[i] + p_s[i, k] * (w[k] - s[i]) for i in range(len(s)))
        above += len(s) / len(q) * sum(wanted[i, k] * q[i] + p_q[i, k] * (w[k] - q[i]) for i in range(len(q)))
        new[k] = above / (WEIGHT / (1 + ALPHA) * y[:, k].sum() + len(s) / len(q) * wanted[:, k].sum())
    return new


def parts(support: Examples, query: Examples) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First class weights, unit support, labels, unit queries."""
    s, q = (F.normalize(one.x, dim=-1).numpy() for one in (support, query))
    y = support.y.numpy()
    return np.stack([s[y[:, k] == 1].mean(0) for k in range(WAY)]), s, y, q


def test_by_default_it_is_the_softmax_over_distances_to_class_means() -> None:
    support, query = draw(0)
    w, _, _, q = parts(support, query)
    np.testing.assert_allclose(softmax(logits(build("tim"), support, query).numpy(), -1), answer(w, q), rtol=1e-9)


@pytest.mark.parametrize("iterations", [1, 4])
def test_the_updates_are_those_of_proposition_1(iterations: int) -> None:
    support, query = draw(0)
    w, s, y, q = parts(support, query)
    for _ in range(iterations):
        w = updated(w, s, y, q)
    found = logits(build("tim", transductive=True, iterations=iterations), support, query)
    np.testing.assert_allclose(softmax(found.numpy(), -1), answer(w, q), rtol=1e-8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_objective_falls_with_every_update(seed: int) -> None:
    w, s, y, q = parts(*draw(seed))
    values = [objective(w, s, y, q)]
    for _ in range(150):
        w = updated(w, s, y, q)
        values.append(objective(w, s, y, q))
    assert (np.diff(values) < 0).all()


def test_answers_together_are_better_than_one_by_one() -> None:
    gain = right(build("tim", transductive=True)) - right(build("tim"))
    assert gain.mean() > 3 * gain.std() / len(gain) ** 0.5


def test_the_order_of_the_queries_does_not_matter() -> None:
    learner, (support, query) = build("tim", transductive=True), draw(0)
    turned = Examples(*(leaf.flip(0) for leaf in query))
    torch.testing.assert_close(logits(learner, support, turned).flip(0), logits(learner, support, query))


@pytest.mark.parametrize("queries", [0, 1])
def test_few_queries_have_finite_answers(queries: int) -> None:
    support, query = draw(0)
    found = logits(build("tim", transductive=True), support, Examples(*(leaf[:queries] for leaf in query)))
    assert found.shape == (queries, WAY)
    assert found.isfinite().all()


@pytest.mark.parametrize("field", ["temperature", "support_weight", "confidence_weight"])
def test_weights_are_above_zero(field: str) -> None:
    with pytest.raises(UserError, match=field.replace("_", "-")):
        build("tim", **{field: 0.0})
