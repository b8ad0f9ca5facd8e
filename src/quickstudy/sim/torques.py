"""HalfCheetah moved by torques, as gymnasium steps it: 20 decisions a second, each held for five steps of simulation.

A state is 17 numbers, those of gymnasium's HalfCheetah: height, pitch and six angles, then the speeds of all nine
coordinates (how far it has come is left out). An action is six torques from -1 to 1, as shares of each motor's largest.
What is wrong with a body (``Condition``) changes friction, slope, payload, damping and the strength of each motor,
which is 1 where it is whole, 0 where it is dead and negative where it turns the other way.

Simulations that blow up (numbers that are none, accelerations that MuJoCo calls bad) stop where they are, and say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from quickstudy.sim.bodies import Body, Condition, cheetah, compiled, gymnasium_file, needs, stamp
from quickstudy.sim.gaits import Array

JOINTS = ("bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot")
STATE = 17
SPEED = 8
"""Place of the speed forwards in a state."""
PITCH = 1
"""Place of the pitch, which has no bounds: a body that rolls over goes on counting."""
HELD = 5
"""Steps of simulation for which an action is held."""
SECONDS = 0.05
"""Of a decision."""
EFFORT = 0.1
"""What a squared torque costs, in metres a second, in gymnasium's reward."""
FASTEST = 30.0
"""Metres a second that nothing here can reach: the simulation has blown up."""
AT_ONCE = 256
"""Bodies whose every step is kept at a time."""


class Moved(NamedTuple):
    """What n bodies did."""

    states: Array
    """[n, steps + 1, 17], the first being where they started; a body that blew up stays in its last good state."""
    broken: NDArray[np.bool_]
    """[n] whether the simulation blew up."""


class Herd:
    """Bodies, each with something wrong of its own, that move at once. UserError where MuJoCo is not installed."""

    def __init__(self, conditions: Sequence[Condition], threads: int = 0) -> None:
        mujoco = needs("mujoco")
        self.body = motors()
        self.models = [self.body.model(condition) for condition in conditions]
        self.data = [mujoco.MjData(self.models[0]) for _ in range(threads or torch.get_num_threads())]
        self.nq, self.nv = self.models[0].nq, self.models[0].nv
        self.size = mujoco.mj_stateSize(self.models[0], mujoco.mjtState.mjSTATE_FULLPHYSICS)

    def start(self, seeds: Sequence[int]) -> Array:
        """[n, 17] of bodies as gymnasium starts them: at rest, every number moved a little."""
        found = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            found.append(np.concatenate([rng.uniform(-0.1, 0.1, 8), 0.1 * rng.standard_normal(9)]))
        return np.stack(found)

    def move(self, states: Array, actions: Array, which: Sequence[int] | None = None) -> Moved:
        """From ``states`` [n, 17] by ``actions`` [n, steps, 6]; ``which`` [n] says whose bodies, by default each once.

        Actions beyond -1 and 1 count as these; those that are no numbers as 0, as a motor without an order.
        """
        which = range(len(self.models)) if which is None else which
        actions = np.clip(np.nan_to_num(np.asarray(actions, float), nan=0.0, posinf=1.0, neginf=-1.0), -1, 1)
        parts = [
            self._move(states[at : at + AT_ONCE], actions[at : at + AT_ONCE], which[at : at + AT_ONCE])
            for at in range(0, len(states), AT_ONCE)
        ]
        return Moved(np.concatenate([part.states for part in parts]), np.concatenate([part.broken for part in parts]))

    def _move(self, states: Array, actions: Array, which: Sequence[int]) -> Moved:
        from mujoco import rollout

        first = np.zeros((len(states), self.size))
        first[:, 2 : 1 + self.nq + self.nv] = states
        models: list[Any] = [self.models[at] for at in which]
        control = actions.repeat(HELD, 1)
        every = rollout.rollout(models, self.data, first, control, persistent_pool=False)[0]
        path: Array = every[:, HELD - 1 :: HELD]
        path = np.concatenate([first[:, None], path], 1)
        due = SECONDS * np.arange(path.shape[1])
        fine = (np.abs(path[..., 0] - due) < 1e-6) & np.isfinite(path).all(-1)
        fine[:, 1:] &= np.abs(np.diff(path[..., 1])) < FASTEST * SECONDS
        fine = np.logical_and.accumulate(fine, 1)
        last = fine.sum(1) - 1
        kept = np.minimum(np.arange(path.shape[1]), last[:, None])
        return Moved(path[np.arange(len(path))[:, None], kept, 2 : 1 + self.nq + self.nv], ~fine[:, -1])


def motors() -> Body:
    """HalfCheetah with its own motors instead of position servos, stepped as its file says."""
    mujoco = needs("mujoco")
    path = gymnasium_file("half_cheetah.xml")
    spec = mujoco.MjSpec.from_file(str(path))
    compiled(spec, str(path))
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET  # a simulation that blows up shows it
    return replace(cheetah(), spec=spec, stamp=stamp(spec), kept={})


def reward(states: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """[...] gymnasium's of a step that ended in ``states`` [..., 17]: the speed forwards less the effort of ``actions``
    [..., 6]. The speed is that at the end of the step."""
    return states[..., SPEED] - EFFORT * actions.square().sum(-1)
