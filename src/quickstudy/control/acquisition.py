"""Which candidate to try next, by what a learner believes of each.

rule           tries                                                        needs
=============  ===========================================================  ================
improvement    most E max(y - best, 0) (Mockus 1975)                        an uncertainty
bound          most mean + 2 std (Cox and John 1992)                        an uncertainty
mean           most mean                                                    nothing
random         any                                                          nothing

A learner without an uncertainty goes by its mean whatever the rule. The best before the first try is to stand still.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from quickstudy.learners.base import Gaussian, Prediction

Rule = Literal["improvement", "bound", "mean", "random"]
RULES: tuple[Rule, ...] = ("improvement", "bound", "mean", "random")
WIDE = 2.0
"""Standard deviations of the bound."""


def wanted(prediction: Prediction, best: Tensor, rule: Rule, chance: Tensor) -> Tensor:
    """[T, G] how much each candidate should be tried, from predictions whose first output is to be large.

    ``best`` [T] is the best so far in the same units, ``chance`` [T, G] numbers from 0 to 1 that decide where all else
    is equal.
    """
    if rule == "random":
        return chance
    mean = prediction[0][..., 0]
    std = prediction.std[..., 0] if isinstance(prediction, Gaussian) else None
    if std is None or rule == "mean":
        value = mean
    elif rule == "bound":
        value = mean + WIDE * std
    else:
        value = improvement(mean, std, best.unsqueeze(-1))
    return value + 1e-6 * chance


def improvement(mean: Tensor, std: Tensor, best: Tensor) -> Tensor:
    """Logarithm of E max(y - best, 0) for y ~ N(mean, std^2): far below the best it still tells near from far."""
    z = ((mean - best) / std).double()
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    plain = (density + z * torch.special.ndtr(z)).clamp(min=1e-300).log()
    # below -5 by the tail's expansion: the difference of two small numbers has no digits left
    tail = -0.5 * z.square() - 0.5 * math.log(2 * math.pi) - 2 * z.abs().clamp(min=1).log()
    return (std.log().double() + torch.where(z < -5, tail, plain)).to(mean.dtype)
