"""Strides without a simulator: arithmetic that takes the same gaits and conditions and gives the same outcomes.

    m_j = |c_j| s_j g / sqrt(d)
    speed = 1.5 tanh(f tanh(2 mu) sum_j w_j m_j cos(arg c_j - p_j)) - slope / 15 - load / 4

c are a gait's swings, s the strength of each joint, g the gain, d the damping, mu the friction, w and p fixed. It is no
model of any body; it lets everything be tried where MuJoCo is not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quickstudy.tasks import draw
from quickstudy.tasks.robots.conditions import TRAINED, Conditions, numbers
from quickstudy.tasks.robots.table import SMALL, Table

JOINTS = ("bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot")
OUTCOMES = ("speed", "tilt", "bounce", *(f"motion {joint}" for joint in JOINTS))
NUMBERS = 3 * len(JOINTS)
GAITS = 160
FALL = 1.2


def simulated(grounds: Conditions) -> Table:
    """The table of HalfCheetah's numbers and joints."""
    gaits = draw.uniform(torch.arange(GAITS), NUMBERS, "twin", -1.0, 1.0)
    known = numbers(grounds)
    outcomes = felt(gaits, known)
    fell = outcomes[..., 1] > FALL
    outcomes[..., 0] = torch.where(fell, 0.0, outcomes[..., 0])
    best = outcomes[..., 0].amax(1, keepdim=True).expand(-1, SMALL.cem)
    asked = torch.tensor([kind != "intact" for kind in grounds.kind])
    cem = torch.where(asked.unsqueeze(-1), best, torch.nan)
    return Table(gaits=gaits, outcomes=outcomes, fell=fell, cem=cem, blew_up=0)


def felt(gaits: Tensor, known: Tensor) -> Tensor:
    """[C, G, outcomes] of ``gaits`` [G, numbers] on grounds ``known`` [C, 6 + joints]."""
    joints = len(JOINTS)
    about = dict(zip(TRAINED, known[:, : len(TRAINED)].T.unsqueeze(-1), strict=True))
    strength = known[:, len(TRAINED) :].unsqueeze(1)
    frequency, offset, swing = gaits[:, 0] + 2, gaits[:, 1 : 1 + joints], gaits[:, 1 + joints :]
    real = torch.cat([swing[:, :1], swing[:, 1::2]], 1)
    late = torch.cat([torch.zeros_like(swing[:, :1]), swing[:, 2::2]], 1)
    able = strength * (about["gain"] / about["damping"].sqrt()).unsqueeze(-1)
    motion = (real.square() + late.square()).sqrt() * able
    angle = torch.linspace(0, 2.5, joints)
    push = ((real * angle.cos() + late * angle.sin()) * able * torch.linspace(0.5, 0.2, joints)).sum(-1)
    speed = 1.5 * torch.tanh(frequency * torch.tanh(2 * about["friction"]) * push / 2)
    speed = speed - about["slope"] / 15 - about["payload"] / 4
    tilt = 0.3 * offset.sum(-1).abs() + 0.2 * motion.mean(-1) + about["payload"] / 2 + about["bumps"]
    bounce = 0.1 * motion.mean(-1) * frequency + about["bumps"]
    return torch.cat([torch.stack([speed, tilt, bounce], -1), motion], -1)
