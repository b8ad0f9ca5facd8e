"""Levels in closed form against a solver of the differential equations."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from quickstudy.sim.compartments import Response, absorbed, level, one_compartment, three_compartments, two_compartments

integrate = pytest.importorskip("scipy.integrate")

SINCE = torch.tensor([30.0, 20.0, 8.0, 3.0, -4.0], dtype=torch.float64)
AMOUNT = torch.tensor([10.0, 5.0, 7.0, 4.0, 9.0], dtype=torch.float64)
DURATION = torch.tensor([0.5, 2.0, 1.0, 6.0, 1.0], dtype=torch.float64)
NOW = 30.0


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def one() -> Response:
    return one_compartment(number(3.0), number(0.6))


def two() -> Response:
    return two_compartments(number(3.0), number(0.6), number(8.0), number(1.1))


def three() -> Response:
    return three_compartments(number(3.0), number(0.6), number(8.0), number(1.1), number(20.0), number(0.3))


def rates(compartments: int, ka: float | None) -> np.ndarray:
    """Matrix of the amounts' differential equation: central, near, far, gut."""
    k10, k12, k21, k13, k31 = 0.6 / 3, 1.1 / 3, 1.1 / 8, 0.3 / 3, 0.3 / 20
    k12, k21 = (k12, k21) if compartments > 1 else (0.0, 0.0)
    k13, k31 = (k13, k31) if compartments > 2 else (0.0, 0.0)
    take = ka or 0.0
    return np.array([[-k10 - k12 - k13, k21, k31, take], [k12, -k21, 0, 0], [k13, 0, -k31, 0], [0, 0, 0, -take]])


def solved(matrix: np.ndarray, into: int, infused: bool) -> float:
    """Level in the central compartment at NOW, by an adaptive Runge-Kutta solver between changes of the input."""
    starts = [NOW - float(s) for s in SINCE]
    ends = [start + float(d) for start, d in zip(starts, DURATION, strict=True)]
    state, at = np.zeros(4), 0.0
    for change in sorted({time for time in (*starts, *(ends if infused else ())) if 0 <= time < NOW} | {NOW}):
        rate = np.zeros(4)
        if infused:
            running = [s <= at < e for s, e in zip(starts, ends, strict=True)]
            rate[into] = sum(float(a / d) for a, d, r in zip(AMOUNT, DURATION, running, strict=True) if r)
        if change > at:
            found = integrate.solve_ivp(
                lambda _, y, rate=rate: matrix @ y + rate, (at, change), state, rtol=1e-10, atol=1e-12
            )
            state, at = found.y[:, -1], change
        if not infused:
            state[into] += sum(float(a) for a, s in zip(AMOUNT, starts, strict=True) if s == change and s < NOW)
    return float(state[0] / 3.0)


@pytest.mark.parametrize("infused", [False, True])
@pytest.mark.parametrize(("compartments", "body"), [(1, one), (2, two), (3, three)])
def test_levels_are_those_of_the_differential_equation(
    compartments: int, body: Callable[[], Response], infused: bool
) -> None:
    found = level(body(), SINCE, AMOUNT, DURATION if infused else None)
    assert float(found) == pytest.approx(solved(rates(compartments, None), 0, infused), rel=1e-7)


@pytest.mark.parametrize(("compartments", "body"), [(1, one), (2, two), (3, three)])
def test_so_are_levels_of_what_is_swallowed(compartments: int, body: Callable[[], Response]) -> None:
    found = level(absorbed(body(), number(0.9)), SINCE, AMOUNT)
    assert float(found) == pytest.approx(solved(rates(compartments, 0.9), 3, False), rel=1e-7)


def test_a_dose_in_steady_state_is_the_sum_of_all_before_it() -> None:
    body = absorbed(one(), number(0.9))
    many = 5.0 + 6.0 * torch.arange(400, dtype=torch.float64)
    in_full = level(body, many, torch.full_like(many, 7.0))
    steady = level(body, number(5.0).view(1), number(7.0).view(1), interval=number(6.0).view(1))
    torch.testing.assert_close(steady, in_full)


def test_an_infusion_in_no_time_is_a_bolus_and_a_running_one_counts_as_far_as_it_has_come() -> None:
    short = level(two(), SINCE, AMOUNT, torch.full_like(SINCE, 1e-9))
    torch.testing.assert_close(short, level(two(), SINCE, AMOUNT), rtol=1e-7, atol=0)
    half = level(two(), number(3.0).view(1), number(4.0).view(1), number(6.0).view(1))
    so_far = level(two(), number(3.0).view(1), number(2.0).view(1), number(3.0).view(1))
    torch.testing.assert_close(half, so_far)


@pytest.mark.parametrize("ka", [0.2, 0.2 * (1 + 1e-9), 0.2 * 1.0005, 0.2 * 0.9995])
def test_absorption_as_fast_as_elimination_is_its_own_limit(ka: float) -> None:
    body = one()  # eliminated at 0.2
    found = level(absorbed(body, number(ka)), number(4.0).view(1), number(6.0).view(1))
    limit = 6.0 / 3.0 * 0.2 * 4.0 * np.exp(-0.2 * 4.0)
    assert float(found) == pytest.approx(limit, rel=2e-3)


def test_levels_have_exact_derivatives_under_vmap() -> None:
    def of(logs: Tensor) -> Tensor:
        body = absorbed(two_compartments(*logs[:4].exp()), logs[4].exp())
        return level(body, SINCE, AMOUNT, DURATION, torch.tensor([0.0, 0, 6, 0, 0], dtype=torch.float64)).log()

    logs = torch.tensor([1.0, -0.4, 2.0, 0.1, 0.3], dtype=torch.float64)
    assert torch.autograd.gradcheck(of, logs.clone().requires_grad_())
    batch = torch.stack([logs, logs + 0.1])
    each = torch.stack([torch.func.jacrev(of)(row) for row in batch])
    torch.testing.assert_close(torch.func.vmap(torch.func.jacfwd(of))(batch), each)
