"""Days of simulated people: what they eat, what they give themselves for it, and what their sensor says.

Meals: breakfast, lunch and dinner of 45, 70 and 80 g, and three snacks of 10 g, by probability 0.95 and 0.3, which is
the usual scenario of this simulator, scaled to the body as its energy need (weight^(3/4), Kleiber 1947). Everyone has
habits of their own. A bolus covers what the eater takes the meal for, which is off by about a fifth (Brazeau et al.
2013, "Carbohydrate counting accuracy"), corrects a reading above 150 or below 80 mg/dL, and is forgotten one time in
twenty. A reading below 65 mg/dL is treated with 15 g, again after twenty minutes if need be.

The sensor's error is that of Breton and Kovatchev (2008), "Analysis, Modeling, and Simulation of the Accuracy of
Continuous Glucose Sensors": e_k = 0.7 (e_(k-1) + v_k) every 15 minutes, v_k ~ N(0, 1), error = -5.471 + 15.957
sinh((e_k + 0.5444) / 1.6898) mg/dL, smooth in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.sim.glucose import MINUTES, simulate
from quickstudy.tasks import draw

DAY = 24 * 60 // MINUTES
SLOTS = torch.tensor([7.0, 9.5, 12.0, 15.0, 18.0, 21.5]) * 60
"""Usual minute of the day of each meal and snack."""
GRAMS = torch.tensor([45.0, 10.0, 70.0, 10.0, 80.0, 10.0])
CHANCE = torch.tensor([0.95, 0.3, 0.95, 0.3, 0.95, 0.3])
ADULT = 75.0
"""kg of somebody who eats these."""
HABIT, WHIM = 30.0, 30.0
"""Minutes by which people, and days of one, differ in the times of meals."""
SIZE_HABIT, SIZE_WHIM = 0.2, 0.2
"""The same for the logarithms of their sizes."""
MISJUDGED, FORGOTTEN = 0.2, 0.05
BASAL = 0.1
"""Deviation of the logarithm of a basal rate from the one that would hold glucose level."""
TARGET, HIGH, LOW = 140.0, 150.0, 80.0
RULES = 1800 / 500
"""mg/dL by which a unit lowers glucose, over the grams that it covers, by the rules of 1800 and 500."""
RESCUE, RESCUE_GRAMS, RESCUE_STEPS = 65.0, 15.0, 20 // MINUTES
SAMPLE = 15 // MINUTES
"""Steps between two errors of the sensor."""


class Records(NamedTuple):
    """What a sensor and a pump or a diary know of P people, in steps of five minutes from midnight on."""

    glucose: Tensor
    """[P, steps] mg/dL as the sensor says it; NaN where it is silent."""
    carbs: Tensor
    """[P, steps] g."""
    insulin: Tensor
    """[P, steps] U of boluses."""


def live(people: Mapping[str, Tensor], key: Tensor, days: int) -> Records:
    """So many ``days`` of ``people`` (of ``glucose_patients.people``) [P] with ``key`` [P], after one that is left out.

    Steady states are where simulations begin; the day that is left out makes it a usual night.
    """
    days += 1
    scale = (people["BW"] / ADULT).pow(0.75).float()
    meals = schedule(key, days) * scale
    each = meals.shape[0]
    off = (MISJUDGED * draw.normal(key, each, "misjudged").T).exp()
    off = torch.where(draw.uniform(key, each, "forgotten").T < FORGOTTEN, 0, off)
    per_gram = people["ratio"].float()
    falls = RULES / per_gram
    rescue, waits = RESCUE_GRAMS * scale, torch.zeros_like(key)

    def act(step: int, sensor: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal waits
        meal = meals[step]
        corrected = torch.where(sensor > HIGH, sensor - TARGET, (sensor - TARGET) * (sensor < LOW)) / falls
        bolus = torch.where(meal > 0, (meal * per_gram + corrected).clamp(min=0), 0) * off[step]
        treats = (sensor < RESCUE) & (waits <= 0)
        waits = torch.where(treats, RESCUE_STEPS, waits - 1)
        return meal + torch.where(treats, rescue, 0), bolus

    basal = (BASAL * draw.normal(key, 1, "basal")[:, 0]).exp()
    lives = simulate(people, sensor_error(key, each), act, basal)
    kept = (leaf[DAY:].T.contiguous() for leaf in (lives.sensor.round(), lives.carbs, lives.insulin))
    return Records(*kept)


def schedule(key: Tensor, days: int) -> Tensor:
    """[days * DAY, P] g of meals of somebody of ``ADULT`` kg."""
    people, slots = len(key), len(SLOTS)

    def both(what: str, own: float, daily: float) -> Tensor:
        """[P, days, slots] deviations: a person's, and a day's."""
        habit = own * draw.normal(key, slots, f"{what} habit").unsqueeze(1)
        return habit + daily * draw.normal(key, days * slots, f"{what} whim").view(people, days, slots)

    minute = SLOTS + both("time", HABIT, WHIM)
    grams = GRAMS * both("size", SIZE_HABIT, SIZE_WHIM).exp()
    eaten = draw.uniform(key, days * slots, "eaten").view(people, days, slots) < CHANCE
    step = (minute / MINUTES).round().long() + DAY * torch.arange(days).view(-1, 1)
    step = step.clamp(0, days * DAY - 1).flatten(1)
    found = torch.zeros(people, days * DAY)
    return found.scatter_add_(1, step, (grams * eaten).flatten(1).round()).T.contiguous()


def sensor_error(key: Tensor, steps: int) -> Tensor:
    """[steps, P] mg/dL."""
    count = steps // SAMPLE + 4
    fresh = draw.normal(key, count, "sensor").T
    errors = [fresh[0] * 0.7 / (1 - 0.49) ** 0.5]
    for new in fresh[1:]:
        errors.append(0.7 * (errors[-1] + new))
    error = -5.471 + 15.957 * ((torch.stack(errors) + 0.5444) / 1.6898).sinh()
    return smooth(error)[:steps].contiguous()


def smooth(knots: Tensor) -> Tensor:
    """[k, P] -> [(k - 3) * SAMPLE, P]: Catmull-Rom splines through all but the first and the last two knots."""
    a, b, c, d = knots[:-3], knots[1:-2], knots[2:-1], knots[3:]
    parts = []
    for t in (part / SAMPLE for part in range(SAMPLE)):
        bend = (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3
        parts.append(b + 0.5 * ((c - a) * t + bend))
    return torch.stack(parts, 1).flatten(0, 1)
