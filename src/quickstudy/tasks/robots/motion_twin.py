"""Motions without a simulator: arithmetic that takes the same bodies and torques and gives states of the same format.

    joints    angle'' = 20 s g u - 6 d angle' - 40 angle
    forwards  v' = 3 tanh(2 mu) w . angle' - v - slope / 6 - load
    height    h'' = 4 (mean of angles) - 10 h - 3 h'
    pitch     p'' = 2 (w . angle') / (1 + load) - 4 sin p - p'

u are torques, s the strength of each motor, g the gain, d the damping, mu the friction, w fixed. It is no model of any
body; it lets everything be tried where MuJoCo is not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quickstudy.sim.torques import JOINTS, SECONDS, STATE
from quickstudy.tasks.robots.conditions import TRAINED, Conditions, numbers
from quickstudy.tasks.robots.motion_table import SMALL, Motions, drawn_torques, listed

POSITIONS = 8
SUBSTEPS = 5


def simulated(found: Conditions) -> Motions:
    """The table of ``SMALL``."""
    actions = drawn_torques(len(found.all), SMALL)
    generator = torch.Generator().manual_seed(1)
    start = 0.1 * torch.randn(*actions.shape[:2], STATE, generator=generator)
    states = moved(numbers(found).unsqueeze(1), start, actions)
    return listed(states, actions, torch.zeros(actions.shape[:2], dtype=torch.bool))


def moved(known: Tensor, start: Tensor, actions: Tensor) -> Tensor:
    """[..., steps + 1, 17] of bodies ``known`` [..., 6 + joints], from ``start`` [..., 17] by ``actions``
    [..., steps, 6]."""
    states = [start]
    for at in range(actions.shape[-2]):
        now = states[-1]
        for _ in range(SUBSTEPS):
            now = now + SECONDS / SUBSTEPS * speeds(known, now, actions[..., at, :])
        states.append(now)
    return torch.stack(states, -2)


def speeds(known: Tensor, state: Tensor, action: Tensor) -> Tensor:
    """[..., 17] how fast ``state`` [..., 17] changes, in units a second."""
    about = {field: known[..., at, None] for at, field in enumerate(TRAINED)}
    strength = known[..., len(TRAINED) :]
    load = about["payload"]
    pitch, angle = state[..., 1:2], state[..., 2:POSITIONS]
    forwards, upwards, turning, fast = state[..., POSITIONS:].split([1, 1, 1, len(JOINTS)], -1)
    push = (fast * torch.linspace(0.5, -0.3, len(JOINTS))).sum(-1, keepdim=True)
    whole = torch.broadcast_shapes(state.shape[:-1], known.shape[:-1])
    changes = [
        upwards,
        turning,
        fast,
        3 * torch.tanh(2 * about["friction"]) * push - forwards - about["slope"] / 6 - load,
        4 * angle.mean(-1, keepdim=True) - 10 * state[..., :1] - 3 * upwards,
        2 * push / (1 + load) - 4 * pitch.sin() - turning,
        20 * about["gain"] * strength * action - 6 * about["damping"] * fast - 40 * angle,
    ]
    return torch.cat([part.expand(*whole, -1) for part in changes], -1)
