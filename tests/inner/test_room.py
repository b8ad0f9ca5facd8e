"""Memory is known before it is taken."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy import UserError, inner
from quickstudy.inner import batch, meta, room
from quickstudy.inner.unroll import Gradient

TASKS = 6


@pytest.fixture(autouse=True)
def nothing_measured() -> None:
    room.KEPT.clear()
    meta.MEASURED.clear()


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 3)
    )


def loss(net: inner.modules.Net, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(net(batch[0]), batch[1])


def tasks() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def part(each: int) -> tuple[Tensor, Tensor]:
        return torch.randn(TASKS, 3 * each, 1, 8, 8), torch.arange(3).repeat(each).expand(TASKS, -1)

    return part(1), part(5)


def learner(steps: int, gradient: Gradient) -> tuple[nn.Module, tuple[object, ...]]:
    loop = meta.Inner(net(), loss, inner.sgd(0.1), steps, gradient, None, None, False)
    return meta.Outer(loop, loss, None), (*tasks(), torch.arange(TASKS))


def really_kept(module: nn.Module, task: object) -> int:
    """Bytes of all that autograd keeps of a run on numbers: what its graph can be walked to."""
    value = module(task, 0.0)
    storages: dict[int, int] = {}
    seen, open_nodes = set(), [value.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        open_nodes += [after for after, _ in node.next_functions]
        saved = [getattr(node, name) for name in dir(node) if name.startswith("_saved_")]
        for one in [*saved, *getattr(node, "saved_tensors", ())]:
            if isinstance(one, Tensor):
                storages[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
    return sum(storages.values())


@pytest.mark.parametrize("gradient", ["exact", "recomputed", "first-order"])
@pytest.mark.parametrize("steps", [1, 4])
def test_the_estimate_is_what_autograd_keeps(gradient: Gradient, steps: int) -> None:
    module, every = learner(steps, gradient)
    task = batch.take(every, 0)
    estimate = room.kept_bytes(module, task, 0.0)
    assert estimate == pytest.approx(really_kept(module, task), rel=0.2)


def test_recomputed_steps_are_known_to_take_less() -> None:
    kept = {}
    for gradient in ("recomputed", "exact"):
        module, every = learner(30, gradient)
        kept[gradient] = room.kept_bytes(module, batch.take(every, 0), 0.0)
    assert kept["recomputed"] < kept["exact"] / 2


def ask(how: str, gradient: Gradient = "exact") -> inner.MetaGradient:
    return inner.meta_grad(net(), loss, *tasks(), rule=inner.sgd(0.1), steps=30, gradient=gradient, how=how)


def test_what_does_not_fit_is_refused_with_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    module, every = learner(30, "exact")
    one = room.kept_bytes(module, batch.take(every, 0), 0.0)
    rest = TASKS * sum(value.nbytes for value in module.parameters())
    monkeypatch.setattr(room, "room", lambda device: 2.5 * one + rest)
    with pytest.raises(
        UserError, match=r"6 of 6 tasks at once take about .* 2 at once would fit: .* or loop \(1 at once\);"
    ):
        ask("vmap")
    with pytest.raises(UserError, match=r"4 of 6 tasks at once .* 2 at once would fit: hand over 2 a call"):
        ask("chunks")
    exact = ask("auto")
    assert exact.losses.isfinite().all()
    assert next(iter(meta.MEASURED.values())) in ("threads", "loop")
    monkeypatch.setattr(room, "room", lambda device: 0.9 * one + rest)
    with pytest.raises(UserError, match="not even one at once would fit"):
        ask("auto")
    saved = ask("loop", "recomputed")
    torch.testing.assert_close(saved.params, exact.params)


def test_supports_and_queries_have_the_same_tasks() -> None:
    supports, queries = tasks()
    fewer = (queries[0][:4], queries[1][:4])
    with pytest.raises(UserError, match=r"supports\[0\] \[6, 3, 1, 8, 8\].* queries\[0\] \[4, 15, 1, 8, 8\]"):
        inner.meta_grad(net(), loss, supports, fewer, rule=inner.sgd(0.1), steps=1)
    with pytest.raises(UserError, match="found nothing"):
        inner.meta_grad(net(), loss, (), (), rule=inner.sgd(0.1), steps=1)


def test_what_writes_in_place_is_named() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows, self.out = nn.GRU(8, 4, batch_first=True), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.rows(x[:, 0])[0][:, -1])

    with pytest.raises(UserError, match=r"module.rows \(GRU\) writes in place"):
        inner.meta_grad(Reads(), loss, *tasks(), rule=inner.sgd(0.1), steps=1, how="vmap")
