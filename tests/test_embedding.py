"""Pictures of a task family go through a frozen net once."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import quickstudy as qs
from quickstudy import learners, runs
from quickstudy.embedding import embedded
from quickstudy.learners.base import Learner
from quickstudy.nets.frozen import Frozen, frozen
from quickstudy.tasks import TaskFamily
from quickstudy.tasks.pool import PoolFamily


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskFamily:
    """Ten classes of five pictures: waves of a direction and colour of the class's own, in noise."""
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(tmp_path / "cache"))
    draw = torch.Generator().manual_seed(0)
    side = torch.linspace(0, 20, 40)
    for number in range(10):
        folder = tmp_path / "photos" / f"kind{number}"
        folder.mkdir(parents=True)
        for at in range(5):
            angle, colour = torch.tensor(number * 0.3), torch.tensor([0.3 + number % 3 / 5, 0.5, 0.9 - number / 20])
            wave = (angle.cos() * side + angle.sin() * side.unsqueeze(-1) + at).sin() / 4
            picture = colour * (0.6 + wave.unsqueeze(-1)) + torch.randn(40, 40, 3, generator=draw) / 30
            Image.fromarray((255 * picture.clip(0, 1)).byte().numpy()).save(folder / f"{at}.png")
    return qs.load_tasks(f"images:path={tmp_path / 'photos'}:size=40:val=0.3:test=0.3")


def learner(family: TaskFamily) -> Learner:
    settings = {"backbone": "lite0", "distance": "cosine"}
    return learners.build("protonet", family.spec, learners.configure("protonet", settings), 0).eval()


def test_episodes_are_the_same_and_so_are_their_features(family: TaskFamily, monkeypatch: pytest.MonkeyPatch) -> None:
    made, net = embedded(learner(family), family), frozen(learner(family))
    assert net is not None
    index = torch.arange(3)
    plain = family.sample("val", index, way=3, shot=2, query=2, seed=1)
    seen = made.sample("val", index, way=3, shot=2, query=2, seed=1)
    assert torch.equal(seen.classes, plain.classes)
    assert torch.equal(seen.key, plain.key)
    for mine, theirs in zip((seen.support, seen.query), (plain.support, plain.query), strict=True):
        x, mask = theirs.x.flatten(0, 1), theirs.mask.flatten()
        torch.testing.assert_close(mine.x.flatten(0, 1), net(x, mask)[0], atol=1e-4, rtol=1e-4)
        assert torch.equal(mine.y, theirs.y)
    assert made.members("val") == family.members("val")

    def never(self: Frozen, x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the net was asked again")

    monkeypatch.setattr(type(net), "_through_net", never)
    again = embedded(learner(family), family).sample("val", index, way=3, shot=2, query=2, seed=1)
    assert torch.equal(again.query.x, seen.query.x)


def test_what_trains_or_changes_its_pictures_stays_as_it_is(family: TaskFamily) -> None:
    own = learners.build("protonet", family.spec, learners.configure("protonet", {"width": 4}), 0)
    assert embedded(own, family) is family
    changing = qs.load_tasks(f"{family.spec.name}+augment")
    assert embedded(learner(family), changing) is changing


def test_a_head_is_trained_and_judged_with_the_net_asked_once(family: TaskFamily, tmp_path: Path) -> None:
    config = qs.TrainConfig(way=3, shot=1, query=3, steps=30, rate=0.05, validate_every=15, validate_episodes=20)
    settings = {"backbone": "lite0", "distance": "cosine"}
    run = qs.train("protonet", family, config, settings=settings, out=tmp_path / "run")
    weights, _ = runs.read_tensors(run.path / runs.WEIGHTS)
    assert sorted(weights) == ["log_scale", "net.checksum"]
    assert (run.path / runs.WEIGHTS).stat().st_size < 2000
    assert run.learner().log_scale != learner(family).log_scale
    judged = qs.evaluate(run, way=3, shot=1, query=3, episodes=40)
    assert judged.mean > 0.9
    plain = qs.evaluate(run.learner(), qs.load_tasks(family.spec.name), way=3, shot=1, query=3, episodes=40)
    assert judged.scores.tolist() == plain.scores.tolist()
    # what an adaptation costs has the net in it, also where the score came from features that were kept
    assert judged.adapt_flops > 3e6
    assert judged.adapt_batched_ms > 0.5


def test_features_of_a_family_without_a_fingerprint_are_not_kept(family: TaskFamily, tmp_path: Path) -> None:
    assert isinstance(family, PoolFamily)
    family.spec = type(family.spec)(**vars(family.spec) | {"fingerprint": ""})
    embedded(learner(family), family).sample("val", torch.arange(1), way=2, shot=1, query=1, seed=0)
    assert not list((tmp_path / "cache").glob("features/*"))
