"""The gripper in MuJoCo: a palm on a vertical slide, two fingers driven by force, and a free object on a table.

Elliptic friction cones and stiff contacts, so that what is held does not creep; fingers with dampers, so that they do
not bounce where they slide. Whole batches run at once (``mujoco.rollout``), on as many threads as torch has.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from quickstudy.errors import UserError
from quickstudy.sim.gripper import FELT, GRAVITY, LIFTED, SHAKEN, SHAPES, Array, Felt, Objects, height

MODEL = """
<mujoco model="gripper">
 <option timestep="0.002" cone="elliptic" impratio="10" integrator="implicitfast"/>
 <default><geom solref="0.005 1" solimp="0.95 0.99 0.001" friction="0.01 0.002 0.0001"/></default>
 <asset><texture type="skybox" builtin="flat" rgb1="1 1 1" rgb2="1 1 1" width="32" height="32"/></asset>
 <worldbody>
  <light pos="0.3 -0.6 0.8" dir="-0.3 0.6 -0.8" diffuse="0.9 0.9 0.9" ambient="0.3 0.3 0.3"/>
  <camera name="front" pos="0 -0.38 0.11" xyaxes="1 0 0 0 0.1 1"/>
  <geom name="table" type="plane" size="0.5 0.5 0.01" rgba="0.8 0.8 0.82 1" contype="2" conaffinity="2"/>
  <body name="palm" pos="0 0 0.1">
   <joint name="lift" type="slide" axis="0 0 1"/>
   <geom type="box" size="0.09 0.02 0.01" mass="0.5" contype="0" conaffinity="0" rgba="0.3 0.35 0.4 1"/>
   <body name="left" pos="-{reach} 0 -0.064">
    <joint name="left" type="slide" axis="1 0 0" damping="30"/>
    <geom type="box" size="0.01 0.015 0.035" mass="0.05" rgba="0.2 0.45 0.7 1"/>
    <site name="left" type="box" size="0.011 0.016 0.036" rgba="0 0 0 0"/>
   </body>
   <body name="right" pos="{reach} 0 -0.064">
    <joint name="right" type="slide" axis="-1 0 0" damping="30"/>
    <geom type="box" size="0.01 0.015 0.035" mass="0.05" rgba="0.2 0.45 0.7 1"/>
    <site name="right" type="box" size="0.011 0.016 0.036" rgba="0 0 0 0"/>
   </body>
  </body>
  <body name="object" pos="0 0 0.03">
   <freejoint/>
   <geom name="object" type="{shape}" size="{size}" mass="1" contype="3" conaffinity="3" rgba="0.85 0.5 0.2 1"/>
  </body>
 </worldbody>
 <actuator><position joint="lift" kp="20000" kv="300"/><motor joint="left"/><motor joint="right"/></actuator>
 <sensor><touch site="left"/><touch site="right"/><force site="left"/><force site="right"/></sensor>
</mujoco>"""
STEP, FINGER = 0.002, 0.05
"""Seconds between two steps; mass of a finger."""
SIZES = {"box": ("0.02 0.02 0.03", 0.02), "cylinder": ("0.02 0.03", 0.02), "sphere": ("0.03", 0.03)}
"""Half sizes of each shape, and how far from its middle the fingers meet it."""
AT_ONCE = 128
"""Trials in a batch."""
PALM, LEFT, RIGHT, OBJECT = 1, 2, 3, slice(4, 11)
"""Where in a state, behind the time, each joint is."""


def mujoco() -> Any:
    """The library; UserError where it is not installed."""
    try:
        import mujoco
        import mujoco.rollout
    except ImportError as error:
        raise UserError(
            f"the gripper is simulated by MuJoCo, which is not there ({error}). Install it with "
            "pip install 'quickstudy[robots]', or use grips:simulated=true, which follows Coulomb's law."
        ) from error
    return mujoco


class MuJoCoGripper:
    """Objects in the simulation."""

    def __init__(self, objects: Objects) -> None:
        self.objects, self.blown = objects, 0
        self.models = models(objects)
        self._data = [mujoco().MjData(self.models[0]) for _ in range(torch.get_num_threads())]

    def lift(self, force: Array) -> Felt:
        """See ``Gripper``."""
        wide = np.repeat(np.arange(len(force)), force.shape[1])
        found: list[Felt] = []
        for state, sensed, bad in self._trials(wide, force.ravel(), LIFTED):
            part = slice(round(FELT[0] / STEP), round(FELT[1] / STEP))
            touch = sensed[:, part, :2].mean((1, 2))
            load = (sensed[:, part, 4] + sensed[:, part, 7]).mean(1) - 2 * FINGER * GRAVITY
            felt = Felt(touch, load, slip(state))
            found.append(Felt(*(np.where(bad, worst, leaf) for worst, leaf in zip((0, 0, 1), felt, strict=True))))
        return Felt(*(np.concatenate(leaves).reshape(force.shape) for leaves in zip(*found, strict=True)))

    def shake(self, force: Array, which: npt.NDArray[np.int64] | None = None) -> Array:
        """See ``Gripper``."""
        which = np.arange(len(force)) if which is None else which
        trials = self._trials(which, force, SHAKEN)
        found = [np.where(bad, 1.0, slip(state)) for state, _, bad in trials]
        return np.concatenate(found) if found else np.zeros(0)

    def film(self, number: int, force: float) -> Array:
        """[steps, state] of a lift and the shaking of one object."""
        return next(self._trials(np.array([number]), np.array([force]), SHAKEN))[0][0]

    def _trials(self, which: npt.NDArray[np.int64], force: Array, until: float) -> Iterator[tuple[Array, Array, Any]]:
        """States [n, steps, s], sensors [n, steps, 8] and which failed [n], a batch at a time."""
        library = mujoco()
        time = np.arange(round(until / STEP)) * np.float64(STEP)
        begun = start(self.models[0])[None]  # the same for every shape
        for begin in range(0, len(which), AT_ONCE):
            some = which[begin : begin + AT_ONCE]
            control = np.empty((len(some), len(time), 3))
            control[:, :, 0] = height(time)
            control[:, :, 1:] = force[begin : begin + AT_ONCE, None, None]
            state, sensed = library.rollout.rollout([self.models[i] for i in some], self._data, begun, control)
            clock = state[:, :, 0]
            bad = ~(np.isfinite(state).all((1, 2)) & (np.diff(clock, axis=1) > 0).all(1))  # MuJoCo begins anew
            self.blown += int(bad.sum())
            yield np.nan_to_num(state), np.nan_to_num(sensed), bad


def slip(state: Array) -> Array:
    """[n] how far the object is behind the palm at the end of states [n, steps, s]."""
    behind = state[:, :, PALM] - state[:, :, OBJECT][:, :, 2]
    return behind[:, -1] - behind[:, 0]


def start(model: Any) -> Array:
    """The state before a trial."""
    library = mujoco()
    kind = library.mjtState.mjSTATE_FULLPHYSICS
    state = np.zeros(library.mj_stateSize(model, kind))
    library.mj_getState(model, library.MjData(model), state, kind)
    return state


def described(shape: str) -> str:
    """The gripper around an object of ``shape``, as MJCF."""
    size, half = SIZES[shape]
    return MODEL.format(shape=shape, size=size, reach=half + 0.0101)


def models(objects: Objects) -> list[Any]:
    """A model of the gripper with each object."""
    library, made = mujoco(), []
    bases = {}
    for number in {*objects.shape.tolist()}:
        bases[number] = library.MjModel.from_xml_string(described(SHAPES[number]))
    for mass, friction, shape in zip(*(leaf.tolist() for leaf in objects), strict=True):
        model = copy.copy(bases[shape])
        body, geom = model.body("object").id, model.geom("object").id
        model.body_mass[body] = mass
        model.body_inertia[body] = mass * bases[shape].body_inertia[body]
        model.geom_friction[geom, 0] = friction
        library.mj_setConst(model, library.MjData(model))
        made.append(model)
    return made
