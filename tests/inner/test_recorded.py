"""Recordings: what they save, what they are for, and that nothing changes behind their back."""

import functools
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, _inductor, fx, nn
from torch._inductor import cpp_builder, exc
from torch.nn import functional as F

from quickstudy import UserError, inner
from quickstudy.inner import calls, choosing, recorded, simplified
from quickstudy.inner.fingerprint import UnknownError, fingerprint

SCALE = 1.0


pytestmark = pytest.mark.usefixtures("nothing_recorded")


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 1)).double()


def loss(net: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.mse_loss(net(batch[0]), batch[1])


def scaled(net: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
    return SCALE * loss(net, batch)


def waves(seed: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    support, query = (torch.randn(4, 6, 3, generator=generator).double() for _ in range(2))
    return (support[..., :2], support[..., 2:]), (query[..., :2], query[..., 2:])


def ask(module: nn.Module, how: str, seed: int = 0, loss: inner.modules.Loss = loss, **rest: object) -> Tensor:
    """All meta-gradients in a row."""
    settings = {"rule": inner.sgd(0.1), "steps": 2} | rest
    found = inner.meta_grad(module, loss, *waves(seed), how=how, **settings)
    return torch.cat([value.flatten() for value in found.params.values()])


@pytest.mark.parametrize("gradient", ["exact", "recomputed", "first-order"])
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_a_recording_is_played_on_other_tasks_and_other_weights(rule: str, gradient: inner.Gradient) -> None:
    module, settings = net(), {"rule": inner.RULES[rule](0.1), "gradient": gradient}
    for seed in range(3):
        torch.testing.assert_close(
            ask(module, "recorded", seed, **settings), ask(module, "loop", seed, **settings), rtol=1e-10, atol=1e-12
        )
        with torch.no_grad():
            for value in module.parameters():
                value.add_(0.1)
    assert len(recorded.RECORDINGS) == 1


def test_views_and_doubles_are_left_out() -> None:
    ask(net(), "recorded")
    (recording,) = recorded.RECORDINGS.values()
    graph = recording.graph.graph
    targets = [node.target for node in graph.nodes if node.op == "call_function"]
    assert not [target for target in targets if target in simplified.VIEWS - {torch.ops.aten.as_strided.default}]
    assert len({(node.target, str(node.args)) for node in graph.nodes if node.op == "call_function"}) >= 0.9 * len(
        targets
    )


def test_tensors_may_lie_anywhere_in_memory() -> None:
    """As each task's part of a batch does."""

    def of(x: Tensor) -> Tensor:
        _, rest = x.split([1, 2])
        return x.view(2, 6).t().reshape(3, 4) * rest.view(8)[2:6] + x[1].view(2, 2).t().reshape(4)

    for task in torch.randn(4, 3, 4):
        assert torch.equal(recorded.replay(of, (task,), "it", [], lambda: None), of(task))
    assert len(recorded.RECORDINGS) == 1


def test_what_changes_beside_the_tensors_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A global number, a closure, a setting of the module, its mode, a rate."""
    module = net()
    assert torch.equal(2 * ask(module, "recorded", loss=scaled), 2 * ask(module, "vmap", loss=scaled))
    monkeypatch.setattr(f"{__name__}.SCALE", 3.0)
    torch.testing.assert_close(ask(module, "recorded", loss=scaled), ask(module, "vmap", loss=scaled))
    module[2].eps = 0.5
    torch.testing.assert_close(ask(module, "recorded"), ask(module, "vmap"))
    rule = inner.sgd(0.3)
    torch.testing.assert_close(ask(module, "recorded", rule=rule), ask(module, "vmap", rule=rule))


def test_half_precision_is_not_recorded() -> None:
    def of(x: Tensor) -> Tensor:
        return x @ x

    x = torch.randn(3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert recorded.replay(of, (x,), "it", [], lambda: None).dtype == torch.bfloat16
    assert not recorded.RECORDINGS
    assert recorded.replay(of, (x,), "it", [], lambda: None).dtype == torch.float32
    assert len(recorded.RECORDINGS) == 1


def test_what_changes_in_every_call_is_not_recorded_for_ever() -> None:
    module = net()
    for number in range(recorded.CHANGES + 3):
        rule = inner.sgd(0.1 + 0.01 * number)
        torch.testing.assert_close(ask(module, "recorded", rule=rule), ask(module, "vmap", rule=rule))
    assert len(recorded.RECORDINGS) == recorded.CHANGES


def test_what_cannot_be_known_is_refused_and_auto_does_without() -> None:
    class Oracle:
        temperature = 1.0

        def __call__(self, net: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
            return self.temperature * loss(net, batch)

    with pytest.raises(UnknownError, match="Oracle may change"):
        ask(net(), "recorded", loss=Oracle())
    assert ask(net(), "auto", loss=Oracle()).isfinite().all()

    with pytest.raises(UserError, match="use recomputed"):
        ask(net(), "recorded", gradient="mixed")

    def decides(net: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        value = loss(net, batch)
        return value if float(value.detach()) > 0 else -value

    with pytest.raises(UserError, match="another way"):
        ask(net(), "recorded", loss=decides)


def test_auto_records_what_is_called_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "fastest", lambda run, module, device, calls: "vmap")
    monkeypatch.setattr(choosing, "or_faster", lambda run, how, other: run(other) and (other, 0.0))
    module = net()
    for number in range(calls.RECORD_AT + 2):
        torch.testing.assert_close(ask(module, "auto", number), ask(module, "vmap", number))
        assert len(recorded.RECORDINGS) == int(number >= calls.RECORD_AT - 1)


@pytest.mark.slow
def test_a_recording_can_be_compiled() -> None:
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("there is no C++ compiler here")
    module = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    for seed in range(2):
        found = ask(module, "compiled", seed, steps=1)
        torch.testing.assert_close(found, ask(module, "loop", seed, steps=1), rtol=1e-10, atol=1e-12)
        with torch.no_grad():
            module[0].weight.add_(0.1)
    (recording,) = recorded.RECORDINGS.values()
    assert True in recording.plays
    torch.testing.assert_close(ask(module, "recorded", steps=1), ask(module, "compiled", steps=1))


def missing() -> str:
    raise exc.InvalidCxxCompiler


@pytest.mark.slow
def test_without_a_compiler_auto_stays_with_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", missing)
    with pytest.raises(UserError, match=r"No working C\+\+ compiler found.*Without one take recorded"):
        ask(net(), "compiled", steps=1)
    monkeypatch.setattr(calls, "RECORD_AT", 1)
    monkeypatch.setattr(calls, "COMPILE_AFTER", 0.0)
    monkeypatch.setattr(choosing, "_quickest", lambda run, candidates, seconds: (candidates[-1], 1.0))
    module = net()
    for _ in range(3):
        torch.testing.assert_close(ask(module, "auto", steps=1), ask(module, "vmap", steps=1))
    assert {known.how for known in calls.KNOWN.values()} == {"recorded"}
    assert {known.spent for known in calls.KNOWN.values()} == {math.inf}  # it is tried once


def test_code_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(graph: fx.GraphModule, leaves: list[Tensor], options: object) -> Callable[..., list[Tensor]]:
        return lambda *leaves: [1.01 * value for value in graph(*leaves)]

    monkeypatch.setattr(_inductor, "compile", wrong)
    with pytest.raises(UserError, match="computes something else"):
        ask(net(), "compiled")


def test_convolutions_are_not_compiled() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False), nn.ReLU(), nn.Flatten())
    images = torch.randn(2, 3, 1, 6, 6), torch.randn(2, 3, 32)
    ask = functools.partial(inner.meta_grad, module, loss, images, images, rule=inner.sgd(0.1), steps=1)
    for _ in range(2):  # a recording must not stand in for what was asked: a training that chose it could not go on
        with pytest.raises(UserError, match="Take recorded"):
            ask(how="compiled")
        ask(how="recorded")


def test_tiny_recordings_are_played_on_as_few_threads_as_is_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []

    def play(*leaves: Tensor) -> None:
        used.append(torch.get_num_threads())
        time.sleep(0.001 if used[-1] == 1 else 0.01)

    torch.set_num_threads(2)
    assert recorded._threads(play, []) == 1
    assert set(used) == {1, 2}
    with recorded._limited(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@dataclass(frozen=True)
class Setting:
    rate: float


def test_fingerprints_tell_apart_what_computes_otherwise() -> None:
    def of(thing: object) -> object:
        return fingerprint(thing, [])

    def power(exponent: int) -> Callable[[Tensor], Tensor]:
        return lambda x: x**exponent

    assert of(power(2)) == of(power(2)) != of(power(3))
    assert of(Setting(0.1)) == of(Setting(0.1)) != of(Setting(0.2))
    assert of(functools.partial(loss, net=1)) != of(functools.partial(loss, net=2))
    assert of(True) != of(1) != of(1.0)
    assert of(net()) == of(net()) != of(net().eval())
    assert of(nn.Dropout(0.1)) != of(nn.Dropout(0.2))
    assert of([1, (2, 3)]) != of([1, [2, 3]])
