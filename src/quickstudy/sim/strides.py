"""One-second strides: many gaits of one body on one ground at once, in threads, and what the body feels of each.

A stride starts from standing and lasts a second. Felt are the mean speed forwards (m/s), of bodies that move freely in
space also the mean speed sideways (m/s) and the turning (rad/s), the tilt of the trunk and its bounce (root mean square
and standard deviation, in radians and metres), and how much each driven joint moves (standard deviation, radians).

A trunk that tilts by more than 1.2 radians has fallen, and so has whatever makes the simulation blow up: its speed
is 0, for who falls gets nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from quickstudy.sim.bodies import Body, Condition, needs
from quickstudy.sim.gaits import Array

SECONDS = 1.0
SETTLE = 0.5
"""Seconds in which a body comes to stand."""
FALL = 1.2
"""Tilt of the trunk, in radians."""
FASTEST = 20.0
"""Metres a second that nothing here can reach: the simulation has blown up."""
AT_ONCE = 512
"""Strides whose paths are kept at a time."""


class Felt(NamedTuple):
    """Outcomes of n strides."""

    values: Array
    """[n, outcomes]; all zeros where the simulation blew up."""
    fell: NDArray[np.bool_]
    """[n]."""
    blew_up: int
    """How many of those that fell were no falls but numbers that are none."""


@dataclass
class Ground:
    """A body on the ground of one condition, ready to walk."""

    body: Body
    condition: Condition
    threads: int = 0
    """0: as many as torch has."""

    def __post_init__(self) -> None:
        mujoco = needs("mujoco")
        self.model = self.body.model(self.condition)
        self.size = mujoco.mj_stateSize(self.model, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        self.steps = round(SECONDS / self.model.opt.timestep)
        self.data = [mujoco.MjData(self.model) for _ in range(self.threads or torch.get_num_threads())]
        self.start = standing(self.body, self.model, self.size)

    def walk(self, gaits: Array) -> Felt:
        """Strides of ``gaits`` [n, numbers from -1 to 1]."""
        parts = [self._walk(gaits[at : at + AT_ONCE]) for at in range(0, len(gaits), AT_ONCE)]
        return Felt(
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.fell for part in parts]),
            sum(part.blew_up for part in parts),
        )

    def film(self, gait: Array) -> Array:
        """[steps, state] of one stride, without what comes after numbers that are none."""
        states: Array = self._states(np.asarray(gait)[None])[0]
        return states[: max(int(np.isfinite(states).all(1).argmin()) or len(states), 1)]

    def _walk(self, gaits: Array) -> Felt:
        state = self._states(gaits)
        late = np.abs(state[:, -1, 0] - state[:, 0, 0] - SECONDS + self.model.opt.timestep) > 1e-6
        path = state[:, :, 1 : 1 + self.model.nq]
        broken = late | ~np.isfinite(state).all((1, 2))
        path = np.where(broken[:, None, None], self.start[1 : 1 + self.model.nq], path)
        broken |= np.abs(path[:, -1, 0] - self.start[1]) > FASTEST * SECONDS
        values, tilt = felt(self.body, path, self.start[1 : 1 + self.model.nq])
        fell = broken | (tilt.max(1) > FALL)
        values[fell, 0] = 0.0
        values[broken] = 0.0
        return Felt(values, fell, int(broken.sum()))

    def _states(self, gaits: Array) -> Array:
        from mujoco import rollout

        times = np.arange(self.steps) * self.model.opt.timestep
        targets = self.body.gait.targets(np.asarray(gaits, float), times)
        found: Array = rollout.rollout(self.model, self.data, self.start, targets, persistent_pool=False)[0]
        return found


def standing(body: Body, model: Any, size: int) -> Array:
    """[state] of the body once it stands, at rest at the origin."""
    import mujoco
    from mujoco import rollout

    data = mujoco.MjData(model)
    if model.nkey:
        mujoco.mj_resetDataKeyframe(model, data, 0)
    data.qpos[body.angle_at] = body.gait.rest
    steps = round(SETTLE / model.opt.timestep)
    state = np.zeros(size)
    mujoco.mj_getState(model, data, state, mujoco.mjtState.mjSTATE_FULLPHYSICS)
    path = rollout.rollout(model, [data], state, np.tile(body.gait.rest, (1, steps, 1)))[0][0]
    fine = np.isfinite(path).all(1)
    state = path[np.flatnonzero(fine)[-1]] if fine.any() else state
    state[0], state[1] = 0.0, 0.0
    state[1 + model.nq : 1 + model.nq + model.nv] = 0.0
    return state


def felt(body: Body, path: Array, start: Array) -> tuple[Array, Array]:
    """[n, outcomes] and tilt [n, steps] of paths [n, steps, positions]."""
    moved = (path[:, -1] - start) / SECONDS
    if body.free:
        tilt, heading = attitude(path[:, :, 3:7])
        sideways = [moved[:, 1], np.unwrap(heading, axis=1)[:, -1] - attitude(start[None, None, 3:7])[1][0, 0]]
        height = path[:, :, 2]
    else:
        tilt, sideways, height = np.abs(path[:, :, 2]), [], path[:, :, 1]
    whole = [moved[:, 0], *sideways, np.sqrt((np.minimum(tilt, np.pi) ** 2).mean(1)), height.std(1)]
    return np.concatenate([np.stack(whole, 1), path[:, :, body.angle_at].std(1)], 1), tilt


def attitude(turned: Array) -> tuple[Array, Array]:
    """Tilt and heading, in radians, of quaternions [..., 4]."""
    w, x, y, z = np.moveaxis(turned, -1, 0)
    up = np.clip(1 - 2 * (x**2 + y**2), -1, 1)
    return np.arccos(up), np.arctan2(2 * (w * z + x * y), 1 - 2 * (y**2 + z**2))
