"""Bodies that run as well as they can: predictive sampling in their own simulation. Howell, Gileadi, Tunyasuvunakool,
Zakka, Erez, Tassa (2022), "Predictive Sampling: Real-time Behaviour Synthesis with MuJoCo".

At every step some sequences of torques around the best of the last step are simulated, the best of them is kept, and
its first action is taken, here with some noise, so that more is seen than what is best.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from quickstudy.sim.gaits import Array
from quickstudy.sim.noise import coloured, parts
from quickstudy.sim.torques import JOINTS, Herd, Moved, reward

SEQUENCES = 12
HORIZON = 8
"""Steps of a sequence."""
SPREAD = 0.5
"""Deviation of sequences around the best."""
COLOUR = 0.25
"""Exponent of that noise."""


def run(herd: Herd, start: Array, which: Sequence[int], noise: Tensor, generator: torch.Generator) -> Moved:
    """From ``start`` [n, 17]; ``noise`` [n, steps, 6] is added to the best actions, and what they were with it is
    written there.
    """
    count, steps = noise.shape[:2]
    best = torch.zeros(count, HORIZON, len(JOINTS))
    states, broken = [start], np.zeros(count, bool)
    many = np.repeat(np.asarray(which), SEQUENCES).tolist()
    for number in range(steps):
        white = torch.randn(count, SEQUENCES, len(JOINTS), parts(HORIZON), 2, generator=generator)
        tried = best.unsqueeze(1) + SPREAD * coloured(white, HORIZON, COLOUR).transpose(-1, -2)
        tried[:, 0] = best
        tried = tried.clamp(-1, 1)
        seen = herd.move(states[-1].repeat(SEQUENCES, 0), tried.flatten(0, 1).double().numpy(), many)
        worth = reward(torch.from_numpy(seen.states[:, 1:]).float(), tried.flatten(0, 1)).sum(-1)
        worth = torch.where(torch.from_numpy(seen.broken), -torch.inf, worth).view(count, SEQUENCES)
        best = tried[torch.arange(count), worth.argmax(1)]
        noise[:, number] = (best[:, 0] + noise[:, number]).clamp(-1, 1)
        moved = herd.move(states[-1], noise[:, number : number + 1].double().numpy(), which)
        states.append(np.where(broken[:, None], states[-1], moved.states[:, -1]))
        broken |= moved.broken
        best = torch.cat([best[:, 1:], best[:, -1:]], 1)
    return Moved(np.stack(states, 1), broken)
