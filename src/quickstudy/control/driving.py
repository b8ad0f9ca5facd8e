"""Bodies of ``dynamics`` driven by a planner, whose model is a learner that adapts to the body's own last steps.

At every step the learner is given the last ``MEMORY`` steps of that body, as a support with the newest first, and the
planner looks ahead with its answers; states stay within what training bodies did. A learner that is not to adapt gets
none. The oracle plans in the true simulation of the body as it is.

A body whose simulation blows up ends its episode there: what it had is its return, and it is counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from quickstudy.control.planner import Memory, Planning, Worth, by_steps, plan
from quickstudy.inner import batch
from quickstudy.learners.base import Adapted, Learner, Prediction
from quickstudy.sim.bodies import Condition
from quickstudy.sim.torques import JOINTS, Herd, reward
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples
from quickstudy.tasks.robots.motion_rows import Units

MEMORY = 16
"""Steps of its own motion that a learner adapts to."""


class Driven(NamedTuple):
    """Episodes of n bodies."""

    returns: Tensor
    """[n] sum over steps of the speed forwards, in m/s, less the effort."""
    blew_up: Tensor
    """[n] bool."""
    states: Tensor
    """[n, steps + 1, 17]; a body that blew up stays where it was."""
    error: Tensor
    """[n] mean squared error, in standard units, of what the learner said of each step before it was taken; NaN of the
    oracle."""
    hertz: float
    """Plans in a CPU second of the process, of all bodies together."""


def nothing(count: int, units: Units, room: int = MEMORY) -> Examples:
    """The last steps of bodies that have not moved yet, with ``room`` for those that come."""
    x = units.mean.new_zeros(count, room, len(units.mean) + len(JOINTS))
    return Examples(x, x.new_zeros(count, room, len(units.change)), torch.zeros(count, room, dtype=torch.bool))


def newest(past: Examples, x: Tensor, y: Tensor) -> Examples:
    """The last steps of n bodies after one more, ``x`` [n, 24] and ``y`` [n, 17], which comes first."""
    step = Examples(x.unsqueeze(1), y.unsqueeze(1), torch.ones(len(x), 1, dtype=torch.bool))
    room = past.mask.shape[1]
    return Examples(*(torch.cat(pair, 1)[:, :room] for pair in zip(step, past, strict=True)))


@torch.no_grad()
def drive(
    learner: Learner | None,
    units: Units,
    conditions: Sequence[Condition],
    seeds: Sequence[int],
    *,
    how: Planning | None = None,
    steps: int = 200,
    adapts: bool = True,
) -> Driven:
    """An episode of each body, ``conditions`` and ``seeds`` [n] in pairs; without a ``learner`` the oracle drives.

    The seed is that of how a body starts and of the planner's noise. Raises UserError where MuJoCo is not installed.
    """
    how = how or Planning()
    herd = Herd(conditions)
    key = draw.keys(torch.tensor(seeds), "drive")
    start = herd.start(list(seeds))
    states, alive = [torch.from_numpy(start).float()], torch.ones(len(seeds), dtype=torch.bool)
    returns, errors = torch.zeros(len(seeds)), torch.zeros(len(seeds))
    past, spent = nothing(len(seeds), units, MEMORY if adapts else 0), 0.0
    memory: Memory | None = None
    exact = start
    for number in range(steps):
        begin = time.process_time()
        adapted = None if learner is None else adapt(learner, past)
        worth = oracle(herd, exact) if adapted is None or learner is None else believed(learner, adapted, units)
        found = plan(how, worth, states[-1], draw.mix(key + number), len(JOINTS), memory)
        spent += time.process_time() - begin
        action, memory = found.action, found.memory
        moved = herd.move(exact, action.unsqueeze(1).double().numpy())
        exact = np.where(alive.numpy()[:, None], moved.states[:, -1], exact)
        alive = alive & ~torch.from_numpy(moved.broken)
        after = torch.from_numpy(exact).float()
        returns += torch.where(alive, reward(after, action), 0.0)
        x, y = units.inputs(states[-1], action), units.changes(states[-1], after)
        if learner is not None and adapted is not None:
            errors += (answer(learner, adapted, x.unsqueeze(1))[0][:, 0] - y).square().mean(-1) / steps
        past = newest(past, x, y)
        states.append(after)
    known = errors if learner is not None else torch.full_like(errors, torch.nan)
    return Driven(returns, ~alive, torch.stack(states, 1), known, len(seeds) * steps / max(spent, 1e-6))


def adapt(learner: Learner, past: Examples) -> Adapted:
    """To the last steps of each body."""
    found: Adapted = batch.map_tasks(lambda own, steps: own.adapt(steps), learner, (past,), "vmap")
    return found


def answer(learner: Learner, adapted: Adapted, x: Tensor) -> Prediction:
    """To ``x`` [n, m, 24] of each body."""
    mask = torch.ones(x.shape[:2], dtype=torch.bool)
    found: Prediction = batch.map_tasks(lambda own, *one: own.predict(*one), learner, (adapted, x, mask), "vmap")
    return found


def believed(learner: Learner, adapted: Adapted, units: Units) -> Worth:
    """What sequences are worth by a learner's answers."""

    def step(states: Tensor, actions: Tensor) -> Tensor:
        return units.advance(states, answer(learner, adapted, units.inputs(states, actions))[0])

    return by_steps(step, lambda states, actions, after: reward(after, actions))


def oracle(herd: Herd, exact: Any) -> Worth:
    """What they are worth in the true simulation, from its own states [n, 17]; nothing where it blows up."""

    def worth(states: Tensor, sequences: Tensor) -> Tensor:
        bodies, each = sequences.shape[:2]
        which = np.repeat(np.arange(bodies), each)
        moved = herd.move(exact[which], sequences.flatten(0, 1).double().numpy(), which.tolist())
        after = torch.from_numpy(moved.states[:, 1:]).float()
        total = reward(after, sequences.flatten(0, 1)).sum(-1)
        return torch.where(torch.from_numpy(moved.broken), torch.nan, total).view(bodies, each)

    return worth
