"""A recording is not played where anything that it was made with has changed, wherever that is kept."""

import collections
import copy
import dataclasses
import random
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy import UserError, inner
from quickstudy.inner import recorded
from quickstudy.inner.fingerprint import fingerprint

Loss = Callable[[Callable[[Tensor], Tensor], tuple[Tensor, Tensor]], Tensor]
Case = tuple[nn.Module, Loss, Callable[[], Any]]
"""A net, a loss, and what changes; that may give another net or loss."""


pytestmark = pytest.mark.usefixtures("nothing_recorded")


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def half_frozen(seed: int = 0) -> nn.Sequential:
    made = net(seed)
    made[0].requires_grad_(False)
    return made


def error(net: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.mse_loss(net(batch[0]), batch[1])


def times(factor: Callable[[], Any]) -> Loss:
    return lambda net, batch: factor() * error(net, batch)


def another_frozen_net() -> Case:
    return half_frozen(0), error, lambda: (half_frozen(1), error)


def a_frozen_parameter() -> Case:
    made = half_frozen()

    def change() -> None:
        made[0].weight = nn.Parameter(2 * made[0].weight.detach(), requires_grad=False)

    return made, error, change


def the_data_of_a_frozen_parameter() -> Case:
    made = half_frozen()

    def change() -> None:
        made[0].weight.data = 2 * made[0].weight.data

    return made, error, change


def a_copy_with_other_frozen_weights() -> Case:
    made, other = half_frozen(), copy.deepcopy(half_frozen())
    with torch.no_grad():
        other[0].weight.mul_(2)
    return made, error, lambda: (other, error)


def frozen_weights_loaded() -> Case:
    made = half_frozen()
    return made, error, lambda: made.load_state_dict(half_frozen(1).state_dict(), assign=True)


def frozen_convolutions() -> Case:
    def convolutional(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        layers = nn.Unflatten(1, (1, 1, 2)), nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Flatten(), nn.Linear(6, 1)
        layers[1].requires_grad_(False)
        return nn.Sequential(*layers).double()

    return convolutional(0), error, lambda: (convolutional(1), error)


def an_attribute_of_a_class() -> Case:
    class Scaled(nn.Module):
        scale = 1.0

        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def forward(self, x: Tensor) -> Tensor:
            return self.scale * self.net(x)

    return Scaled(), error, lambda: setattr(Scaled, "scale", 2.0)


def a_property() -> Case:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        @property
        def scale(self) -> float:
            return 1.0

        def forward(self, x: Tensor) -> Tensor:
            return self.scale * self.net(x)

    return Scaled(), error, lambda: setattr(Scaled, "scale", property(lambda self: 2.0))


def a_class_of_settings() -> Case:
    class Settings:
        scale = 1.0

    return net(), times(lambda: Settings.scale), lambda: setattr(Settings, "scale", 2.0)


settings = types.ModuleType("settings")


def a_module_of_settings() -> Case:
    settings.scale = 1.0  # type: ignore[attr-defined]
    return net(), times(lambda: settings.scale), lambda: setattr(settings, "scale", 2.0)  # type: ignore[attr-defined]


def which_of_two_is_none() -> Case:
    def either(one: float | None, other: float | None) -> Loss:
        return times(lambda: 1.0 + one if one is not None else 2.0 * other if other is not None else 0.0)

    return net(), either(None, 2.0), lambda: (net(), either(2.0, None))


def a_deque() -> Case:
    kept = collections.deque([1.0], maxlen=1)
    return net(), times(lambda: kept[0]), lambda: kept.append(2.0)


def what_is_no_field() -> Case:
    @dataclasses.dataclass
    class Scale:
        base: float = 1.0

        def __post_init__(self) -> None:
            self.scale = self.base

    made = Scale()
    return net(), times(lambda: made.scale), lambda: setattr(made, "scale", 2.0)


def an_array() -> Case:
    kept = np.ones(1)
    return net(), times(lambda: float(kept[0])), lambda: kept.fill(2.0)


def a_plain_tensor() -> Case:
    made = net()
    made.table = torch.tensor([1.0, 2.0]).double()  # type: ignore[assignment]
    return made, times(lambda: made.table.sum()), lambda: made.table.mul_(2.0)


def a_buffer_that_decides() -> Case:
    class Switched(nn.Module):
        on: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.net = net()
            self.register_buffer("on", torch.ones(()))

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) if self.on.item() > 0 else self.net(2 * x)

    made = Switched()
    return made, error, lambda: made.on.zero_()


CASES = [
    another_frozen_net,
    a_frozen_parameter,
    the_data_of_a_frozen_parameter,
    a_copy_with_other_frozen_weights,
    frozen_weights_loaded,
    frozen_convolutions,
    an_attribute_of_a_class,
    a_property,
    a_class_of_settings,
    a_module_of_settings,
    which_of_two_is_none,
    a_deque,
    what_is_no_field,
    an_array,
    a_plain_tensor,
    a_buffer_that_decides,
]


def tasks() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    draw = torch.Generator().manual_seed(0)
    support, query = (torch.randn(4, 6, 3, generator=draw).double() for _ in range(2))
    return (support[..., :2], support[..., 2:]), (query[..., :2], query[..., 2:])


def ask(module: nn.Module, loss: Loss, how: Any) -> Tensor:
    found = inner.meta_grad(module, loss, *tasks(), rule=inner.sgd(0.1), steps=2, how=how)
    return torch.cat([found.losses, *[value.flatten() for value in found.params.values()]])


@pytest.mark.parametrize("case", CASES)
def test_what_has_changed_is_seen(case: Callable[[], Case]) -> None:
    module, loss, change = case()
    before = ask(module, loss, "recorded")
    assert len(recorded.RECORDINGS) == 1
    torch.testing.assert_close(before, ask(module, loss, "loop"))
    torch.testing.assert_close(before, ask(module, loss, "recorded"))
    assert len(recorded.RECORDINGS) == 1
    changed = change()
    module, loss = changed if type(changed) is tuple else (module, loss)
    right = ask(module, loss, "loop")
    assert not torch.allclose(before, right)
    torch.testing.assert_close(ask(module, loss, "recorded"), right)


def test_dropout_that_is_switched_on_later_is_looked_at() -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.p = net(), 0.0

        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(self.net(x), self.p, self.training)

    module = Dropping()
    for _ in range(2):
        ask(module, error, "auto")
    module.p = 0.5
    with pytest.raises(UserError, match="draws random numbers"):
        ask(module, error, "auto")


@pytest.mark.parametrize("drawn", [random.random, np.random.rand], ids=["python", "numpy"])
def test_numbers_of_python_and_numpy_are_random_too(drawn: Callable[[], float]) -> None:
    with pytest.raises(UserError, match="draws random numbers"):
        ask(net(), times(drawn), "loop")


def test_a_generator_of_ones_own_is_not_recorded() -> None:
    draw = torch.Generator()
    with pytest.raises(UserError, match="Generator may change"):
        ask(net(), times(lambda: torch.rand((), generator=draw)), "recorded")


@pytest.mark.parametrize("how", ["vmap", "threads", "loop", "recorded"])
def test_gradients_are_taken_where_none_are_kept(how: str) -> None:
    right = ask(net(), error, how)
    with torch.no_grad():
        torch.testing.assert_close(ask(net(), error, how), right)


def test_classes_that_name_themselves_are_read_once() -> None:
    class Node:
        limit = 3

        def grown(self) -> object:
            return Node()

    def found() -> object:
        return fingerprint(lambda: Node, [])

    before = found()
    Node.limit = 4
    assert found() != before
