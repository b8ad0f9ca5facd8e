"""The simulated body against an adaptive solver, its own steady state, and what is published of it."""

import csv
import time
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest
import torch
from pace import pace
from scipy.integrate import solve_ivp
from torch import Tensor

from quickstudy.sim.glucose import FREE, MINUTES, PMOL, Act, complete, simulate
from quickstudy.sim.glucose_patients import GROUPS, MEAL, drawn, people
from quickstudy.tasks import draw
from quickstudy.tasks.glucose.population import FILE
from quickstudy.tasks.places import data_folder

DAY = 24 * 60 // MINUTES
EATEN = {7: 45.0, 9.5: 10.0, 12: 70.0, 13: 20.0, 18: 80.0}
"""Hour and grams; the fourth falls on a full stomach."""


def some(each: int) -> dict[str, Tensor]:
    group = torch.arange(len(GROUPS)).repeat_interleave(each)
    return drawn(group, draw.normal(draw.keys(torch.arange(len(group)), "test"), len(FREE), "numbers"))


def day(patients: Mapping[str, Tensor], steps: int = DAY) -> tuple[Tensor, Tensor, Act]:
    """Carbs and boluses [steps, n] of a day, and the act that has them."""
    n = len(patients["BW"])
    carbs, boluses = torch.zeros(steps, n), torch.zeros(steps, n)
    for hour, grams in EATEN.items():
        carbs[int(hour * DAY / 24)] = grams * (patients["BW"].float() / 75) ** 0.75
        boluses[int(hour * DAY / 24)] = carbs[int(hour * DAY / 24)] / 15
    return carbs, boluses, lambda step, sensor: (carbs[step], boluses[step])


def slope(_: float, y: np.ndarray, p: dict[str, float], meal: float, insulin: float) -> list[float]:
    """The equations as they are printed."""
    q1, q2, q3, gp, gt, gs, ip, il, x, l1, l2, s1, s2 = y
    q, k = q1 + q2, p["kmax"]
    if meal > 0:
        bend = np.tanh(5 * (q - p["b"] * meal) / (2 * meal * (1 - p["b"]))) - np.tanh(
            5 * (q - p["d"] * meal) / (2 * meal * p["d"])
        )
        k = p["kmin"] + (p["kmax"] - p["kmin"]) / 2 * (bend + 2)
    i = ip / p["Vi"]
    production = max(p["kp1"] - p["kp2"] * gp - p["kp3"] * l2, 0)
    excreted = max(0.0005 * (gp - 339), 0)
    return [
        -p["kmax"] * q1,
        p["kmax"] * q1 - k * q2,
        k * q2 - p["kabs"] * q3,
        production + 0.9 * p["kabs"] * q3 / p["BW"] - 1 - excreted - p["k1"] * gp + p["k2"] * gt,
        p["k1"] * gp - p["k2"] * gt - (p["Vm0"] + p["Vmx"] * x) * gt / (p["Km0"] + gt),
        p["ksc"] * (gp - gs),
        p["m1"] * il - (p["m2"] + p["m4"]) * ip + p["ka1"] * s1 + p["ka2"] * s2,
        p["m2"] * ip - (p["m1"] + p["m30"]) * il,
        p["p2u"] * (i - p["Ib"] - x),
        p["ki"] * (i - l1),
        p["ki"] * (l1 - l2),
        insulin - (p["kd"] + p["ka1"]) * s1,
        p["kd"] * s1 - p["ka2"] * s2,
    ]


def solved(p: dict[str, float], carbs: Tensor, boluses: Tensor, basal: float) -> np.ndarray:
    """[steps, 2] plasma glucose and the sensor's, mg/dL, by an adaptive solver from one event to the next."""
    plasma, first = p["Ib"] * p["Vi"], p["basal"] / (p["kd"] + p["ka1"])
    liver = p["m2"] * plasma / (p["m1"] + p["m30"])
    y = np.array([0, 0, 0, p["Gpb"], p["Gtb"], p["Gpb"], plasma, liver, 0, p["Ib"], p["Ib"], first, 0])
    y[-1] = p["kd"] * first / p["ka2"]
    meal, found = 0.0, []
    events = [0, *carbs.nonzero().flatten().tolist(), len(carbs)]
    for start, end in pairwise(events):
        if carbs[start] > 0:
            y[0] += 1000 * float(carbs[start])
            meal = y[0] + y[1]
            y[11] += float(boluses[start]) * PMOL / p["BW"]
        times = np.arange(end - start + 1) * MINUTES
        answer = solve_ivp(
            slope, (0, times[-1]), y, "LSODA", times, rtol=1e-8, atol=1e-8, args=(p, meal, p["basal"] * basal)
        )
        found.append(answer.y[[3, 5], :-1].T / p["Vg"])
        y = answer.y[:, -1].copy()
    return np.concatenate(found)


def test_glucose_is_that_of_an_adaptive_solver() -> None:
    patients = complete(some(2))
    carbs, boluses, act = day(patients)
    basal = torch.tensor([0.8, 0.9, 1.0, 1.1, 1.2, 1.0])
    lives = simulate(patients, torch.zeros(DAY, 6), act, basal)
    for n in range(6):
        p = {name: float(value[n]) for name, value in patients.items()}
        exact = solved(p, carbs[:, n], boluses[:, n], float(basal[n]))
        assert np.abs(lives.glucose[:, n].numpy() - exact[:, 0]).max() < 0.1
        assert np.abs(lives.sensor[:, n].numpy() - exact[:, 1].clip(40, 400)).max() < 0.1
        assert np.ptp(exact[:, 0]) > 20


def test_nothing_moves_without_meals() -> None:
    patients = complete(some(10))
    nothing = torch.zeros(30)
    lives = simulate(patients, torch.zeros(DAY, 30), lambda step, sensor: (nothing, nothing))
    assert (lives.glucose - patients["Gb"].float()).abs().max() < 0.01


def test_insulin_lowers_and_meals_raise() -> None:
    patients = complete(some(5))
    nothing, much = torch.zeros(15), torch.full((15,), 30.0)

    def end(carbs: Tensor, insulin: Tensor) -> Tensor:
        def act(step: int, sensor: Tensor) -> tuple[Tensor, Tensor]:
            return (carbs, insulin) if step == 0 else (nothing, nothing)

        return simulate(patients, torch.zeros(24, 15), act).glucose[-1]

    assert (end(much, nothing) > end(nothing, nothing) + 5).all()
    assert (end(nothing, nothing + 1) < end(nothing, nothing) - 1).all()


def test_a_covered_meal_ends_where_it_began() -> None:
    found = people(some(4))
    meal = (MEAL * found["BW"]).float()
    first, nothing = (meal, meal * found["ratio"].float()), torch.zeros(12)
    lives = simulate(found, torch.zeros(61, 12), lambda step, _: first if step == 0 else (nothing, nothing))
    assert (lives.glucose[-1] - found["Gb"].float()).abs().max() < 3
    assert lives.glucose.amax(0).sub(found["Gb"].float()).min() > 3


def test_derived_numbers_are_those_that_are_published() -> None:
    folder = data_folder()
    if folder is None or not (folder / FILE).is_file():
        pytest.skip(f"QUICKSTUDY_DATA has no {FILE}")
    with (folder / FILE).open() as file:
        rows = list(csv.DictReader(file))
    made = complete({name: torch.tensor([float(row[name]) for row in rows]).double() for name in FREE})
    names = {"m30": "m30", "Gpb": "Gpb", "Gtb": "Gtb", "kp1": "kp1", "Vm0": "Vm0", "m2": "m2", "basal": "u2ss"}
    for ours, theirs in names.items():
        off = (made[ours] / torch.tensor([float(row[theirs]) for row in rows]).double() - 1).abs()
        # of one of the 30, the table's clearance is not that of its other numbers
        assert off.sort().values[:29].max() < 1e-6, ours
        assert off.max() < 0.06, ours


@pytest.mark.slow
def test_two_thousand_patient_days_a_second() -> None:
    patients = {name: value.repeat(100) for name, value in complete(some(10)).items()}
    _, _, act = day(patients)
    taken = []
    for _ in range(3):
        start = time.process_time()
        simulate(patients, torch.zeros(DAY, 3000), act)
        taken.append(time.process_time() - start)
    assert 3000 / min(taken) * pace() >= 2000
