"""How good predictions of glucose are: errors, what they would do to a patient, and alarms.

Clarke, Cox, Gonder-Frederick, Carter, Pohl (1987), "Evaluating Clinical Accuracy of Systems for Self-Monitoring of
Blood Glucose": A is within 20 % or both below 70 mg/dL, B would lead to benign or no treatment, C to overcorrection,
D is a failure to see a high or a low, E the opposite of the right treatment.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from quickstudy.tasks.base import NINETY, Examples, masked_mean
from quickstudy.tasks.glucose.windows import AHEAD, SCALE, now

ZONES = "ABCDE"
LOW = 70.0


def scores(prediction: Any, query: Examples, unit: float = 1.0) -> dict[str, Tensor]:
    """Each [T], errors in a unit of so many mg/dL: ``rmse`` over both horizons, one for each, shares in zones A and A
    or B, and where the prediction has a deviation the share within its 90 % intervals (``coverage90``) and the mean
    negative log-likelihood (``nll``)."""
    mask, y = query.mask, query.y
    scale = SCALE.to(y)
    error = (prediction.mean - y) * scale
    square = (error / unit).square()
    start = now(query.x).unsqueeze(-1)
    zone = clarke(start + y * scale, start + prediction.mean * scale)
    found = {"rmse": masked_mean(square.mean(-1), mask).sqrt()}
    for at, minutes in enumerate(AHEAD):
        found[f"rmse{minutes}"] = masked_mean(square[..., at], mask).sqrt()
    found["zone_a"] = masked_mean((zone == 0).to(y.dtype).mean(-1), mask)
    found["zone_ab"] = masked_mean((zone <= 1).to(y.dtype).mean(-1), mask)
    if (std := getattr(prediction, "std", None)) is not None:
        deviations = error / (std * scale)
        found["coverage90"] = masked_mean((deviations.abs() <= NINETY).to(y.dtype).mean(-1), mask)
        nll = 0.5 * deviations.square() + (std * scale / unit).log() + 0.5 * math.log(2 * math.pi)
        found["nll"] = masked_mean(nll.mean(-1), mask)
    return found


def clarke(reference: Tensor, predicted: Tensor) -> Tensor:
    """Zone of each pair in mg/dL, int64 from 0 (A) to 4 (E)."""
    r, p = reference, predicted
    a = ((p - r).abs() <= 0.2 * r) | ((r < LOW) & (p < LOW))
    e = ((r >= 180) & (p <= 70)) | ((r <= 70) & (p >= 180))
    c = ((r >= 70) & (r <= 290) & (p >= r + 110)) | ((r >= 130) & (r <= 180) & (p <= 7 / 5 * r - 182))
    d = ((r >= 240) & (p >= 70) & (p <= 180)) | ((r <= 175 / 3) & (p >= 70) & (p <= 180))
    d |= (r >= 175 / 3) & (r <= 70) & (p >= 6 / 5 * r)
    zone = torch.ones_like(r, dtype=torch.int64)
    for number, inside in ((3, d), (2, c), (4, e), (0, a)):
        zone = torch.where(inside, number, zone)
    return zone


class Alarm(NamedTuple):
    """How well a warning of low glucose works at a given price."""

    sensitivity: float
    """Share of lows that were warned of."""
    false_a_day: float
    threshold: float
    """mg/dL below which the predicted glucose warns."""
    lows: int
    """How many there were."""


def alarm(
    warning: Tensor, glucose: Tensor, there: Tensor, *, price: float = 1.0, ahead: int = 12, least: int = 4
) -> Alarm:
    """The most lows that can be warned of with at most ``price`` false alarms a day.

    Args:
        warning: [T, n] mg/dL, what is feared at each of n moments five minutes apart.
        glucose: [T, n] mg/dL at these moments.
        there: [T, n] where moments are real.
        ahead: steps within which a warning has to come true; one that does not is false.
        least: steps that it takes to act: a warning that comes later is none.

    A low begins where glucose falls below 70 mg/dL, and has been warned of if a warning stood ``least`` to ``ahead``
    steps before; an alarm begins where a warning does.
    """
    low = (glucose < LOW) & there
    begins = low & ~_before(low)
    soon = _within(low.flip(-1), ahead).flip(-1)
    days = float(there.sum()) / 288
    best = Alarm(0.0, 0.0, -math.inf, int(begins.sum()))
    for threshold in torch.arange(40, 141).tolist():
        warns = (warning < threshold) & there & ~low
        false = float((warns & ~_before(warns) & ~soon).sum()) / max(days, 1e-9)
        if false > price:
            break
        in_time = _within(_before(warns, least), ahead - least + 1)
        caught = float((begins & in_time).sum()) / max(best.lows, 1)
        best = Alarm(caught, false, float(threshold), best.lows)
    return best


def _before(flags: Tensor, steps: int = 1) -> Tensor:
    """[T, n]: the flag of the moment so many ``steps`` before; False at first."""
    return torch.nn.functional.pad(flags, (steps, 0))[..., : flags.shape[-1]]


def _within(flags: Tensor, steps: int) -> Tensor:
    """[T, n]: whether one of this and the ``steps`` - 1 moments before is flagged."""
    counted = flags.long().cumsum(-1)
    earlier = torch.nn.functional.pad(counted, (steps, 0))[..., : flags.shape[-1]]
    return counted > earlier
