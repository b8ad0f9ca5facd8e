"""The meta-step against PyTorch's plain optimiser."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch, choosing
from quickstudy.learners.nearest import Nearest
from quickstudy.tasks.base import Spec, Task, WholeTasks
from quickstudy.training import TrainConfig, Training, resolve


@pytest.mark.parametrize("how", ["loop", "vmap"])
@pytest.mark.parametrize("name", ["protonet", "maml"])
def test_the_fused_optimiser_takes_the_step_of_the_plain_one(name: str, how: str) -> None:
    """Its gradients need the memory layout of the weights, or it updates the wrong numbers without a word."""

    def trained(fused: bool) -> list[torch.Tensor]:
        family = tasks.load("glyphs:classes=20")
        config = resolve(TrainConfig(way=2, query=2, tasks_per_step=2, steps=3, batching=how), name, family.spec)
        learner = learners.build(name, family.spec, learners.configure(name, {"width": 4, "norm": "task"}), seed=0)
        training = Training(learner, family, config, torch.device("cpu"))
        training.choose_batching()
        if not fused:
            training.optimizer = torch.optim.Adam(list(training.params.values()), lr=config.rate, fused=False)
        training.meta_step()
        return list(training.params.values())

    for one, other in zip(trained(True), trained(False), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("how", ["vmap", "recorded", "threads", "loop"])
@pytest.mark.parametrize("name", ["protonet", "maml"])
def test_bfloat16_takes_nearly_the_same_gradient_and_keeps_weights_in_float32(
    name: str, how: batch.How, seemingly_two_cores: None
) -> None:
    """Inner steps and their second order too."""
    family = tasks.load("glyphs:classes=20")
    gradients = {}
    for precision in ("float32", "bfloat16"):
        config = resolve(TrainConfig(way=10, query=3, tasks_per_step=2, precision=precision), name, family.spec)
        learner = learners.build(name, family.spec, learners.configure(name, {"norm": "group", "width": 16}), seed=0)
        training = Training(learner, family, config, torch.device("cpu"))
        learner.train()
        gradients[precision] = training._gradient(training.episodes(), how, 0.0)[1]
    flat = {name: torch.cat([g.flatten() for g in found.values()]) for name, found in gradients.items()}
    cosine = torch.cosine_similarity(flat["float32"], flat["bfloat16"], 0)
    assert 0.95 < cosine < 0.999999, "equal bits would mean that nothing was done in bfloat16"
    assert all(g.dtype == torch.float32 for g in gradients["bfloat16"].values())


@pytest.mark.parametrize("varied", [{}, {"most_ways": 4}, {"max_shot": 3}])
def test_what_is_written_down_is_for_tasks_of_one_shape(
    varied: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording pays by being played often, and ways or shots that are drawn anew make other shapes."""
    asked = []

    def fastest(*_: object, calls: float, patience: float) -> batch.How:
        asked.append(calls)
        return "loop"

    monkeypatch.setattr(choosing, "fastest", fastest)
    family = tasks.load("glyphs:classes=20")
    config = resolve(TrainConfig(way=2, query=2, tasks_per_step=1, steps=500, **varied), "maml", family.spec)
    learner = learners.build("maml", family.spec, learners.configure("maml", {"width": 4}), seed=0)
    Training(learner, family, config, torch.device("cpu")).choose_batching()
    assert asked == [1 if varied else 500]


def test_bfloat16_is_for_training_passes_alone() -> None:
    family = tasks.load("glyphs:classes=20")
    config = resolve(TrainConfig(way=3, query=2, precision="bfloat16"), "protonet", family.spec)
    learner = learners.build("protonet", family.spec, learners.configure("protonet", {}), seed=0)
    training = Training(learner, family, config, torch.device("cpu"))
    learner.eval()
    task = training.episodes()
    x, mask = task.support.x[0], task.support.mask[0]
    features, _ = learner.net(x, mask)
    learner.net.trains_in_bfloat16 = False
    assert torch.equal(features, learner.net(x, mask)[0])


def test_tasks_that_are_drawn_ahead_are_those_of_their_meta_step() -> None:
    """As beside a GPU, where the processor draws while this one computes."""

    def trained(ahead: bool) -> list[torch.Tensor]:
        family = tasks.load("glyphs:classes=20")
        config = resolve(TrainConfig(way=2, max_shot=3, query=2, tasks_per_step=2, steps=5), "protonet", family.spec)
        learner = learners.build("protonet", family.spec, learners.configure("protonet", {"width": 4}), seed=0)
        made = Training(learner, family, config, torch.device("cpu"))
        if ahead:
            made.sampler._drawer = ThreadPoolExecutor(1)
        for made.step in (0, 1, 1, 2, 4):  # as resumed, and cut off
            made.meta_step()
        assert made.sampler.ahead is None or made.sampler.ahead[0] < made.steps
        return list(made.params.values())

    assert all(torch.equal(one, other) for one, other in zip(trained(False), trained(True), strict=True))


def test_ways_are_drawn_anew_for_each_meta_step() -> None:
    family = tasks.load("glyphs:classes=20")
    config = resolve(TrainConfig(way=2, most_ways=4, max_shot=2, query=2, tasks_per_step=1), "protonet", family.spec)
    learner = learners.build("protonet", family.spec, learners.configure("protonet", {"width": 4}), seed=0)
    made = Training(learner, family, config, torch.device("cpu"))
    found = set()
    for made.step in range(60):
        way, shot = made.sampler.way(made.step), made.sampler.shot(made.step)
        found.add((way, shot))
        if made.step < 4:
            assert made.episodes().support.y.shape[1:] == (way * shot, way)
    assert found == {(way, shot) for way in (2, 3, 4) for shot in (1, 2)}
    with pytest.raises(UserError, match="--way is 5 and --most-ways 3"):
        resolve(TrainConfig(way=5, most_ways=3), "protonet", family.spec)


def test_shots_are_drawn_anew_for_each_meta_step() -> None:
    family = tasks.load("glyphs:classes=20")
    config = resolve(TrainConfig(way=2, shot=2, max_shot=5, query=2, tasks_per_step=1), "protonet", family.spec)
    learner = learners.build("protonet", family.spec, learners.configure("protonet", {"width": 4}), seed=0)
    made = Training(learner, family, config, torch.device("cpu"))
    drawn = []
    for made.step in range(60):
        drawn.append(made.sampler.shot(made.step))
    assert {*drawn} == {2, 3, 4, 5}
    made.step = 7
    assert made.episodes().support.x.shape[1] == 2 * drawn[7]
    with pytest.raises(UserError, match="--shot is 2 and --max-shot 1"):
        resolve(TrainConfig(shot=2, max_shot=1), "protonet", family.spec)


class Weighed(Nearest):
    """One weight, which moves only if the loss finds what ``prepare`` counts."""

    def __init__(self, spec: Spec, config: Any) -> None:
        super().__init__(spec, config)
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("counted", torch.zeros(1))

    def prepare(self, tasks: WholeTasks) -> None:
        self.get_buffer("counted").fill_(len(tasks))

    def loss(self, task: Task, progress: float) -> Tensor:
        return (self.weight * self.get_buffer("counted")).sum() + 0 * task.query.y.sum()


def test_what_is_learnt_without_gradients_is_there_before_the_first_step() -> None:
    family, wanted = tasks.load("sinusoid"), TrainConfig(steps=1, validate_every=0, batching="loop")
    learner = Weighed(family.spec, Weighed.Config())
    training = Training(learner, family, resolve(wanted, "nearest", family.spec), torch.device("cpu"))
    for _ in training.advance():
        pass
    assert float(learner.weight.detach()) < 0
