"""On a CUDA GPU everything computes what it computes on a CPU; without one these tests are skipped."""

import copy
import gc

import cases
import pytest
import torch
from cases import CASES, RECORDED, UNRECORDABLE, Case
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from quickstudy import inner
from quickstudy.inner import batch, calls, capturing, recorded
from quickstudy.training import TrainConfig, Training, resolve

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
CUDA = torch.device("cuda")


@pytest.fixture(autouse=True)
def nothing_recorded() -> None:
    recorded.RECORDINGS.clear()
    calls.forget()


def moved(tree: object) -> object:
    return pytree.tree_map(lambda leaf: leaf.to(CUDA) if isinstance(leaf, Tensor) else leaf, tree)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_answers_and_meta_gradients_are_those_of_the_cpu(case: Case) -> None:
    here = cases.trained(case)
    there = copy.deepcopy(here).to(CUDA)
    task = cases.draw(case.on)
    torch.testing.assert_close(cases.answers(there, moved(task)).cpu(), cases.answers(here, task), rtol=1e-6, atol=1e-6)
    inside = here.traits.gradient_in_loss
    if not any(True for _ in here.parameters()):
        return
    for how in ("vmap", "loop") if inside else ("vmap",):
        _, mine = batch.meta_gradient(here.train(), task, 0.5, how, inside)
        _, found = batch.meta_gradient(there.train(), moved(task), 0.5, how, inside)
        for name, value in mine.items():
            torch.testing.assert_close(found[name].cpu(), value, rtol=1e-5, atol=1e-7 + 1e-6 * float(value.abs().max()))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_trains(case: Case) -> None:
    family = cases.family(case.on)
    config = TrainConfig(way=5, shot=2, query=2, tasks_per_step=2, steps=3, batching="vmap")
    made = Training(cases.build(case), family, resolve(config, case.name, family.spec), CUDA)
    made.choose_batching()
    made.learner.train()
    for _ in range(made.steps):
        made.meta_step()
    assert made.skipped == 0
    made.validate() if "val" in family.splits else made.prepare()
    assert all(value.is_cuda for value in made.learner.parameters())


def net(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "mlp":
        return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 3)).double().to(CUDA)
    block = (nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(*block, nn.Flatten(), nn.Linear(16, 3)).double().to(CUDA)


def tasks(kind: str, seed: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    shape = (3, 6, 2) if kind == "mlp" else (3, 6, 1, 4, 4)
    x = torch.randn(shape, generator=draws, dtype=torch.float64)
    return x.to(CUDA), torch.randint(3, (3, 6), generator=draws).to(CUDA)


def loss(net: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(net(batch[0]), batch[1])


@pytest.mark.parametrize("gradient", ["exact", "first-order", "recomputed"])
@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_a_captured_recording_is_played_on_other_tasks_and_weights(
    kind: str, gradient: inner.Gradient, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches = []
    replay = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: (launches.append(graph), replay(graph)))
    module = net(kind)
    for seed in range(3):
        batches = tasks(kind, seed), tasks(kind, seed + 10)

        def ask(how: batch.How, batches: tuple[tuple[Tensor, Tensor], ...] = batches) -> inner.MetaGradient:
            return inner.meta_grad(module, loss, *batches, rule=inner.sgd(0.1), steps=2, gradient=gradient, how=how)

        torch.testing.assert_close(ask("recorded"), ask("loop"), rtol=1e-8, atol=1e-10)
        with torch.no_grad():
            for value in module.parameters():
                value.add_(0.1)
    assert len(recorded.RECORDINGS) == 1
    assert len(launches) == 3


@pytest.mark.parametrize("case", [case for case in RECORDED if case.name not in UNRECORDABLE], ids=str)
def test_learners_are_recorded(case: Case) -> None:
    learner, task = cases.trained(case).to(CUDA).train(), moved(cases.draw(case.on))
    if not learner.traits.gradient_in_loss:
        pytest.skip("it takes no gradient inside, and is not recorded")
    found = batch.meta_gradient(learner, task, 0.5, "recorded", inside=True)
    torch.testing.assert_close(
        found, batch.meta_gradient(learner, task, 0.5, "loop", inside=True), rtol=1e-6, atol=1e-8
    )


def test_meta_gradients_are_in_full_float32() -> None:
    """Within what rounding to 23 bits explains; TF32's ten make it percents."""
    module = net("conv").float()
    batches = tasks("conv", 0), tasks("conv", 1)
    small = [(x.float(), y) for x, y in batches]
    found = inner.meta_grad(module, loss, *small, rule=inner.sgd(0.4), steps=3, how="recorded")
    right = inner.meta_grad(module.double(), loss, *batches, rule=inner.sgd(0.4), steps=3, how="loop")
    for name, value in right.params.items():
        assert float((found.params[name] - value).norm()) <= 1e-4 * float(value.norm()) + 1e-6
    assert torch.backends.cudnn.allow_tf32


def test_what_cannot_be_captured_is_played_as_it_is() -> None:
    def waits(x: Tensor) -> list[Tensor]:
        return [x * float(x.sum())]

    x = torch.ones(3, device=CUDA)
    assert capturing.captured(waits, [x]) is waits
    assert torch.equal(capturing.captured(lambda x: [x + 1], [x])(2 * x)[0], 3 * x)


def test_what_was_captured_lives_as_long_as_its_launch() -> None:
    x, constant = torch.ones(3, device=CUDA), torch.full((2**20,), 2.0, device=CUDA)
    launch = capturing.captured(lambda x, constant=constant: [x + constant.mean()], [x])
    del constant
    gc.collect()
    torch.cuda.empty_cache()
    taken = torch.zeros(2**22, device=CUDA)
    assert torch.equal(launch(x)[0], x + 2)
    assert not taken.any()


@pytest.mark.parametrize("case", [case for case in RECORDED if case.name not in UNRECORDABLE], ids=str)
def test_a_recording_outlives_the_learner_that_it_was_made_of(case: Case) -> None:
    if not cases.trained(case).traits.gradient_in_loss:
        pytest.skip("it takes no gradient inside, and is not recorded")
    task = moved(cases.draw(case.on))
    batch.meta_gradient(cases.trained(case).to(CUDA).train(), task, 0.5, "recorded", inside=True)
    gc.collect()
    torch.cuda.empty_cache()
    taken = torch.full((2**22,), torch.nan, device=CUDA)
    other = cases.trained(case).to(CUDA).train()
    with torch.no_grad():
        for value in other.parameters():
            value.add_(0.01)
    found = batch.meta_gradient(other, task, 0.5, "recorded", inside=True)
    right = batch.meta_gradient(other, task, 0.5, "loop", inside=True)
    torch.testing.assert_close(found, right, rtol=1e-6, atol=1e-8)
    assert taken.isnan().all()


def test_auto_measures_on_the_gpu() -> None:
    module = net("mlp")
    batches = tasks("mlp", 0), tasks("mlp", 1)
    for _ in range(calls.RECORD_AT + 2):
        found = inner.meta_grad(module, loss, *batches, rule=inner.sgd(0.1), steps=2)
    assert {known.how for known in calls.KNOWN.values()} == {"recorded"}
    right = inner.meta_grad(module, loss, *batches, rule=inner.sgd(0.1), steps=2, how="loop")
    torch.testing.assert_close(found, right, rtol=1e-8, atol=1e-10)
