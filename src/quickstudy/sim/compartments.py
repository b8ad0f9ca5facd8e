"""Drug levels in closed form: linear compartments, doses added up.

The level after a dose of 1 into a linear body is a sum of exponentials, and doses add up (superposition):

    one compartment     w = 1 / V                          r = CL / V
    two compartments    w = (r - k21) / (V1 (r - s))       r, s = the roots of r^2 - (k10 + k12 + k21) r + k10 k21
    three               w = (k21 - r) (k31 - r) / (V1 (s - r) (t - r))         likewise the roots of a cubic
    absorbed at ka      w' = w ka / (ka - r), and -sum w' that falls at ka
    over a duration d   each exponential times (1 - exp(-r d)) / (r d), counted from the end
    every i for ever    each exponential divided by 1 - exp(-r i)            (a dose in steady state)

Gibaldi and Perrier (1982), "Pharmacokinetics", chapters 1 to 3. Any units do that agree: a clearance in litres an hour
needs times in hours. D doses, K exponentials.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

APART = 1e-3
"""Least relative distance of the rates of absorption and elimination: nearer ones cancel out in float32."""
EDGE = 1e-6
"""Least distance of a cosine from 1 and -1, where its angle has no derivative."""


class Response(NamedTuple):
    """The level after a dose of 1 at time 0: the sum of ``weight * exp(-rate * time)``."""

    weight: Tensor
    """[..., K]."""
    rate: Tensor
    """[..., K], positive."""


def one_compartment(volume: Tensor, clearance: Tensor) -> Response:
    """A bolus into one compartment; both [...]."""
    return Response((1 / volume).unsqueeze(-1), (clearance / volume).unsqueeze(-1))


def two_compartments(volume: Tensor, clearance: Tensor, peripheral: Tensor, between: Tensor) -> Response:
    """A bolus into the central of two compartments; volumes ``volume`` and ``peripheral``, clearance ``between``."""
    k10, k12, k21 = clearance / volume, between / volume, between / peripheral
    total = k10 + k12 + k21
    # the root of the difference is that of a sum of positives: nothing cancels
    apart = ((k10 - k12 - k21).square() + 4 * k10 * k12).sqrt()
    fast = (total + apart) / 2
    slow = k10 * k21 / fast
    weight = torch.stack([(fast - k21) / apart, (k21 - slow) / apart], -1) / volume.unsqueeze(-1)
    return Response(weight, torch.stack([fast, slow], -1))


def three_compartments(
    volume: Tensor, clearance: Tensor, near: Tensor, to_near: Tensor, far: Tensor, to_far: Tensor
) -> Response:
    """A bolus into the central of three compartments; volumes ``near`` and ``far``, clearances ``to_near``, ``to_far``.

    The cubic's roots are real; Viete's formula has them.
    """
    k10, k12, k13 = clearance / volume, to_near / volume, to_far / volume
    k21, k31 = to_near / near, to_far / far
    total, last = k10 + k12 + k13 + k21 + k31, k10 * k21 * k31
    middle = k10 * (k21 + k31) + k21 * k31 + k21 * k13 + k31 * k12
    third = total / 3
    size = (third.square() - middle / 3).clamp(min=1e-12 * total.square()).sqrt()
    cosine = (third**3 - third * middle / 2 + last / 2) / size**3
    angle = torch.acos(cosine.clamp(-1 + EDGE, 1 - EDGE)) / 3
    fast = third + 2 * size * torch.cos(angle)
    medium = third + 2 * size * torch.cos(angle - 2 * torch.pi / 3)
    slow = last / (fast * medium)  # not by the formula: it would be a small difference of large numbers
    rate = torch.stack([fast, medium, slow], -1)
    others = rate[..., [1, 2, 0]], rate[..., [2, 0, 1]]
    weight = (k21.unsqueeze(-1) - rate) * (k31.unsqueeze(-1) - rate)
    weight = weight / ((others[0] - rate) * (others[1] - rate)) / volume.unsqueeze(-1)
    return Response(weight, rate)


def absorbed(body: Response, absorption: Tensor) -> Response:
    """The level after a dose of 1 that is absorbed at the rate ``absorption`` [...] into ``body``."""
    into = absorption.unsqueeze(-1)
    distance = into - body.rate
    near = distance.abs() < APART * body.rate
    distance = torch.where(near, APART * body.rate, distance)
    weight = body.weight * into / distance
    gone = torch.cat([body.rate, torch.where(near, body.rate * (1 + APART), into)[..., :1]], -1)
    return Response(torch.cat([weight, -weight.sum(-1, keepdim=True)], -1), gone)


def level(
    body: Response, since: Tensor, amount: Tensor, duration: Tensor | None = None, interval: Tensor | None = None
) -> Tensor:
    """[...] level now, after doses of ``amount`` [..., D] that began ``since`` [..., D] ago.

    ``duration`` [..., D] is that of an infusion (0: at once); one that still runs counts as far as it has come.
    ``interval`` [..., D] says that the dose was the last of many, so far apart (0: the only one). Doses to come,
    ``since`` below 0, count for nothing.
    """
    weight, rate = body.weight.unsqueeze(-2), body.rate.unsqueeze(-2)
    ago = since.clamp(min=0).unsqueeze(-1)
    size = torch.where(since >= 0, amount, 0).unsqueeze(-1)
    if duration is not None:
        lasts = duration.unsqueeze(-1)
        come = torch.minimum(ago, lasts)
        size = size * torch.where(lasts > 0, come / torch.where(lasts > 0, lasts, 1), 1) * _mean_decay(rate * come)
        ago = ago - come
    left = torch.exp(-rate * ago)
    if interval is not None:
        apart = interval.unsqueeze(-1)
        left = left / torch.where(apart > 0, -torch.expm1(-rate * torch.where(apart > 0, apart, 1)), 1)
    return (weight * size * left).sum((-2, -1))


def _mean_decay(z: Tensor) -> Tensor:
    """(1 - exp(-z)) / z, 1 at 0."""
    some = z > 1e-6
    return torch.where(some, -torch.expm1(-z) / torch.where(some, z, 1), 1 - z / 2)
