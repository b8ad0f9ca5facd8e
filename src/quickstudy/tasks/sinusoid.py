"""Sine waves as tasks: the regression benchmark of MAML.

Finn, Abbeel, Levine (2017), "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", section 5.1:
y = a sin(x - p) with a in [0.1, 5], p in [0, pi], x in [-5, 5], mean squared error.
"""

import math

import torch
from torch import Tensor

from quickstudy.tasks import draw
from quickstudy.tasks.base import Spec
from quickstudy.tasks.endless import Drawn, Endless

AMPLITUDE = (0.1, 5.0)
PHASE = (0.0, math.pi)


class Sinusoid(Endless):
    """Waves of random amplitude and phase."""

    def __init__(self) -> None:
        super().__init__(
            Spec(name="sinusoid", kind="regression", shape=(1,), outputs=1, metric="mse", shot_unit="point of the wave")
        )

    def _functions(self, key: Tensor) -> Drawn:
        amplitude = draw.uniform(key, 1, "amplitude", *AMPLITUDE)
        phase = draw.uniform(key, 1, "phase", *PHASE)
        return lambda x, stream: amplitude * torch.sin(x - phase)
