"""What a moment of a body's motion is as numbers: the rows of the family ``dynamics``.

    x = [height, sin pitch, cos pitch, six angles, nine speeds, six torques]     all but torques in standard units
    y = change of the 17 numbers of the state in one step                         in standard units of changes

Units are moments of training bodies. A state that a learner's answers lead to stays within what training bodies did.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.sim.torques import JOINTS, PITCH

NAMES = (
    "height",
    "sine of the pitch",
    "cosine of the pitch",
    *(f"angle of {joint}" for joint in JOINTS),
    "speed forwards",
    "speed upwards",
    "speed of the pitch",
    *(f"speed of {joint}" for joint in JOINTS),
    *(f"torque of {joint}" for joint in JOINTS),
)


class Units(NamedTuple):
    """Moments of training bodies."""

    mean: Tensor
    """[18] of a state with sine and cosine in place of its pitch."""
    std: Tensor
    change: Tensor
    """[17] deviation of changes."""
    spread: Tensor
    """[17] deviation of states, the pitch between -pi and pi."""
    low: Tensor
    """[17] the least that there was; minus infinity of the pitch."""
    high: Tensor

    @classmethod
    def of(cls, states: Tensor) -> Units:
        """Of trajectories ``states`` [n, steps + 1, 17]."""
        flat = states.flatten(0, 1)
        seen = turned(flat)
        low, high = flat.amin(0), flat.amax(0)
        low[PITCH], high[PITCH] = -torch.inf, torch.inf
        return cls(
            mean=seen.mean(0),
            std=seen.std(0, correction=0).clamp(min=1e-6),
            change=states.diff(dim=1).flatten(0, 1).std(0, correction=0).clamp(min=1e-6),
            spread=wrapped(flat).std(0, correction=0).clamp(min=1e-6),
            low=low,
            high=high,
        )

    def inputs(self, states: Tensor, actions: Tensor) -> Tensor:
        """x [..., 24] of ``states`` [..., 17] and ``actions`` [..., 6]."""
        return torch.cat([(turned(states) - self.mean) / self.std, actions], -1)

    def changes(self, states: Tensor, after: Tensor) -> Tensor:
        """y [..., 17] from ``states`` to those ``after``."""
        return (after - states) / self.change

    def advance(self, states: Tensor, y: Tensor) -> Tensor:
        """[..., 17] the next of ``states``, by changes ``y`` of which one that is no number counts as none."""
        return (states + y.nan_to_num(0.0) * self.change).clamp(self.low, self.high)

    def states(self, x: Tensor) -> Tensor:
        """[..., 17] of which ``x`` [..., 24] tells, the pitch between -pi and pi."""
        seen = x[..., : len(self.mean)] * self.std + self.mean
        pitch = torch.atan2(seen[..., PITCH], seen[..., PITCH + 1])
        return torch.cat([seen[..., :PITCH], pitch.unsqueeze(-1), seen[..., PITCH + 2 :]], -1)

    def error(self, believed: Tensor, true: Tensor) -> Tensor:
        """[...] mean squared distance of two states [..., 17], 1 being the variance of training states."""
        return (wrapped(believed - true) / self.spread).square().mean(-1)


def actions_of(x: Tensor) -> Tensor:
    """[..., 6] of which ``x`` [..., 24] tells."""
    return x[..., -len(JOINTS) :]


def turned(states: Tensor) -> Tensor:
    """[..., 18] with sine and cosine in place of the pitch."""
    pitch = states[..., PITCH : PITCH + 1]
    return torch.cat([states[..., :PITCH], pitch.sin(), pitch.cos(), states[..., PITCH + 1 :]], -1)


def wrapped(states: Tensor) -> Tensor:
    """[..., 17] with the pitch between -pi and pi."""
    pitch = states[..., PITCH : PITCH + 1]
    pitch = torch.remainder(pitch + math.pi, 2 * math.pi) - math.pi
    return torch.cat([states[..., :PITCH], pitch, states[..., PITCH + 1 :]], -1)
