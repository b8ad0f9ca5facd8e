"""Nets whose parts are reached in several ways, and values that are read past PyTorch's operations."""

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from quickstudy import UserError, inner
from quickstudy.inner import batch, calls, choosing

pytestmark = pytest.mark.usefixtures("nothing_recorded")
Batch = tuple[Tensor, Tensor]
Net = Callable[[Tensor], Tensor]
WAYS = ("loop", "threads", "chunks", "vmap", "recorded")


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    calls.forget()


def tasks(*shape: int) -> tuple[Batch, Batch]:
    draw = torch.Generator().manual_seed(0)

    def part() -> Batch:
        return torch.randn(4, *shape, generator=draw).double(), torch.randn(4, shape[0], 1, generator=draw).double()

    return part(), part()


def error(net: Net, batch: Batch) -> Tensor:
    return F.mse_loss(net(batch[0]), batch[1])


def ask(module: nn.Module, how: Any, *shape: int, loss: Callable[[Net, Batch], Tensor] = error) -> Tensor:
    found = inner.meta_grad(module, loss, *tasks(*shape), rule=inner.sgd(0.1), steps=2, how=how)
    return torch.cat([found.losses, *[value.flatten() for value in found.params.values()]])


class Twice(nn.Module):
    """One layer in a place, or the same in two."""

    def __init__(self, places: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one = nn.Linear(2, 2).double()
        self.last = nn.Linear(2, 1).double()
        if places == 2:
            self.two = self.one

    def forward(self, x: Tensor) -> Tensor:
        second = self.two if hasattr(self, "two") else self.one
        out: Tensor = self.last(torch.tanh(second(torch.tanh(self.one(x)))))
        return out


@pytest.mark.parametrize("how", WAYS)
def test_a_part_that_stands_in_two_places_is_one(how: str) -> None:
    module = Twice(places=2)
    torch.testing.assert_close(ask(module, how, 6, 2), ask(Twice(places=1), "loop", 6, 2), rtol=1e-10, atol=1e-12)
    assert all(type(value) is nn.Parameter for value in module.one._parameters.values())


def test_tied_weights_of_two_parts_are_swapped_together() -> None:
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Tanh(), nn.Linear(2, 2, bias=False))
    module[2].weight = module[0].weight
    weight = torch.randn(2, 2)
    for name in ("0.weight", "2.weight"):
        found = inner.bound(module, {name: weight})(torch.eye(2))
        torch.testing.assert_close(found, torch.tanh(weight.T) @ weight.T)


class Body(nn.Module):
    """Convolutions that can be rebuilt, under a head that is a method, or a function over the module."""

    def __init__(self, function: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten())
        self.last = nn.Linear(8, 1)
        self.double()
        if function:
            self.head: Any = lambda x: self.last(x)

    def head(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x))
        return out


@pytest.mark.parametrize("how", ["loop", "vmap", "auto"])
def test_a_function_over_the_module_itself_sees_its_adapted_parameters(how: str) -> None:
    right = ask(Body(function=False), "loop", 6, 1, 3, 3)
    torch.testing.assert_close(ask(Body(function=True), how, 6, 1, 3, 3), right, rtol=1e-8, atol=1e-10)


def test_no_thread_can_have_such_a_module_of_its_own() -> None:
    with pytest.raises(UserError, match=r"head is a function over the module that has it.* vmap or loop"):
        ask(Body(function=True), "threads", 6, 1, 3, 3)


@pytest.mark.parametrize("how", ["loop", "vmap", "recorded"])
def test_a_loss_may_look_at_the_net(how: str) -> None:
    module = Body(function=False)

    def loss(net: Net, given: Batch) -> Tensor:
        return error(net, given) + 0.1 * module.last.weight.square().sum()

    right = ask(module, "threads", 6, 1, 3, 3, loss=loss)
    torch.testing.assert_close(ask(module, how, 6, 1, 3, 3, loss=loss), right, rtol=1e-8, atol=1e-10)


def doubled(module: nn.Module) -> object:
    return module[1].register_full_backward_pre_hook(lambda part, grads: (2 * grads[0],))


def leaky(module: nn.Module) -> object:
    module[1].forward = lambda x: F.leaky_relu(x, 0.5)
    return None


@pytest.mark.parametrize("change", [doubled, leaky])
def test_what_was_set_on_a_layer_is_not_rebuilt_away(change: Callable[[nn.Module], object]) -> None:
    class Same(nn.Module):
        """Not nn.Sequential, so that it is left as it is."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            made = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1)).double()
            change(made)
            self.layers = nn.ModuleList(made)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1)).double()
    plain = ask(module, "loop", 6, 1, 3, 3)
    change(module)
    found = ask(module, "loop", 6, 1, 3, 3)
    assert not torch.allclose(found, plain)
    torch.testing.assert_close(found, ask(Same(), "loop", 6, 1, 3, 3))


VIEWS: dict[str, Callable[[Tensor], Any]] = {
    "diagonal": lambda k: k.diagonal().add_(1.0),
    "unbind": lambda k: k.unbind(-1)[0].mul_(3.0),
    "chunk": lambda k: k.chunk(2, -1)[1].mul_(3.0),
    "unfold": lambda k: k.unfold(0, 2, 2).mul_(3.0),
}


def layers(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()


@pytest.mark.parametrize("view", VIEWS)
def test_what_is_written_through_a_view_is_read_after_it(view: str) -> None:
    def loss(net: Net, given: Batch) -> Tensor:
        kernel = (given[0] @ given[0].T).clone()
        before = kernel.sum()
        VIEWS[view](kernel)
        return error(net, given) * (1 + 0.01 * before + 0.1 * kernel.sum())

    right = ask(layers(), "loop", 6, 2, loss=loss)
    torch.testing.assert_close(ask(layers(), "recorded", 6, 2, loss=loss), right)


READS: dict[str, Callable[[Tensor], Any]] = {
    "tolist": lambda y: y[0].tolist()[0],
    "numpy": lambda y: float(y[0].numpy()[0]),
    "array": lambda y: float(np.asarray(y)[0, 0]),
}


@pytest.mark.parametrize("read", READS)
def test_values_that_are_read_past_operations_are_not_those_of_the_first_task(read: str) -> None:
    def loss(net: Net, given: Batch) -> Tensor:
        return error(net, given) * (2 + READS[read](given[1]))

    module = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 1)).double()
    with pytest.raises(UserError, match=r"cannot be recorded .*the value of a tensor decides"):
        ask(module, "recorded", 6, 1, 3, 3, loss=loss)


def test_one_tensor_in_two_places_may_be_two_the_next_time() -> None:
    support, query = tasks(6, 2)

    def found(first: Batch, second: Batch, how: Any) -> Any:
        return inner.meta_grad(layers(), error, first, second, rule=inner.sgd(0.1), steps=2, how=how).params

    for first, second in ((support, support), (support, query)):
        torch.testing.assert_close(found(first, second, "recorded"), found(first, second, "loop"))


def test_a_net_is_adapted_by_one_thread_at_a_time() -> None:
    module, entered, go = layers(), threading.Event(), threading.Event()

    def slow(net: Net, given: Batch) -> Tensor:
        entered.set()
        assert go.wait(60)
        return error(net, given)

    first = threading.Thread(target=ask, args=(module, "loop", 6, 2), kwargs={"loss": slow})
    first.start()
    assert entered.wait(60)
    one = pytree.tree_map(lambda leaf: leaf[0], tasks(6, 2)[0])
    for call in (
        lambda: ask(module, "loop", 6, 2),
        lambda: inner.adapt(module, error, one, rule=inner.sgd(0.1), steps=1),
    ):
        with pytest.raises(UserError, match="another thread is adapting this Sequential"):
            call()
    ask(layers(), "loop", 6, 2)
    go.set()
    first.join()
    torch.testing.assert_close(ask(module, "loop", 6, 2), ask(layers(), "loop", 6, 2))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_squared_errors_have_mixed_gradients(reduction: str) -> None:
    def loss(net: Net, given: Batch) -> Tensor:
        return F.mse_loss(net(given[0]), given[1], reduction=reduction).mean() / (6 if reduction == "sum" else 1)

    found, right = (
        inner.meta_grad(
            layers(), loss, *tasks(6, 2), rule=inner.sgd(0.1), steps=3, gradient=gradient, how="loop"
        ).params
        for gradient in ("mixed", "exact")
    )
    torch.testing.assert_close(found, right)


def test_what_cannot_be_recorded_any_more_is_batched_otherwise() -> None:
    module = layers()
    ask(module, "auto", 6, 2)
    (known,) = calls.KNOWN.values()
    known.how = "recorded"
    ask(module, "auto", 6, 2)
    module.meter = iter([1.0])
    torch.testing.assert_close(ask(module, "auto", 6, 2), ask(layers(), "loop", 6, 2))
    assert known.how not in batch.WRITTEN


def test_a_way_that_fails_in_any_way_is_not_taken() -> None:
    ran: list[str] = []

    def run(how: str) -> Tensor:
        ran.append(how)
        assert how == "loop"
        return torch.zeros(())

    assert choosing.fastest(run, layers(), torch.device("cpu"), calls=1e9) == "loop"
    assert {*ran} > {"loop", "vmap", "recorded"}


def test_kinds_of_calls_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST", 2)
    for many in range(2, 7):
        ask(layers(), "loop", many, 2)
    assert len(calls.KNOWN) == 2


@pytest.mark.parametrize("how", ["threads", "recorded"])
def test_weights_that_are_computed_are_no_obstacle(how: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten()), nn.utils.weight_norm(nn.Linear(8, 1))
        ).double()
    found = ask(module, how, 6, 1, 3, 3)
    assert found.isfinite().all()
    torch.testing.assert_close(found, ask(module, "loop", 6, 1, 3, 3), rtol=1e-8, atol=1e-10)
