"""A recording is not played where anything that it was made with has changed, wherever that is kept."""

import collections
import copy
import dataclasses
import functools
import random
import sys
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


def another_anchor() -> Case:
    """Trained elsewhere: it is no part of the net."""
    anchors = [net(1)]

    def loss(own: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        return error(own, batch) + (own(batch[0]) - anchors[0](batch[0]).detach()).square().mean()

    def change() -> None:
        anchors[0] = net(2)

    return net(), loss, change


def another_parameter_in_a_closure() -> Case:
    factors = [nn.Parameter(torch.tensor(2.0))]

    def change() -> None:
        factors[0] = nn.Parameter(torch.tensor(3.0))

    return net(), times(lambda: factors[0].detach()), change


class InOrder(nn.Module):
    """Its layers are registered, and called as a plain list says."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.last = (nn.Linear(2, many).double() for many in (2, 2, 1))
        self.order = [self.first, self.second]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.order:
            x = torch.tanh(layer(x))
        return self.last(x)


def the_order_of_layers() -> Case:
    made = InOrder()
    return made, error, made.order.reverse


def an_attribute_of_a_function() -> Case:
    def loss(own: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        return loss.factor * error(own, batch)

    loss.factor = 1.0
    return net(), loss, lambda: setattr(loss, "factor", 3.0)


def settings_of(names: str) -> types.ModuleType:
    """A module of somebody's own, with one inside it."""
    made, inside = types.ModuleType(names), types.ModuleType(f"{names}.inside")
    made.factor = inside.factor = 1.0
    made.inside = inside
    return made


def a_module_inside_a_module() -> Case:
    mine = settings_of("mine_nested")
    return net(), times(lambda: mine.inside.factor), lambda: setattr(mine.inside, "factor", 3.0)


def a_module_that_is_imported_inside() -> Case:
    mine = sys.modules["mine_imported"] = settings_of("mine_imported")

    def factor() -> float:
        import mine_imported

        return float(mine_imported.factor)

    return net(), times(factor), lambda: setattr(mine, "factor", 3.0)


class Config(dict[str, float]):
    """A dict with attributes."""

    factor = 1.0


def an_attribute_of_a_dict() -> Case:
    config = Config()
    return net(), times(lambda: config.factor), lambda: setattr(config, "factor", 3.0)


def what_a_missing_key_gives() -> Case:
    config: collections.defaultdict[str, float] = collections.defaultdict(lambda: 1.0)

    def change() -> None:
        config.default_factory = lambda: 3.0

    return net(), times(lambda: config.copy()["factor"]), change


def a_wrapped_function() -> Case:
    factors = {"factor": 1.0}

    @functools.wraps(F.mse_loss)
    def loss(own: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        return GLOBAL["factor"] * error(own, batch)

    GLOBAL.update(factors)
    return net(), loss, lambda: GLOBAL.update(factor=3.0)


GLOBAL: dict[str, float] = {}


def frozen_weights_are_laid_out_otherwise() -> Case:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    made[2].requires_grad_(False)

    def change() -> None:
        made[2].weight.data = made[2].weight.data.T

    return made, error, change


def a_tensor_of_a_convolutional_net() -> Case:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Tanh(), nn.Flatten(), nn.Linear(4, 1)).double()
    factor = torch.ones((), dtype=torch.float64)

    def loss(own: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        return error(lambda x: own((factor * x).reshape(-1, 1, 1, 2)), batch)

    return made, loss, lambda: factor.mul_(3)


class Scaled(nn.Module):
    """Convolutions that will be rebuilt, beside a tensor that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Tanh(), nn.Flatten(), nn.Linear(4, 1)).double()
        self.factor = [torch.ones((), dtype=torch.float64)]

    def forward(self, x: Tensor) -> Tensor:
        return self.factor[0] * self.body(x.reshape(-1, 1, 1, 2))


def a_plain_tensor_beside_convolutions() -> Case:
    made = Scaled()
    return made, error, lambda: made.factor[0].mul_(3)


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
    another_anchor,
    another_parameter_in_a_closure,
    the_order_of_layers,
    an_attribute_of_a_function,
    a_module_inside_a_module,
    a_module_that_is_imported_inside,
    an_attribute_of_a_dict,
    what_a_missing_key_gives,
    a_wrapped_function,
    frozen_weights_are_laid_out_otherwise,
    a_tensor_of_a_convolutional_net,
    a_plain_tensor_beside_convolutions,
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
