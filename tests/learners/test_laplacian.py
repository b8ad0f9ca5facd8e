"""LaplacianShot against its updates written out, scikit-learn's graph, and the SimpleShot that it is without it."""

import numpy as np
import pytest
import torch
from clusters import WAY, build, draw, logits
from scipy.special import softmax, xlogy
from sklearn.neighbors import NearestNeighbors, kneighbors_graph
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.learners import Learner
from quickstudy.learners.laplacian import nearest
from quickstudy.tasks.base import Examples

MEAN = torch.arange(6, dtype=torch.float64) / 10
"""Of the training features."""


def made(name: str = "laplacian", **settings: object) -> Learner:
    learner = build(name, **settings)
    learner.mean = MEAN
    return learner


def parts(support: Examples, query: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances [n, way] to class means, and the graph [n, n] of the three nearest."""
    s, q = (F.normalize(one.x - MEAN, dim=-1).numpy() for one in (support, query))
    means = np.stack([s[support.y[:, c].numpy() == 1].mean(0) for c in range(WAY)])
    graph = kneighbors_graph(NearestNeighbors(n_neighbors=3).fit(q), 3, include_self=False).toarray()
    return ((q[:, None] - means[None]) ** 2).sum(-1), graph


def objective(y: np.ndarray, a: np.ndarray, w: np.ndarray, agreement: float) -> float:
    return float(xlogy(y, y).sum() + (y * a).sum() - agreement / 2 * (y * (w @ y)).sum())


def test_the_graph_is_that_of_scikit_learn() -> None:
    _, query = draw(0)
    _, graph = parts(*draw(0))
    z = F.normalize(query.x - MEAN, dim=-1)
    np.testing.assert_array_equal(nearest(z, query.mask, 3).numpy(), graph)


@pytest.mark.parametrize(("agreement", "iterations"), [(1.0, 1), (0.5, 20)])
def test_the_updates_are_those_of_the_paper(agreement: float, iterations: int) -> None:
    support, query = draw(0)
    a, w = parts(support, query)
    y = softmax(-a, -1)
    for _ in range(iterations):
        y = softmax(-a + agreement * np.stack([sum(w[q, p] * y[p] for p in range(len(y))) for q in range(len(y))]), -1)
    learner = made(transductive=True, agreement=agreement, iterations=iterations)
    np.testing.assert_allclose(logits(learner, support, query).softmax(-1), y, rtol=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_objective_falls(seed: int) -> None:
    support, query = draw(seed)
    a, w = parts(support, query)
    answer = logits(made(transductive=True), support, query).softmax(-1).numpy()
    assert objective(answer, a, w, 1.0) < objective(softmax(-a, -1), a, w, 1.0)


@pytest.mark.parametrize("settings", [{}, {"transductive": True, "agreement": 0.0}])
def test_without_agreement_it_is_simpleshot(settings: dict[str, object]) -> None:
    support, query = draw(0)
    torch.testing.assert_close(logits(made(**settings), support, query), logits(made("simpleshot"), support, query))


@pytest.mark.parametrize("queries", [0, 1, 2])
def test_few_queries_have_finite_answers(queries: int) -> None:
    support, query = draw(0)
    found = logits(made(transductive=True), support, Examples(*(leaf[:queries] for leaf in query)))
    assert found.shape == (queries, WAY)
    assert found.isfinite().all()


def test_agreement_is_zero_or_more() -> None:
    with pytest.raises(UserError, match="--agreement is -1"):
        made(agreement=-1.0)
