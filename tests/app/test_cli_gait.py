"""``robot gait``: the tries as a table and as JSON, going on after an interruption, the film, and what cannot be."""

import json
import math
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from quickstudy.app import film, render, robot_gait_film
from quickstudy.app.robot_gait import LIBRARY, OWN
from quickstudy.app.robot_gait_film import Lane, outline, posed, seen, tilted
from quickstudy.control import gait
from quickstudy.control.history import Candidates, Search
from quickstudy.sim import bodies
from quickstudy.sim.bodies import Condition
from quickstudy.sim.strides import Ground
from quickstudy.tasks.places import held

pytest.importorskip("mujoco", reason="the extra robots is not installed")
pytest.importorskip("gymnasium", reason="the extra robots is not installed")
SOME = 60
"""Gaits that the library of most tests has: less to simulate."""


@pytest.fixture
def walk(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``robot gait`` with the weights that come with the package, and a part of their library."""
    shutil.copytree(OWN / "cheetah", "run")
    whole = Candidates.read(OWN / "cheetah" / LIBRARY)
    replace(whole, x=whole.x[:: len(whole.x) // SOME]).write(Path("run") / LIBRARY)
    monkeypatch.setattr(gait, "CEM", 40)
    monkeypatch.setattr(robot_gait_film, "EVERY", 0.1)
    return lambda *args: cli("robot", "gait", "--run", "run", "--picture", "drawing", *args)


def test_a_gait_is_found_try_by_try(walk: Callable[..., Any]) -> None:
    answer = walk("--ground", "flat", "--break", "fthigh", "--tries", "8")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    folder = Path(lines[-1])
    assert {file.name for file in folder.iterdir()} == {
        *("asked.json", "history.json", "tries.json", "gait.gif", "error.png")
    }
    assert lines[0].startswith("cheetah: flat ground, fthigh dead; the fastest gait")
    assert [line.split()[0] for line in lines[2:11]] == ["try", *"12345678"]
    told = json.loads((folder / "tries.json").read_text())
    speeds = {one["who"]: one["speed"] for one in told["walks"]}
    assert speeds["not adapting"] < speeds["adapting"] <= speeds["oracle"] == told["fastest"]
    assert speeds["adapting"] == max(one["felt"][0] for one in told["tries"] if not one["fell"])
    assert len(told["off"]) == len(told["missed"]) == 9
    assert told["off"][-1] < 0.8 * told["off"][0]
    assert told["missed"] == sorted(told["missed"], reverse=True)
    inside = [abs(one["felt"][0] - one["believed"]) < 3 * one["std"] for one in told["tries"]]
    assert sum(inside) >= 7
    with Image.open(folder / "gait.gif") as made:
        assert made.n_frames == 10
        assert made.width == robot_gait_film.WIDTH


def test_the_weights_that_come_with_the_package_find_a_way_up_with_a_dead_joint(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robot_gait_film, "EVERY", 0.5)
    asked = ("--ground", "slope", "--break", "fthigh", "--picture", "drawing", "--json")
    told = json.loads(cli("robot", "gait", *asked).out)
    speeds = {one["who"]: one["speed"] for one in told["walks"]}
    assert speeds["not adapting"] < 0.1
    assert speeds["adapting"] > 0.7 * speeds["oracle"] > 0.4


def test_a_gait_for_a_speed(walk: Callable[..., Any]) -> None:
    told = json.loads(walk("--ground", "flat", "--break", "bfoot", "--speed", "0.5", "--tries", "6", "--json").out)
    off = {one["who"]: abs(one["speed"] - 0.5) for one in told["walks"]}
    assert off["oracle"] <= off["adapting"] < 0.15
    assert told["missed"][-1] == pytest.approx(off["adapting"], abs=1e-6)
    assert told["missed"][0] == pytest.approx(off["not adapting"], abs=1e-6)


def test_what_was_interrupted_goes_on(walk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("--ground", "wet", "--tries", "5")
    whole = json.loads(walk(*asked, "--out", "whole", "--json").out)
    tell = Search.tell

    def interrupted(self: Search, *told: Any, **more: Any) -> None:
        if len(self.tries) == 3:
            raise KeyboardInterrupt
        tell(self, *told, **more)

    monkeypatch.setattr(Search, "tell", interrupted)
    stopped = walk(*asked, "--out", "part")
    assert stopped.code == 1
    assert "go on with: quickstudy robot gait --resume part" in stopped.err
    assert len(json.loads(Path("part/history.json").read_text())["tries"]) == 3
    monkeypatch.setattr(Search, "tell", tell)
    refused = walk("--resume", "part", "--ground", "ice")
    assert refused.code == 2
    assert "has another --ground" in refused.err
    refused = walk("--resume", "part", "--out", "else")
    assert refused.code == 2
    assert "a search goes on in its own folder" in refused.err
    more = json.loads(walk("--resume", "part", "--json").out)
    assert whole.pop("folder") == "whole"
    assert more.pop("folder") == "part"
    assert more == whole
    fewer = json.loads(walk("--resume", "part", "--tries", "2", "--json").out)
    assert (fewer["tries"], fewer["off"], fewer["missed"]) == (
        whole["tries"][:2],
        whole["off"][:3],
        whole["missed"][:3],
    )
    best = max(0.0, *(one["felt"][0] for one in fewer["tries"] if not one["fell"]))
    assert fewer["walks"][1]["speed"] == pytest.approx(best, abs=1e-6)
    file = Path("part/asked.json")
    kept = json.loads(file.read_text())
    for odd in ("{", *(json.dumps(kept | one) for one in ({"tries": "abc"}, {"speed": "fast"}, {"seed": None}))):
        file.write_text(odd)
        assert "asked.json is damaged" in walk("--resume", "part").err


def test_a_simulation_that_blows_up_is_a_fall_and_counted(
    walk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    states, tried = Ground._states, []

    def blown(self: Ground, gaits: np.ndarray) -> np.ndarray:
        found = states(self, gaits)
        if len(gaits) == 1 and len(tried) < 2:
            tried.append(1)
            found[0, 40:] = np.nan
        return found

    monkeypatch.setattr(Ground, "_states", blown)
    answer = walk("--ground", "flat", "--tries", "4")
    assert answer.code == 0, answer.err
    assert answer.out.count("numbers that are none") == answer.out.count("fell") == 2
    told = json.loads((Path(answer.out.splitlines()[-1]) / "tries.json").read_text())
    assert told["blew_up"] == 2
    assert [one["fell"] for one in told["tries"]] == [True, True, False, False]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--ground", "moon"), "unknown ground 'moon'. Known: downhill, flat, ice"),
        (("--break", "tail"), "unknown joint to --break 'tail'"),
        (("--ground", "slope=40"), "no gait is known that masters --ground slope=40"),
        (("--speed", "-1"), "--speed is -1.0"),
        (("--speed", "9"), "Ask for no more, or choose an easier ground"),
        (("--tries", "0"), "--tries is 0"),
        (("--tries", "999"), "--tries is 999, but there are 60 gaits to try"),
        (("--out", "run/run.json/new"), "cannot write run/run.json/new"),
        (("--body", "ant"), "another body than ant"),
        (("--body", "horse.xml"), "there is no file"),
        (("--resume", "run"), "no search was begun there"),
        (("--out", "run"), "run is there already"),
    ],
)
def test_what_cannot_be_is_said(walk: Callable[..., Any], flags: tuple[str, ...], words: str) -> None:
    answer = walk(*flags)
    assert answer.code == 2
    assert words in answer.err
    assert not Path("runs").exists()


def test_who_has_no_weights_or_no_body_is_told_what_to_do(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    legs = "<body><freejoint/><geom size='.1'/><body><joint name='j'/><geom size='.1'/></body></body>"
    model = "<mujoco><worldbody><geom type='plane' size='1 1 1'/>{}</worldbody>{}</mujoco>"
    Path("still.xml").write_text(model.format(legs, ""))
    assert "has no actuators" in cli("robot", "gait", "--body", "still.xml").err
    Path("mine.xml").write_text(model.format(legs, "<actuator><motor joint='j'/></actuator>"))
    assert "strides:body=mine.xml --out runs/gait, then add --run" in cli("robot", "gait", "--body", "mine.xml").err
    monkeypatch.delenv("QUICKSTUDY_DATA", raising=False)
    assert "QUICKSTUDY_DATA" in cli("robot", "gait", "--body", "go1").err
    assert cli("train", "averagemap", "--tasks", "strides:simulated=true", "--out", "twin").code == 0
    assert "arithmetic that is no body" in cli("robot", "gait", "--run", "twin").err
    assert cli("train", "grandmean", "--tasks", "sinusoid", "--out", "waves").code == 0
    assert "was trained on sinusoid" in cli("robot", "gait", "--run", "waves").err


@pytest.fixture(scope="module")
def grounds() -> dict[str, Ground]:
    whole = {"cheetah": bodies.cheetah(), "ant": bodies.ant()}
    dead = {name: (0.0, *[1.0] * (len(body.joints) - 1)) for name, body in whole.items()}
    return {name: Ground(body, Condition(slope=10, payload=0.4, strength=dead[name])) for name, body in whole.items()}


@pytest.mark.parametrize("name", ["cheetah", "ant"])
def test_drawings_show_the_body_where_it_is(grounds: dict[str, Ground], name: str) -> None:
    ground = grounds[name]
    states = ground.film(np.zeros(len(ground.body.gait.names)))
    scene = posed(ground, states[-1])
    x, z = np.array([point for polygon in scene for point in polygon.points]).T
    assert z.min() == pytest.approx(0, abs=0.03)  # it stands
    assert x.min() < ground.data[0].body(ground.body.trunk).xpos[0] < x.max()
    window = seen(ground, states)
    pixels = np.asarray(robot_gait_film.drawn(ground, states[-1], window, (520, 240))).astype(int)
    for colour in (robot_gait_film.BROKEN, robot_gait_film.LOAD, robot_gait_film.FLOOR, robot_gait_film.NEAR):
        there = np.abs(pixels - [int(colour[at : at + 2], 16) for at in (1, 3, 5)]).sum(-1) < 30
        assert there.sum() > 50, colour
    floor = np.abs(pixels - [0xC8, 0xCC, 0xD2]).sum(-1) < 30
    left, right = floor[:, 5].sum(), floor[:, -5].sum()
    assert (right - left) / 510 == pytest.approx(math.tan(math.radians(10)), abs=0.02)


def test_outlines_are_convex_hulls_and_slopes_turn_them() -> None:
    spatial = pytest.importorskip("scipy.spatial")
    points = np.random.default_rng(0).standard_normal((50, 2))
    hull = {tuple(np.round(points[at], 6)) for at in spatial.ConvexHull(points).vertices}
    assert set(outline(points)) == hull
    turned = tilted(robot_gait_film.Polygon([(1.0, 0.0)], "#000000"), 30).points[0]
    assert turned == pytest.approx((math.cos(math.pi / 6), 0.5))


def test_rendered_or_drawn_the_film_is_as_long(grounds: dict[str, Ground], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robot_gait_film, "EVERY", 0.1)
    ground = grounds["cheetah"]
    states = ground.film(np.zeros(18))
    lanes = [Lane("one", "0.1 m/s", states), Lane("two", "fell", states[:30])]
    tried = []

    def run(command: list[str], *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        tried.append(env["MUJOCO_GL"])
        made = np.load(command[-3])
        if env["MUJOCO_GL"] == "osmesa":
            np.save(command[-1], np.zeros((len(made["states"]), int(made["height"]), int(made["width"]), 3), np.uint8))
        return subprocess.CompletedProcess(command, 0 if env["MUJOCO_GL"] == "osmesa" else 1)

    monkeypatch.setattr(render.subprocess, "run", run)
    made = robot_gait_film.walking(ground, lanes, "auto")
    assert tried == ["egl", "osmesa"]
    assert made.rendered
    drawn = robot_gait_film.walking(ground, lanes, "drawing")
    assert not drawn.rendered
    assert [one.size for one in drawn.pictures] == [one.size for one in made.pictures]
    assert len(drawn.pictures) == 10


def test_films_say_of_what_ground_they_are_and_begin_at_a_line(grounds: dict[str, Ground]) -> None:
    ground = grounds["cheetah"]
    bare = Image.new("RGB", (robot_gait_film.WIDTH, 10), "white")
    assert robot_gait_film.headed(ground, bare).height == 10 + 2 * film.BAND  # more than one line has room for
    window = seen(ground, ground.start[None])
    pixels = np.asarray(robot_gait_film.drawn(ground, ground.start, window, (520, 240))).astype(int)
    body = np.abs(pixels - [0x33, 0x73, 0xB3]).sum(-1) < 30
    assert np.nonzero(body)[1].max() == pytest.approx(
        film.across(robot_gait_film.front(ground), window, (520, 240)), abs=2
    )


@pytest.mark.slow
@pytest.mark.skipif(not (held("robot_go1") / "go1_collision_terrain.xml").is_file(), reason="Go1's MJCF is not there")
def test_go1_carries_a_load_on_three_legs(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robot_gait_film, "EVERY", 0.5)
    asked = ("--body", "go1", "--ground", "payload", "--break", "FR_calf", "--picture", "drawing", "--json")
    begin = time.process_time()
    told = json.loads(cli("robot", "gait", *asked).out)
    assert time.process_time() - begin < 120  # CPU seconds; what the other bodies take, test_docs.py measures
    speeds = {one["who"]: one["speed"] for one in told["walks"]}
    assert speeds["not adapting"] < 0 < 0.4 * speeds["oracle"] < speeds["adapting"]
