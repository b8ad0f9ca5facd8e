"""Simple CNAPS: class Gaussians and their refinement by queries against numpy, modulation against a net whose weights
were changed by hand."""

import copy

import clusters
import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import Tensor

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.learners.base import class_means, squared_distance
from quickstudy.learners.cnaps import covariances
from quickstudy.tasks.base import Examples, Task

GLYPHS = tasks.load("glyphs:classes=50")
TASK: Task = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=3, query=5, seed=0), 0)
UNEQUAL = TASK.support._replace(mask=torch.tensor([row not in (1, 2, 4) for row in range(12)]))


def build(**settings: object) -> Learner:
    return learners.build("cnaps", GLYPHS.spec, learners.configure("cnaps", {"width": 8, **settings}), 0).eval()


@torch.no_grad()
def logits(learner: Learner, support: Examples = TASK.support) -> Tensor:
    found: Tensor = learner.predict(learner.adapt(support), TASK.query.x, TASK.query.mask).logits
    return found


def mahalanobis(features: np.ndarray, labels: np.ndarray, query: np.ndarray, ridge: float) -> np.ndarray:
    """Logits as the paper writes them, a class and a query at a time."""
    size = features.shape[1]
    task = np.cov(features.T)
    found = np.empty((len(query), 4))
    for k in range(4):
        own = features[labels == k]
        cov = np.cov(own.T) if len(own) > 1 else np.zeros((size, size))
        trust = len(own) / (len(own) + 1)
        precision = np.linalg.inv(trust * cov + (1 - trust) * task + ridge * np.eye(size))
        for row, one in enumerate(query):
            apart = one - own.mean(0)
            found[row, k] = -0.5 * apart @ precision @ apart
    return found


@pytest.mark.parametrize("support", [TASK.support, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize("ridge", [1.0, 0.1])
@torch.no_grad()
def test_logits_are_mahalanobis_distances_written_out(support: Examples, ridge: float) -> None:
    learner = build(norm="group", ridge=ridge)
    features, query = (learner.net(part.x, part.mask, None)[0].double().numpy() for part in (support, TASK.query))
    real = support.mask.numpy()
    wanted = mahalanobis(features[real], support.y.argmax(-1).numpy()[real], query, ridge)
    np.testing.assert_allclose(logits(learner, support), wanted, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_with_a_large_ridge_it_is_a_prototypical_network() -> None:
    learner = build(norm="group", ridge=1e6)
    features, query = (learner.net(part.x, part.mask, None)[0] for part in (TASK.support, TASK.query))
    distance = squared_distance(query, class_means(features, TASK.support))
    torch.testing.assert_close(logits(learner) * 2e6, -distance, rtol=1e-3, atol=1e-2)


@torch.no_grad()
def test_of_single_examples_only_the_spread_of_the_whole_support_is_known() -> None:
    features = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    single = Examples(features, torch.eye(4, dtype=torch.float64), torch.ones(4, dtype=torch.bool))
    wanted = 0.5 * torch.cov(features.T) + torch.eye(5)
    torch.testing.assert_close(covariances(features, single, 1.0), wanted.expand(4, 5, 5))
    alone = single._replace(mask=torch.tensor([True, False, False, False]))
    torch.testing.assert_close(covariances(features, alone, 1.0)[0], torch.eye(5, dtype=torch.float64))


def test_layers_start_without_modulation() -> None:
    learner = build()
    adapted = learner.adapt(TASK.support)
    own = {f"net.{name}": value for name, value in learner.net.named_parameters() if ".norm." in name}
    assert {name for name in adapted if name.startswith("net.")} == own.keys()
    for name, value in own.items():
        torch.testing.assert_close(adapted[name], value)


@torch.no_grad()
def test_modulation_is_film_after_every_normalisation() -> None:
    learner = build(norm="group")
    for value in learner.parameters():
        value.add_(0.1 * torch.randn(value.shape, generator=torch.Generator().manual_seed(value.numel())))
    z = learner.encoder(TASK.support.x, TASK.support.mask, None)[0].mean(0)
    gammas, betas = (part.split(8) for part in learner.film(z).chunk(2))
    by_hand = copy.deepcopy(learner.net)
    for number, block in enumerate(by_hand.blocks):
        block.norm.weight.mul_(1 + gammas[number])
        block.norm.bias.mul_(1 + gammas[number]).add_(betas[number])
    plain = build(norm="group")
    plain.net.load_state_dict(by_hand.state_dict())
    assert not torch.allclose(logits(learner), logits(build(norm="group")), rtol=1e-2)
    torch.testing.assert_close(logits(learner), logits(plain), rtol=1e-3, atol=1e-3)


def refined(support: Examples, query: Examples, times: int, ridge: float = 1.0) -> np.ndarray:
    """Soft k-means with covariances as the paper writes it, a class at a time; the features are the inputs."""
    s, labels, q = support.x.numpy(), support.y.numpy(), query.x.numpy()
    every, size = np.concatenate([s, q]), s.shape[1]
    found = mahalanobis(s, labels.argmax(-1), q, ridge)
    for _ in range(times):
        weights = np.concatenate([labels, softmax(found, -1)])
        for k in range(clusters.WAY):
            w = weights[:, k]
            mean = (w[:, None] * every).sum(0) / w.sum()
            spread = sum(w[i] * np.outer(every[i] - mean, every[i] - mean) for i in range(len(every))) / w.sum()
            trust = w.sum() / (w.sum() + 1)
            q_k = trust * spread + (1 - trust) * np.cov(every.T) + ridge * np.eye(size)
            found[:, k] = [-0.5 * (one - mean) @ np.linalg.solve(q_k, one - mean) for one in q]
    return found


def on_features(**settings: object) -> Learner:
    """It without a net: what it makes of given features."""
    learner = learners.build("cnaps", clusters.SPEC, learners.configure("cnaps", {"norm": "group", **settings}), 0)
    learner = learner.double().eval()
    vars(learner)["_modulated"] = lambda support: {}
    learner.net = Given()
    return learner


class Given(torch.nn.Module):
    """A backbone that hands on its input."""

    def forward(self, x: Tensor, mask: Tensor, moments: object) -> tuple[Tensor, dict[str, Tensor]]:
        return x, {}


@pytest.mark.parametrize("times", [0, 1, 4])
@torch.no_grad()
def test_together_is_soft_k_means_with_covariances_written_out(times: int) -> None:
    """Without a refinement that is Simple CNAPS."""
    support, query = clusters.draw(0)
    found = clusters.logits(on_features(transductive=True, refinements=times), support, query)
    np.testing.assert_allclose(found, refined(support, query, times), rtol=1e-8)
    alone = clusters.logits(on_features(), support, query)
    assert torch.equal(found, alone) == (times == 0)


@torch.no_grad()
def test_with_one_shot_of_clusters_that_lie_apart_answers_together_are_better() -> None:
    def right(learner: Learner) -> Tensor:
        found = []
        for seed in range(50):
            support, query = clusters.draw(seed)
            first = Examples(*(leaf[: clusters.WAY] for leaf in support))
            found.append((clusters.logits(learner, first, query).argmax(-1) == query.y.argmax(-1)).double().mean())
        return torch.stack(found)

    gain = right(on_features(transductive=True)) - right(on_features())
    assert gain.mean() > 3 * gain.std() / len(gain) ** 0.5


@torch.no_grad()
def test_the_order_of_the_queries_does_not_matter() -> None:
    learner, (support, query) = on_features(transductive=True), clusters.draw(0)
    turned = Examples(*(leaf.flip(0) for leaf in query))
    found = clusters.logits(learner, support, query)
    torch.testing.assert_close(clusters.logits(learner, support, turned).flip(0), found)


def test_training_refines_nothing() -> None:
    one, other = build(transductive=True), build()
    assert torch.equal(one.loss(TASK, 0.0), other.loss(TASK, 0.0))


def test_what_is_refused_says_what_to_use() -> None:
    for norm in ("batch", "none"):
        with pytest.raises(UserError, match=f"--norm {norm} .*task or group"):
            build(norm=norm)
    with pytest.raises(UserError, match="--ridge"):
        build(ridge=0.0)
    with pytest.raises(UserError, match="--refinements"):
        build(refinements=-1)
