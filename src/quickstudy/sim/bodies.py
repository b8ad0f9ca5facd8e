"""Bodies that walk, in MuJoCo: HalfCheetah and Ant of gymnasium, the Unitree Go1, or an MJCF file of one's own.

Motors become position servos, torque = k (target - angle) - d (speed of the joint), within the motor's own limit. The
model steps by a hundredth of a second with MuJoCo's implicit integrator; contacts, springs and masses are the file's.
Go1's legs do not touch its body.

A condition changes ground and body: friction, slope, bumps, payload, damping, and the strength of every joint.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from quickstudy.errors import UserError
from quickstudy.sim.gaits import Array, Gait, each_joint

STEP = 0.01
"""Seconds."""
BUMPS = 60
"""Rows and columns of bumpy ground."""
FREE = 0.6
"""Radians to either side that a joint without limits is used for."""
GO1_LEGS = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A ground and what has become of a body; the defaults are those of its file, on flat ground."""

    friction: float = 1.0
    """Times that of the file."""
    slope: float = 0.0
    """Degrees upwards."""
    bumps: float = 0.0
    """Height of bumps, in metres."""
    payload: float = 0.0
    """Mass on the trunk, as a share of the body's."""
    damping: float = 1.0
    """Times that of the file, of every driven joint."""
    gain: float = 1.0
    """Strength of all motors."""
    strength: tuple[float, ...] = ()
    """Of each driven joint: 1 is whole, 0 is dead."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """A body whose model can be made for any condition."""

    name: str
    spec: Any
    """MjSpec with position servos, on flat ground."""
    joints: tuple[str, ...]
    """Driven ones, in the order of the motors."""
    angle_at: Array
    """[joints] places of their angles in qpos."""
    gait: Gait
    trunk: str
    """Body that carries the payload."""
    free: bool
    """Whether the root moves freely in space, or in a plane."""
    stamp: str
    """Hash of the model, as it is on flat ground."""
    kept: dict[bool, Any] = field(default_factory=dict)
    """Compiled models, without and with bumps."""

    @property
    def outcomes(self) -> tuple[str, ...]:
        """What is felt of a stride."""
        sideways = ("drift", "turn") if self.free else ()
        return ("speed", *sideways, "tilt", "bounce", *(f"motion {joint}" for joint in self.joints))

    def model(self, condition: Condition) -> Any:
        """A model of its own for ``condition``."""
        import mujoco

        bumpy = condition.bumps > 0
        if bumpy not in self.kept:
            self.kept[bumpy] = compiled(on_bumps(self.spec) if bumpy else self.spec, self.name)
        made = copy.copy(self.kept[bumpy])
        made.geom_friction[:, 0] *= condition.friction
        angle = np.deg2rad(condition.slope)
        made.opt.gravity[:] = 9.81 * np.array([-np.sin(angle), 0.0, -np.cos(angle)])
        if bumpy:
            made.hfield_size[0, 2] = condition.bumps
        trunk = made.body(self.trunk).id
        share = 1 + condition.payload * made.body_subtreemass[1] / made.body_mass[trunk]
        made.body_mass[trunk] *= share
        made.body_inertia[trunk] *= share
        driven = made.actuator_trnid[:, 0]
        made.dof_damping[made.jnt_dofadr[driven]] *= condition.damping
        strength = condition.gain * (np.array(condition.strength) if condition.strength else np.ones(len(driven)))
        made.actuator_gainprm[:, 0] *= strength
        made.actuator_biasprm[:, 1:3] *= strength[:, None]
        made.actuator_forcerange[:] *= strength[:, None]
        mujoco.mj_setConst(made, mujoco.MjData(made))
        return made


def needs(package: str) -> Any:
    """The module ``package``; UserError that says what to install where it is not there."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"robots need {package}, which is not installed ({error}). Install it: pip install 'quickstudy[robots]'."
        ) from error


def cheetah() -> Body:
    """HalfCheetah: a planar body of six joints. Every joint has an offset and a swing of its own: 18 numbers."""
    return assembled("cheetah", gymnasium_file("half_cheetah.xml"), stiffness=8.0, frequency=(1.0, 5.0))


def ant() -> Body:
    """Ant: four legs of hip and ankle. Each hip swings on its own, ankles follow alike: 12 numbers."""
    rest = np.deg2rad([0.0, 50, 0, 50, 0, -50, 0, -50])  # in the order of its motors: legs 4, 1, 2, 3
    forwards = np.array([1.0, -1, -1, 1])  # which way a hip swings its foot forwards
    lift = np.array([1.0, 1, -1, -1])
    swings = np.stack([np.deg2rad(30) * forwards, np.deg2rad(20) * lift], 1).flatten()
    hips, ankles = np.zeros(8), np.zeros(8)
    hips[::2], ankles[1::2] = np.deg2rad(15) * forwards, np.deg2rad(15) * lift
    legs = ((0, 1), (2, 3), (4, 5), (6, 7))
    gait = Gait(frequency=(0.8, 3.0), rest=rest, offsets=np.stack([hips, ankles]), swings=swings, legs=legs)
    return assembled("ant", gymnasium_file("ant.xml"), stiffness=1.0, gait=gait)


def go1(folder: Path) -> Body:
    """Unitree Go1: four legs of abduction, thigh and calf. Each thigh swings on its own, calves follow alike, abduction
    stands still: 14 numbers. ``folder`` holds its MJCF file.
    """
    thigh, calf, abduct, lean = np.zeros(12), np.zeros(12), np.zeros(12), np.zeros(12)
    thigh[1::3], calf[2::3] = 0.35, 0.35
    abduct[::3] = 0.15 * np.array([1, -1, 1, -1])
    lean[1::3] = 0.25 * np.array([1, 1, -1, -1])
    swings = np.tile([0.0, 0.5, 0.6], 4)
    gait = Gait(
        frequency=(1.0, 4.0),
        rest=np.tile([0.0, 0.9, -1.8], 4),
        offsets=np.stack([thigh, calf, abduct, lean]),
        swings=swings,
        legs=tuple((leg[1], leg[2]) for leg in GO1_LEGS),
    )
    path = folder / "go1_collision_terrain.xml"
    if not path.is_file():
        raise UserError(
            f"there is no {path}, which the body go1 needs. Put the MJCF of Unitree's Go1 into robot_go1 in the folder "
            "that QUICKSTUDY_DATA names, or use another body, cheetah for example."
        )
    return assembled("go1", path, gait=gait, servo=(60.0, 2.0), touches_itself=False)


def of_file(path: Path) -> Body:
    """A body of one's own: the MJCF file at ``path``. Every driven joint has an offset and a swing of its own."""
    return assembled(path.stem, path, stiffness=2.0, frequency=(0.8, 3.0))


def gymnasium_file(name: str) -> Path:
    """An asset of gymnasium."""
    return Path(needs("gymnasium").__file__).parent / "envs/mujoco/assets" / name


def assembled(
    name: str,
    path: Path,
    *,
    stiffness: float = 0.0,
    servo: tuple[float, float] | None = None,
    frequency: tuple[float, float] = (1.0, 4.0),
    gait: Gait | None = None,
    touches_itself: bool = True,
) -> Body:
    """The body in the file at ``path``, its motors made servos: k is ``servo``'s, or ``stiffness`` times the largest
    torque a radian. UserError for a file that is none, or of no such body (``check_motors``, ``check_root``)."""
    mujoco = needs("mujoco")
    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except (ValueError, OSError) as error:
        raise UserError(
            f"{path} cannot be read as MJCF ({on_one_line(error)}). Give a file that MuJoCo opens."
        ) from error
    first = compiled(spec, str(path))
    driven = first.actuator_trnid[:, 0]
    most = np.where(first.actuator_ctrllimited, np.abs(first.actuator_ctrlrange).max(1), 1.0)
    reach = np.abs(first.actuator_gear[:, 0]) * most
    check_motors(first, reach, path)
    check_root(first, path)
    for number, motor in enumerate(spec.actuators):
        k, d = servo or (stiffness * reach[number], 0.02 * stiffness * reach[number])
        limit = min(reach[number], first.actuator_forcerange[number, 1] or np.inf)
        motor.gear[:] = [1, 0, 0, 0, 0, 0]
        motor.set_to_position(kp=float(k), kv=float(d))
        motor.ctrllimited, motor.forcelimited = False, True
        motor.forcerange[:] = [-limit, limit]
    spec.option.timestep = STEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET  # a simulation that blows up shows it
    flatten(spec)
    trunk = spec.worldbody.first_body()
    trunk.name = trunk.name or "trunk"
    if not touches_itself:
        for geom in spec.geoms:
            geom.conaffinity = int(geom.parent == spec.worldbody)
    angle_at = first.jnt_qposadr[driven]
    free_range = np.stack([first.qpos0[angle_at] - FREE, first.qpos0[angle_at] + FREE], 1)
    ranges = np.where(first.jnt_limited[driven].astype(bool)[:, None], first.jnt_range[driven], free_range)
    return Body(
        name=name,
        spec=spec,
        joints=tuple(first.joint(joint).name or f"joint {joint}" for joint in driven),
        angle_at=angle_at,
        gait=gait or each_joint(first.qpos0[angle_at], ranges, frequency),
        trunk=trunk.name,
        free=int(first.jnt_type[0]) == int(mujoco.mjtJoint.mjJNT_FREE),
        stamp=stamp(spec),
    )


def check_motors(model: Any, reach: Array, path: Path) -> None:
    """UserError where something but one motor with a force, its ``reach`` [motors], is on a hinge or slide."""
    from mujoco import mjtJoint, mjtTrn

    if model.nu == 0:
        raise UserError(f"{path} has no actuators, so nothing can move it. Add a <motor> for each joint.")
    driven = model.actuator_trnid[:, 0]
    if (model.actuator_trntype != int(mjtTrn.mjTRN_JOINT)).any() or not np.isin(
        model.jnt_type[driven], (int(mjtJoint.mjJNT_HINGE), int(mjtJoint.mjJNT_SLIDE))
    ).all():
        raise UserError(f"{path} has actuators that drive no hinge and no slide. Expected a motor on each joint.")
    if len(np.unique(driven)) < len(driven):
        raise UserError(f"{path} has several actuators on one joint. Expected one on each.")
    if (reach == 0).any():
        which = int(np.flatnonzero(reach == 0)[0])
        raise UserError(f"the actuator on {model.joint(driven[which]).name!r} of {path} has no force: its gear is 0.")


def check_root(model: Any, path: Path) -> None:
    """UserError unless the body that the motors drive comes first, moves freely or in the plane of x and z, and has
    something to stand on."""
    from mujoco import mjtJoint

    joints = [model.joint(number) for number in range(min(3, model.njnt))]
    kinds = [int(one.type[0]) for one in joints]
    plane = [int(mjtJoint.mjJNT_SLIDE), int(mjtJoint.mjJNT_SLIDE), int(mjtJoint.mjJNT_HINGE)]
    axes = [np.abs(one.axis) for one in joints]
    flat = kinds == plane and all(np.allclose(axis, one) for axis, one in zip(axes, np.eye(3)[[0, 2, 1]], strict=True))
    if not flat and kinds[0] != int(mjtJoint.mjJNT_FREE):
        raise UserError(
            f"the root of {path} moves neither freely nor in a plane. Expected a free joint, or slides along x and z "
            "and a hinge about y, in this order."
        )
    own = model.body_rootid[model.jnt_bodyid]
    if (own[model.actuator_trnid[:, 0]] != own[0]).any():
        raise UserError(f"{path} has something loose before the body that its motors drive. Put that body first.")
    if not (model.geom_bodyid == 0).any():
        raise UserError(f"{path} has no ground. Add a plane to its worldbody.")


def compiled(spec: Any, what: str) -> Any:
    """A model; UserError where the file says what cannot be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # attributes of older files that will go
        try:
            return spec.compile()
        except ValueError as error:
            raise UserError(f"{what} is no model that MuJoCo can make ({on_one_line(error)}).") from error


def on_one_line(error: Exception) -> str:
    """What MuJoCo says over several."""
    return " ".join(str(error).split())


def stamp(spec: Any) -> str:
    """Hash of what a model is made of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hashlib.sha256(spec.to_xml().encode()).hexdigest()[:16]


def flatten(spec: Any) -> None:
    """Ground that is a height field becomes a plane."""
    import mujoco

    for geom in spec.geoms:
        if geom.type == mujoco.mjtGeom.mjGEOM_HFIELD:
            geom.type, geom.hfieldname, geom.size[:] = mujoco.mjtGeom.mjGEOM_PLANE, "", [40, 40, 40]
    for ground in list(spec.hfields):
        spec.delete(ground)


def on_bumps(spec: Any) -> Any:
    """The same on a height field of smooth bumps one metre high, which a model scales."""
    import mujoco

    made = spec.copy()
    rng = np.random.default_rng(0)
    rough = rng.random((BUMPS + 2, BUMPS + 2))
    heights = sum(rough[i : i + BUMPS, j : j + BUMPS] for i in range(3) for j in range(3)) / 5  # smooth
    heights = np.clip(heights - 0.6, 0, 1) / 0.8
    heights[:, 26:34] = 0  # it starts on the flat
    made.add_hfield(
        name="bumps", nrow=BUMPS, ncol=BUMPS, size=[6, 6, 1, 0.1], userdata=np.asarray(heights, np.float32).flatten()
    )
    for geom in made.geoms:
        if geom.type == mujoco.mjtGeom.mjGEOM_PLANE:
            geom.type, geom.hfieldname = mujoco.mjtGeom.mjGEOM_HFIELD, "bumps"
    return made


BODIES: dict[str, Callable[[], Body]] = {"cheetah": cheetah, "ant": ant}
"""Those that need no data."""


def names(more: Sequence[str] = ("go1",)) -> tuple[str, ...]:
    """Of all bodies."""
    return (*BODIES, *more)
