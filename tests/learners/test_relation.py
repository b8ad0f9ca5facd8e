"""The relation network against the published equations, written out pair by pair."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy import learners, nets, tasks
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.nets.norm import EPS
from quickstudy.tasks.base import Examples

GLYPHS = tasks.load("glyphs:classes=50")
TASK = batch.take(GLYPHS.sample("test", torch.arange(1), way=3, shot=2, query=2, seed=0), 0)


def build(**settings: object) -> Learner:
    config = learners.configure("relation", {"width": 8, **settings})
    learner = learners.build("relation", GLYPHS.spec, config, 0).eval()
    with torch.no_grad():  # weights of a norm that are all one would hide where they belong
        for value in learner.relation.norms.parameters():
            value.add_(torch.linspace(-0.2, 0.2, len(value)))
    return learner


def relations(learner: Learner) -> Tensor:
    """[n, way] r of every query and class, through one concatenation of maps at a time."""
    module = learner.relation
    support, query = (
        learner.net(part.x, part.mask, None)[0].view(-1, *learner.net.maps) for part in (TASK.support, TASK.query)
    )
    weight = torch.cat([module.of_class.weight, module.of_query.weight], 1)
    found = torch.empty(len(query), 3)
    for row, of_query in enumerate(query):
        for c in range(3):
            of_class = support[TASK.support.y.argmax(-1) == c].mean(0)
            x = F.conv2d(torch.cat([of_class, of_query])[None], weight, module.of_class.bias, padding=1)
            for number in range(2):
                x = module.second(x) if number else x
                x = F.relu(F.group_norm(x, 8, module.norms[number].weight, module.norms[number].bias, EPS))
                x = F.max_pool2d(x, 2) if min(x.shape[2:]) > 1 else x
            found[row, c] = module.out(F.relu(module.hidden(x.flatten(1)))).sigmoid()
    return found


@pytest.mark.parametrize(("backbone", "maps"), [("auto", (8, 7, 7)), ("conv4", (8, 1, 1)), ("conv4s", (8, 2, 2))])
@torch.no_grad()
def test_relations_are_those_of_concatenated_maps(backbone: str, maps: tuple[int, int, int]) -> None:
    learner = build(backbone=backbone, objective="mse")
    assert learner.net.maps == maps
    wanted = relations(learner)
    found = learner.predict(learner.adapt(TASK.support), TASK.query.x, TASK.query.mask).logits
    torch.testing.assert_close(found.sigmoid(), wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(learner.loss(TASK, 0.0), F.mse_loss(wanted, TASK.query.y), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_default_objective_is_cross_entropy() -> None:
    learner = build()
    wanted = F.cross_entropy(relations(learner).logit(), TASK.query.y)
    torch.testing.assert_close(learner.loss(TASK, 0.0), wanted, rtol=1e-4, atol=1e-5)


def test_an_absent_class_takes_no_part_in_the_loss() -> None:
    learner = build(objective="mse")
    query = Examples(*(leaf[:4] for leaf in TASK.query))  # of the first two classes
    without = Examples(TASK.support.x, TASK.support.y, TASK.support.mask & (TASK.support.y[:, 2] == 0))
    two = Examples(TASK.support.x[:4], TASK.support.y[:4, :2], TASK.support.mask[:4])
    full = TASK._replace(support=without, query=query)
    fewer = TASK._replace(support=two, query=query._replace(y=query.y[:, :2]))
    torch.testing.assert_close(learner.loss(full, 0.0), learner.loss(fewer, 0.0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in nets.BACKBONES if not nets.is_frozen(name)])
def test_every_backbone_knows_the_shape_of_its_maps(name: str) -> None:
    net = nets.build(nets.NetConfig(backbone=name, width=8, norm="none"), (1, 30, 36)).eval()
    x, mask = torch.rand(2, 1, 30, 36), torch.ones(2, dtype=torch.bool)
    maps: list[Tensor] = []
    net.blocks[-1].register_forward_hook(lambda module, given, result: maps.append(result))
    features, _ = net(x, mask)
    assert features.shape[1] == net.features
    torch.testing.assert_close(features.view(-1, *net.maps).flatten(1), maps[0].flatten(1))
    if maps[0].dim() == 4:
        assert net.maps == maps[0].shape[1:]


def test_numbers_are_compared_too() -> None:
    spec = tasks.Spec(name="rows", kind="classification", shape=(5,), classes=9)
    learner = learners.build("relation", spec, learners.configure("relation", {"width": 8}), 0)
    assert learner.net.maps == (8, 1, 1)
    support = Examples(torch.randn(6, 5), torch.eye(3).repeat(2, 1), torch.ones(6, dtype=torch.bool))
    assert learner.predict(learner.adapt(support), torch.randn(4, 5), torch.ones(4).bool()).logits.shape == (4, 3)
