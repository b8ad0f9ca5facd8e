"""``quickstudy fit``, ``predict`` and ``add``: from folders of pictures to answers."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest

import quickstudy as qs
from quickstudy.estimator import FewShotClassifier, HeldOut, held_out, pictures
from quickstudy.tasks import places

LABELS = ("alif", "ba", "ta")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of drawn characters."""
    config = qs.TrainConfig(way=5, query=3, steps=60, validate_every=0)
    out = tmp_path_factory.mktemp("runs") / "glyphs"
    return qs.train("protonet", "glyphs:size=16:classes=40", config, settings={"width": 8}, out=out).path


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    """Five drawings of each of three characters in folders, and two more of each in ``new``."""
    task = qs.load_tasks("glyphs:size=64").sample("test", torch.tensor([3]), way=3, shot=5, query=2, seed=1)
    for part, place in ((task.support, "mine"), (task.query, "new")):
        for number, one in enumerate(part.x[0, :, 0]):
            label = LABELS[int(part.y[0, number].argmax())]
            path = tmp_path / place / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((255 * (1 - one)).round().byte().numpy()).save(path)
    return tmp_path / "mine"


def test_many_pictures_are_read_with_a_word(
    cli: Callable[..., Any], weights: Path, drawings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Reading" not in cli("fit", "mine", "--weights", str(weights)).err
    monkeypatch.setattr(places, "WORTH_WATCHING", 15)
    monkeypatch.setattr(pictures, "AT_ONCE", 4)
    answer = cli("fit", "mine", "--weights", str(weights), "--json")
    assert "Reading" in answer.err
    assert sum(one["examples"] for one in json.loads(answer.out)["labels"].values()) == 15


def test_pictures_are_learnt_told_apart_and_added_to(cli: Callable[..., Any], weights: Path, drawings: Path) -> None:
    answer = cli("fit", "mine", "--weights", str(weights), "-o", "letters.qs", "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert {label: one["examples"] for label, one in said["labels"].items()} == dict.fromkeys(LABELS, 5)
    right = sum(one["right"] for one in said["labels"].values())
    assert said["held_out"]["accuracy"] == pytest.approx(right / 15)
    assert said["path"] == "letters.qs"

    answer = cli("predict", "letters.qs", "new", "--csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    known = FewShotClassifier.load("letters.qs")
    for row in rows:
        expected = known.predict_proba([row["path"]])[0]
        assert [float(row[label]) for label in LABELS] == pytest.approx(expected.tolist(), abs=1e-4)
        assert row["label"] == known.predict([row["path"]])[0]
    assert sum(row["label"] in row["path"] for row in rows) >= 4, "chance is two of six"

    crossed = np.full((64, 64), 255, np.uint8)
    crossed[8:56, 8:56][np.abs(np.subtract.outer(range(48), range(48))) % 24 < 4] = 0
    Image.fromarray(crossed).save("one.png")
    Image.fromarray(crossed.T).save("two.png")
    answer = cli("add", "letters.qs", "--label", "jim", "one.png", "two.png")
    assert answer.code == 0, answer.err
    assert "jim    2" in answer.out
    assert answer.out.splitlines()[-1] == "letters.qs"
    line = json.loads(cli("predict", "letters.qs", "one.png", "--json").out)
    assert line["label"] == "jim"
    assert sum(line["probabilities"].values()) == pytest.approx(1)


def test_what_cannot_be_read_is_named_and_skipped(cli: Callable[..., Any], weights: Path, drawings: Path) -> None:
    assert cli("fit", "mine", "--weights", str(weights)).out.splitlines()[-1] == "mine.qs"
    Path("new/broken.png").write_bytes(b"\x89PNG")
    Path("new/.hidden.png").write_bytes(b"")
    Image.fromarray(np.full((300, 200, 4), 255, np.uint8)).convert("CMYK").save("new/cmyk.tif")
    Image.fromarray(np.full((30, 20), 40000, np.uint16)).save("new/deep.png")
    answer = cli("predict", "mine.qs", "new")
    assert answer.code == 0
    assert len(answer.out.splitlines()) == 8
    assert "skipped: new/broken.png is no picture that can be read" in answer.err
    assert "hidden" not in answer.err
    answer = cli("predict", "mine.qs", "new/broken.png")
    assert answer.code == 2
    assert "none of the 1 files" in answer.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("fit", "nowhere", "--weights", "RUN"), "nowhere is not there; expected a folder"),
        (("fit", "mine", "--weights", "lost"), "lost is not a run folder"),
        (("fit", "mine", "--weights", "RUN", "-o", "new"), "new is a folder"),
        (("predict", "mine.qs", "new"), "mine.qs is not there"),
        (("predict", "mine", "new"), "mine is a folder"),
        (("predict", "mine.qs"), "say which pictures"),
        (("predict", "mine.qs", "gone.png"), "none of the 1 files"),
        (("add", "mine.qs", "new"), "--label dog"),
    ],
)
def test_what_is_not_right_is_said(
    cli: Callable[..., Any], weights: Path, drawings: Path, args: tuple[str, ...], said: str
) -> None:
    if "gone.png" in args or args[0] == "add" or args == ("predict", "mine.qs"):
        cli("fit", "mine", "--weights", str(weights))
    answer = cli(*(str(weights) if arg == "RUN" else arg for arg in args))
    assert answer.code == 2
    assert said in answer.err


def test_an_addition_that_fails_changes_nothing(cli: Callable[..., Any], weights: Path, drawings: Path) -> None:
    cli("fit", "mine", "--weights", str(weights))
    before = Path("mine.qs").read_bytes()
    Path("broken.png").write_bytes(b"no picture")
    assert cli("add", "mine.qs", "--label", "ba", "broken.png").code == 2
    assert cli("add", "mine.qs", "--label", " ", "new").code == 2
    assert Path("mine.qs").read_bytes() == before
    answer = cli("add", "mine.qs", "--label", "ba", "broken.png", "new/ba")
    assert answer.code == 0
    assert "skipped: broken.png" in answer.err
    assert "ba     7" in answer.out


def test_a_label_that_is_no_word_is_meant_by_how_it_is_written(
    cli: Callable[..., Any], weights: Path, drawings: Path
) -> None:
    paths = sorted(drawings.rglob("*.png"))
    FewShotClassifier(weights=weights, device="cpu").fit(paths, ["ba" in str(path) for path in paths]).save("is.qs")
    assert "False  11" in cli("add", "is.qs", "--label", "False", str(paths[0])).out
    answer = cli("add", "is.qs", "--label", "banana", str(paths[0]))
    assert answer.code == 2
    assert "the labels there are False, True" in answer.err


def test_a_file_that_changes_keeps_its_permissions_and_links(
    cli: Callable[..., Any], weights: Path, drawings: Path
) -> None:
    assert cli("fit", "mine", "--weights", str(weights)).code == 0
    Path("mine.qs").chmod(0o600)
    Path("link.qs").symlink_to("mine.qs")
    assert cli("add", "link.qs", "--label", "ba", "new/ba").code == 0
    assert Path("link.qs").is_symlink()
    assert Path("mine.qs").stat().st_mode & 0o777 == 0o600
    assert len(FewShotClassifier.load("mine.qs").y_) > 15


def test_the_bounds_are_those_of_the_binomial_distribution() -> None:
    for right, count in ((0, 4), (9, 9), (7, 10), (50, 300)):
        found = HeldOut(["a", "b"], np.zeros(count, int), np.where(np.arange(count) < right, 0, 1))
        exact = binomtest(right, count).proportion_ci(0.95, "exact")
        assert found.bounds == pytest.approx((exact.low, exact.high))
        assert found.accuracy == right / count
    assert HeldOut(["a", "b"], np.array([0, 0, 1]), np.array([0, 0, -1])).alone == ["b"]


def test_a_folder_of_splits_is_refused(cli: Callable[..., Any], weights: Path, drawings: Path) -> None:
    Path("both").mkdir()
    Path("mine").rename("both/train")
    Path("new").rename("both/test")
    answer = cli("fit", "both", "--weights", str(weights))
    assert answer.code == 2
    assert "Give one of them" in answer.err


def test_one_picture_or_one_label_is_no_evidence(cli: Callable[..., Any], weights: Path, drawings: Path) -> None:
    for path in list(drawings.rglob("*.png"))[1:]:
        path.unlink()
    answer = cli("fit", "mine", "--weights", str(weights))
    assert "0 of 1" in answer.out
    assert "nothing to tell apart yet" in answer.err


def test_each_example_is_predicted_from_the_others(weights: Path, drawings: Path) -> None:
    found = FewShotClassifier(weights=weights, device="cpu").fit(drawings)
    estimate = held_out(found)
    for out in range(15):  # fewer than the parts there are, so each is alone in one
        stays = np.arange(15) != out
        other = FewShotClassifier(weights=weights, device="cpu")
        other.fit(list(found.examples_[stays]), found.y_[stays])
        assert other.predict(found.examples_[[out]])[0] == estimate.predicted[out]


def test_the_estimate_takes_parts_of_every_class_and_names_the_weakest(weights: Path) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (40, 2)), rng.normal(9, 1, (40, 2)), rng.normal(9, 1, (2, 2))])
    y = np.repeat(["a", "b", "c"], [40, 40, 2])
    estimate = held_out(FewShotClassifier(device="cpu").fit(x, y))
    assert estimate.of(0) == (40, 40)
    assert estimate.weakest() == 2
    assert estimate.taken_for(2) == 1
    assert estimate.taken_for(0) is None
    alone = held_out(FewShotClassifier(device="cpu").fit(x[:41], y[:41]))
    assert alone.of(1) == (1, 0)
