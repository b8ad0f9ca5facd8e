"""DN4 against scikit-learn's nearest neighbours, class by class."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.learners.dn4 import nearest_of_class
from quickstudy.tasks.base import Examples

GLYPHS = tasks.load("glyphs:classes=50")
TASK = batch.take(GLYPHS.sample("test", torch.arange(1), way=3, shot=2, query=2, seed=0), 0)


def build(**settings: object) -> Learner:
    return learners.build("dn4", GLYPHS.spec, learners.configure("dn4", {"width": 8, **settings}), 0).eval()


@torch.no_grad()
def logits(learner: Learner, support: Examples = TASK.support) -> np.ndarray:
    found: np.ndarray = learner.predict(learner.adapt(support), TASK.query.x, TASK.query.mask).logits.numpy()
    return found


@torch.no_grad()
def descriptors(learner: Learner, examples: Examples) -> np.ndarray:
    """[n, h * w, C] of unit length, place by place."""
    maps = learner.net(examples.x, examples.mask, None)[0].view(-1, *learner.net.maps).double()
    rows = torch.stack([maps[:, :, at, to] for at in range(maps.shape[2]) for to in range(maps.shape[3])], 1)
    found: np.ndarray = F.normalize(rows, dim=-1).numpy()
    return found


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("unequal", [False, True])
def test_scores_are_sums_of_cosines_with_the_nearest_of_each_class(k: int, unequal: bool) -> None:
    learner = build(k=k)
    assert learner.net.maps == (8, 7, 7)
    keep = torch.tensor([True] * 5 + [not unequal])
    support = TASK.support._replace(mask=TASK.support.mask & keep)
    own, query = descriptors(learner, support), descriptors(learner, TASK.query)
    wanted = np.empty((len(query), 3))
    for c in range(3):
        there = own[((support.y[:, c] == 1) & support.mask).numpy()].reshape(-1, 8)
        distance, _ = NearestNeighbors(n_neighbors=k, metric="cosine").fit(there).kneighbors(query.reshape(-1, 8))
        wanted[:, c] = (1 - distance).sum(-1).reshape(len(query), -1).sum(-1)
    np.testing.assert_allclose(logits(learner, support), wanted, rtol=1e-4, atol=1e-3)


def test_with_one_descriptor_an_image_it_is_a_sum_over_the_most_similar_images() -> None:
    learner = build(backbone="conv4", k=2)
    own, query = (descriptors(learner, part)[:, 0] for part in (TASK.support, TASK.query))
    wanted = query @ own.T @ TASK.support.y.double().numpy()  # two shots: both images of a class
    np.testing.assert_allclose(logits(learner), wanted, rtol=1e-4, atol=1e-4)


def test_a_class_with_too_few_descriptors_is_as_if_it_had_enough() -> None:
    learner = build(backbone="conv4", k=5)
    wanted = logits(build(backbone="conv4", k=2)) * 5 / 2
    np.testing.assert_allclose(logits(learner), wanted, rtol=1e-4, atol=1e-4)


def test_the_nearest_of_a_class_by_hand() -> None:
    similarity = torch.tensor([[[0.9, 0.1], [-0.2, 0.8], [1.0, 1.0], [0.3, -0.4]]])
    labels = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]])  # the third is padding
    for k, wanted in ((1, [0.9, 0.0, 0.3]), (2, [0.85, 0.0, -0.05]), (3, [0.6, 0.0, -0.05])):
        torch.testing.assert_close(nearest_of_class(similarity, labels, k), torch.tensor([wanted]))


def test_order_holds_among_many_classes() -> None:
    """Keys of single precision would mix up neighbours here."""
    similarity = torch.linspace(0.9, 0.900001, 4)[:, None].repeat(2000, 1, 1).transpose(0, 1).reshape(1, -1, 1)
    labels = torch.eye(2000).repeat(4, 1)
    found = nearest_of_class(similarity, labels, 1)
    assert torch.equal(found, similarity.max().expand(1, 2000))


def test_gradients_reach_the_neighbours_and_no_other() -> None:
    similarity: Tensor = torch.rand(5, 4, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.eye(2).repeat(2, 1)
    nearest_of_class(similarity, labels, 3).sum().backward()
    assert similarity.grad is not None
    for row in range(5):
        for c in range(2):
            own = similarity[row, c::2].detach().flatten()
            reached = similarity.grad[row, c::2].flatten() > 0
            assert set(own[reached].tolist()) == set(own.topk(3).values.tolist())


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(UserError, match="--k is 0"):
        build(k=0)
