"""Gaits, bodies and strides against arithmetic and finer simulation."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quickstudy.errors import UserError
from quickstudy.sim import bodies
from quickstudy.sim.bodies import Body, Condition
from quickstudy.sim.cem import search
from quickstudy.sim.strides import Ground
from quickstudy.tasks.places import held

pytest.importorskip("mujoco", reason="the extra robots is not installed")
pytest.importorskip("gymnasium", reason="the extra robots is not installed")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def cheetah() -> Body:
    return bodies.cheetah()


def gaits(body: Body, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, len(body.gait.names)))


def test_a_gait_is_the_sines_that_its_numbers_say(cheetah: Body) -> None:
    numbers = np.zeros((1, 18))
    numbers[0, [0, 2, 7, 9]] = [-1, 0.5, 1.0, 1.0]  # 1 Hz; joint 1 is turned; joint 0 swings, joint 1 a quarter later
    times = np.arange(200) / 100
    found = cheetah.gait.targets(numbers, times)[0]
    swing = cheetah.gait.swings[:2]
    expected = cheetah.gait.rest + 0.5 * cheetah.gait.offsets[1]
    late = times >= 0.2
    np.testing.assert_allclose(found[late, 0], expected[0] + swing[0] * np.cos(2 * np.pi * times)[late])
    np.testing.assert_allclose(found[late, 1], expected[1] + swing[1] * np.sin(2 * np.pi * times)[late])
    np.testing.assert_allclose(found[:, 2:], np.tile(expected[2:], (200, 1)))
    np.testing.assert_allclose(found[0], expected)


@pytest.mark.parametrize("name", ["cheetah", "ant"])
def test_a_gait_without_a_joint_leaves_it_still(name: str) -> None:
    body = bodies.BODIES[name]()
    times = np.arange(100) / 100
    for joint in range(len(body.joints)):
        moving = body.gait.targets(gaits(body, 5) * body.gait.without(joint), times)
        assert np.ptp(moving, axis=1)[:, joint].max() < 1e-9
        assert np.ptp(moving, axis=1).max() > 0.1


def test_strides_do_not_depend_on_their_neighbours_or_on_threads(cheetah: Body) -> None:
    tried = gaits(cheetah, 12)
    ground = Ground(cheetah, Condition(bumps=0.03), threads=1)
    together = ground.walk(tried)
    np.testing.assert_array_equal(ground.walk(tried[5:6]).values[0], together.values[5])
    np.testing.assert_array_equal(Ground(cheetah, Condition(bumps=0.03), threads=2).walk(tried).values, together.values)


def test_on_smooth_ice_a_body_slides_down_as_newton_says(cheetah: Body) -> None:
    ground = Ground(cheetah, Condition(friction=1e-5, slope=-10.0), threads=1)
    still = np.zeros((1, 18))
    expected = 0.5 * 9.81 * np.sin(np.deg2rad(10))
    assert ground.walk(still).values[0, 0] == pytest.approx(expected, rel=0.05)


def test_steps_are_fine_enough(cheetah: Body) -> None:
    """Speeds go with those of steps of a fifth; a hundredth of a second, gymnasium's own, is coarse for contacts."""
    tried = gaits(cheetah, 60)
    usual = Ground(cheetah, Condition(), threads=1).walk(tried).values[:, 0]
    fine = replace(cheetah, spec=cheetah.spec.copy(), kept={})
    fine.spec.option.timestep = 0.002
    finer = Ground(fine, Condition(), threads=1).walk(tried).values[:, 0]
    assert np.corrcoef(usual, finer)[0, 1] > 0.8


def test_conditions_change_what_they_say(cheetah: Body) -> None:
    whole = cheetah.model(Condition())
    heavy = cheetah.model(Condition(payload=0.5))
    assert heavy.body_subtreemass[1] == pytest.approx(1.5 * whole.body_subtreemass[1])
    slippery = cheetah.model(Condition(friction=0.2))
    np.testing.assert_allclose(slippery.geom_friction[:, 0], 0.2 * whole.geom_friction[:, 0])
    weak = cheetah.model(Condition(gain=0.5, strength=(0.0, 1, 1, 1, 1, 1), damping=2.0))
    np.testing.assert_allclose(weak.actuator_gainprm[1:, 0], 0.5 * whole.actuator_gainprm[1:, 0])
    assert weak.actuator_gainprm[0, 0] == 0
    np.testing.assert_allclose(weak.dof_damping[3:], 2 * whole.dof_damping[3:])
    tried = gaits(cheetah, 20)
    motion = cheetah.outcomes.index("motion fthigh")
    dead = Ground(cheetah, Condition(strength=(1, 1, 1, 0, 1, 1)), threads=1).walk(tried).values[:, motion]
    assert dead.mean() < 0.7 * Ground(cheetah, Condition(), threads=1).walk(tried).values[:, motion].mean()


def test_a_simulation_that_blows_up_is_a_fall(cheetah: Body, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ground = Ground(cheetah, Condition(), threads=1)
    ground.start = ground.start.copy()
    ground.start[5] = 1e12
    found = ground.walk(gaits(cheetah, 4))
    assert found.fell.all()
    assert found.blew_up == 4
    assert not found.values.any()


def test_search_finds_the_top_of_a_hill() -> None:
    top = np.array([0.5, -0.3, 0.1])
    found = search(lambda x: -((x - top) ** 2).sum(1), 3, tries=400, each=20, seed=0)
    assert len(found.worth) == 400
    assert np.abs(found.x[found.worth.argmax()] - top).max() < 0.1
    held_still = search(lambda x: -((x - top) ** 2).sum(1), 3, tries=40, each=20, seed=0, only=np.array([1.0, 0, 1]))
    assert not held_still.x[:, 1].any()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>", "has no actuators"),
        (
            "<mujoco><worldbody><body><joint name='a'/><geom size='1'/></body></worldbody>"
            "<actuator><motor joint='a'/></actuator></mujoco>",
            "the root of .* moves neither freely nor in a plane",
        ),
        ("<mujoco><worldbody>", "cannot be read as MJCF"),
        ("<mujoco><worldbody><body><freejoint/></body></worldbody></mujoco>", "no model that MuJoCo can make"),
    ],
)
def test_a_file_that_cannot_walk_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.xml"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        bodies.of_file(path)


PLANE = {"x": "slide", "z": "slide", "y": "hinge"}
AXES = {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1"}


def walker(
    root: str = "".join(f"<joint type='{kind}' axis='{AXES[axis]}'/>" for axis, kind in PLANE.items()),
    before: str = "",
    joint: str = "hinge",
    motors: str = "<motor joint='leg' gear='5'/>",
    ground: str = "<geom type='plane' size='9 9 1'/>",
) -> str:
    return (
        f"<mujoco><worldbody>{ground}{before}<body name='b' pos='0 0 .3'>{root}<geom type='box' size='.2 .1 .05'/>"
        f"<body pos='.2 0 0'><joint name='leg' type='{joint}' axis='0 1 0'/>"
        "<geom type='capsule' fromto='0 0 0 0 0 -.25' size='.03'/></body></body>"
        f"</worldbody><actuator>{motors}</actuator></mujoco>"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (walker(root="<joint type='slide' axis='1 0 0'/>"), "neither freely nor in a plane"),
        (walker(root="<joint type='ball'/>"), "neither freely nor in a plane"),
        (
            walker(
                root="<joint type='slide' axis='0 0 1'/><joint type='slide' axis='1 0 0'/>"
                "<joint type='hinge' axis='0 1 0'/>"
            ),
            "slides along x and z and a hinge about y, in this order",
        ),
        (walker(before="<body pos='1 0 1'><freejoint/><geom size='.1'/></body>"), "something loose before the body"),
        (walker(joint="ball"), "drive no hinge and no slide"),
        (walker(motors="<motor joint='leg' gear='5'/>" * 2), "several actuators on one joint"),
        (walker(motors="<motor joint='leg' gear='0'/>"), "the actuator on 'leg' of .* has no force"),
        (walker(ground=""), "has no ground"),
    ],
)
def test_what_moves_otherwise_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.xml"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        bodies.of_file(path)


def test_a_motor_that_is_mounted_the_other_way_round_is_the_same_servo(tmp_path: Path) -> None:
    strides = []
    for gear in ("5", "-5"):
        path = tmp_path / f"gear{gear}.xml"
        path.write_text(walker(motors=f"<motor joint='leg' gear='{gear}'/>"))
        body = bodies.of_file(path)
        strides.append(Ground(body, Condition(), threads=1).walk(gaits(body, 4)).values)
    assert strides[0][:, -1].max() > 0.02
    np.testing.assert_array_equal(*strides)


@pytest.mark.parametrize("limits", ["range='-60 60' limited='true'", ""])
def test_a_body_of_ones_own_walks(limits: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.xml"
    path.write_text(
        "<mujoco><worldbody><geom type='plane' size='9 9 1'/><body name='b' pos='0 0 .3'><freejoint/>"
        "<geom type='box' size='.2 .1 .05'/><body pos='.2 0 0'><joint name='leg' type='hinge' axis='0 1 0' "
        f"{limits}/><geom type='capsule' fromto='0 0 0 0 0 -.25' size='.03'/></body></body>"
        "</worldbody><actuator><motor joint='leg' gear='5'/></actuator></mujoco>"
    )
    body = bodies.of_file(path)
    assert body.outcomes == ("speed", "drift", "turn", "tilt", "bounce", "motion leg")
    found = Ground(body, Condition(), threads=1).walk(gaits(body, 6))
    assert np.isfinite(found.values).all()
    assert found.values[:, -1].max() > 0.02


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(UserError, match=r"pip install 'quickstudy\[robots\]'"):
        bodies.cheetah()


def test_the_real_go1_stands_and_walks() -> None:
    folder = held("robot_go1")
    if not folder.is_dir():
        pytest.skip("the MJCF of Unitree's Go1 is not in QUICKSTUDY_DATA")
    body = bodies.go1(folder)
    assert len(body.joints) == 12
    assert len(body.gait.names) == 14
    ground = Ground(body, Condition(), threads=1)
    assert 0.2 < ground.start[3] < 0.4
    still = ground.walk(np.zeros((1, 14)))
    assert not still.fell.any()
    assert abs(still.values[0, 0]) < 0.1
    trot = np.zeros((1, 14))  # diagonal legs together
    trot[0, [0, 5, 6, 8, 10]] = [0.2, 0.6, -0.6, -0.6, 0.6]
    trot[0, 13] = 0.8
    speeds = [ground.walk(trot * np.where(np.arange(14) == 13, way, 1)).values[0, 0] for way in (1, -1)]
    assert max(speeds) > 0.2
    assert min(speeds) < 0


def test_a_missing_go1_says_where_it_should_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="robot_go1"):
        bodies.go1(tmp_path)
