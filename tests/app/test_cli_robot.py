"""``robot grip``: the tries as a table and as JSON, the film, and what cannot be gripped."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from quickstudy.app import film, robot_film
from quickstudy.app.film import Window
from quickstudy.sim.gripper import SHAPES, Objects
from quickstudy.sim.gripper_mujoco import MuJoCoGripper


@pytest.fixture
def hand(cli: Callable[..., Any]) -> Callable[..., Any]:
    """``robot grip`` with the estimator, for which nothing is simulated before."""
    pytest.importorskip("mujoco")
    assert cli("train", "frictiongrip", "--tasks", "grips:simulated=true", "--out", "run").code == 0
    return lambda *args: cli("robot", "grip", "--run", "run", "--picture", "drawing", *args)


def test_an_unknown_object_is_held_after_four_lifts(hand: Callable[..., Any]) -> None:
    answer = hand("--mass", "0.4", "--friction", "0.3")
    assert answer.code == 0
    lines = answer.out.splitlines()
    folder = Path(lines[-1])
    assert {file.name for file in folder.iterdir()} == {"grip.gif", "error.png", "tries.json"}
    assert [line.split()[0] for line in lines[2:8]] == ["try", "-", "1", "2", "3", "4"]
    adapting, *_ = (line for line in lines if line.strip().startswith("adapting"))
    assert adapting.endswith("held")
    told = json.loads((folder / "tries.json").read_text())
    errors = [believed["error"] for believed in told["believed"]]
    assert errors[4] < 0.2 < errors[0]
    assert told["grips"][2]["force"] == told["object"]["need"]
    with Image.open(folder / "grip.gif") as made:
        assert 50 < made.n_frames <= 60  # like ones in a row are one
        assert made.width > 3 * 200
    with Image.open(folder / "error.png") as plot:
        grey = np.asarray(plot.convert("L"))
    assert min(edge.min() for edge in (grey[0], grey[-1], grey[:, 0], grey[:, -1])) == 255  # nothing is cut off


def test_the_weights_that_come_with_the_package_hold_what_they_have_not_met(cli: Callable[..., Any]) -> None:
    pytest.importorskip("mujoco")
    unlike = (("0.4", "0.3", "box"), ("0.1", "0.9", "sphere"), ("0.9", "0.6", "cylinder"))
    for mass, friction, shape in unlike:
        asked = ("--mass", mass, "--friction", friction, "--shape", shape, "--picture", "drawing", "--json")
        told = json.loads(cli("robot", "grip", *asked).out)
        assert {one["who"]: one["outcome"] for one in told["grips"]}["adapting"] == "held"
        assert told["grips"][1]["force"] < 1.5 * told["object"]["need"]
        assert told["believed"][0]["std_doublings"] > 3 * told["believed"][4]["std_doublings"]
    assert "outside what it was trained on" in cli("robot", "grip", "--mass", "0.04", "--picture", "drawing").out


def test_json_is_one_object_and_the_same_every_time(hand: Callable[..., Any]) -> None:
    one, same = (json.loads(hand("--json", "--out", out, "--shape", "sphere").out) for out in ("a", "b"))
    assert one.pop("folder") == "a"
    assert same.pop("folder") == "b"
    assert one == same
    assert not one["rendered"]
    assert len(one["lifts"]) == 4
    assert one["object"]["shape"] == "sphere"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--mass", "-1"), "--mass is -1.0"),
        (("--friction", "nan"), "--friction is nan"),
        (("--mass", "50"), "more than the gripper's 80 N"),
        (("--mass", "0.001", "--friction", "10"), "0.3 N that the gripper closes with at least crush it"),
        (("--out", "run/run.json/new"), "cannot write run/run.json/new"),
        (("--shape", "cup"), "cup"),
        (("--lifts", "0"), "--lifts is 0"),
        (("--seed", "-1"), "--seed is -1"),
        (("--out", "run"), "run is there already"),
    ],
)
def test_what_cannot_be_gripped_is_said(hand: Callable[..., Any], flags: tuple[str, ...], words: str) -> None:
    answer = hand(*flags)
    assert answer.code == 2
    assert words in answer.err
    assert not Path("runs").exists()


def test_runs_of_other_tasks_and_damaged_margins_are_refused(cli: Callable[..., Any], hand: Callable[..., Any]) -> None:
    assert cli("train", "grandmean", "--tasks", "sinusoid", "--out", "waves").code == 0
    assert "was trained on sinusoid" in cli("robot", "grip", "--run", "waves").err
    Path("run/margins.json").write_text("{")
    assert "margins.json is damaged" in hand().err


def test_robots_are_listed_and_unknown_ones_are_not_there(cli: Callable[..., Any]) -> None:
    assert "grip" in cli("robot", "--help").out
    assert "Did you mean grip" in cli("robot", "grab").err
    assert "say which robot" in cli("robot").err


@pytest.mark.parametrize("shape", SHAPES)
def test_drawings_show_the_object_where_it_is(shape: str) -> None:
    pytest.importorskip("mujoco")
    hand = MuJoCoGripper(Objects(np.array([0.2]), np.array([0.5]), np.array([SHAPES.index(shape)])))
    states = hand.film(0, 10.0)
    thing = np.array([0xD9, 0x80, 0x2E])
    rows = []
    for state in (states[0], states[-1]):
        pixels = np.asarray(robot_film.drawn(shape, state)).astype(int)
        there = np.abs(pixels - thing).sum(-1) < 30
        assert there.sum() > 500
        rows.append(np.nonzero(there)[0].mean())
    assert rows[1] < rows[0] - 10  # it has been lifted


def test_without_open_gl_the_film_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def run(command: list[str], *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        tried.append(env["MUJOCO_GL"])
        return subprocess.CompletedProcess(command, -11)

    monkeypatch.setattr(subprocess, "run", run)
    assert robot_film.rendered("box", np.zeros((1, 30))) is None
    assert tried == ["egl", "osmesa"]


def test_polygons_are_drawn_to_scale_and_films_are_whole(tmp_path: Path) -> None:
    scene = [film.box(0.5, 0.25, 0.5, 0.25, "#ff0000"), film.limb((0, 0.9), (1, 0.9), 0.1, "#0000ff")]
    picture = np.asarray(film.draw(scene, Window(-1, 1, 0, 1), (200, 100))).astype(int)
    red = (picture[..., 0] > 200) & (picture[..., 1] < 60)
    rows, columns = np.nonzero(red)
    assert (rows.min(), columns.min()) == pytest.approx((50, 100), abs=1)
    assert (rows.max(), columns.max()) == pytest.approx((99, 199), abs=1)
    frames = [film.beside([film.titled(film.draw(scene[:n], Window(-1, 1, 0, 1), (60, 40)), "a")] * 2) for n in (1, 2)]
    film.write_gif(tmp_path / "a.gif", frames, 1.0)
    with Image.open(tmp_path / "a.gif") as made:
        assert made.n_frames == 2
        assert made.size == (121, 40 + film.BAND)
        made.seek(1)
        assert made.info["duration"] == 500 + 1000 * film.HOLD  # there is time to read the last one
    assert film.across(0.5, Window(-1, 1, 0, 1), (200, 100)) == 150
    line = np.asarray(film.ruled(Image.new("RGB", (200, 100), "white"), 30))
    assert np.nonzero((line != 255).any((0, 2)))[0].tolist() == [30]
