"""Planners against what is known to be best: linear systems with quadratic costs, whose optimum is Riccati's."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from quickstudy.control import planner
from quickstudy.control.planner import Memory, Planning, Worth, by_steps, plan
from quickstudy.errors import UserError
from quickstudy.sim.noise import coloured, parts
from quickstudy.tasks import draw

HORIZON = 6
DT = 0.2
DOUBLE = torch.tensor([[1.0, DT], [0.0, 1.0]]), torch.tensor([[0.5 * DT**2], [DT]])
"""A mass that is pushed: place and speed."""
SPRING = (
    torch.tensor([[0.95, 0.2, 0.0], [-0.3, 0.9, 0.1], [0.0, -0.1, 0.85]]),
    torch.tensor([[0.1, 0.0], [0.3, 0.1], [0.0, 0.4]]),
)
SYSTEMS = {"double integrator": DOUBLE, "three states, two inputs": SPRING}
EFFORT = 1.0
THOROUGH = {
    "icem": Planning(method="icem", horizon=HORIZON, samples=300, rounds=10, elites=20, decay=1.0),
    "mppi": Planning(method="mppi", horizon=HORIZON, samples=4000, rounds=15, spread=0.2, temperature=0.02, colour=0.0),
}


def worth_of(a: Tensor, b: Tensor) -> Worth:
    """Minus the sum of squares of the states to come, and of the inputs."""

    def reward(states: Tensor, actions: Tensor, after: Tensor) -> Tensor:
        return -after.square().sum(-1) - EFFORT * actions.square().sum(-1)

    return by_steps(lambda states, actions: states @ a.T + actions @ b.T, reward)


def riccati(a: Tensor, b: Tensor, horizon: int) -> tuple[Tensor, Tensor]:
    """Gain of the first step and cost matrix of the best sequence of so many inputs."""
    a, b = a.double(), b.double()
    cost, gain = torch.zeros_like(a), torch.zeros_like(b.T)
    one = torch.eye(len(a), dtype=torch.float64)
    for _ in range(horizon):
        ahead = cost + one  # the state after a step is paid for
        gain = torch.linalg.solve(
            EFFORT * torch.eye(b.shape[1], dtype=torch.float64) + b.T @ ahead @ b, b.T @ ahead @ a
        )
        cost = a.T @ ahead @ (a - b @ gain)
    return gain, cost


def key(count: int) -> Tensor:
    return draw.keys(torch.arange(count), "test")


@pytest.mark.parametrize("method", THOROUGH)
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_plan_is_nearly_as_good_as_the_best_there_is(method: str, system: str) -> None:
    a, b = SYSTEMS[system]
    states = 0.2 * torch.randn(20, len(a), generator=torch.Generator().manual_seed(0))
    gain, cost = riccati(a, b, HORIZON)
    best = -torch.einsum("bi,ij,bj->b", states.double(), cost, states.double())
    found = plan(THOROUGH[method], worth_of(a, b), states, key(20), b.shape[1])
    assert (found.worth.double() <= best + 1e-5).all()  # nothing is better than the best
    assert (found.worth.double() >= 1.05 * best - 0.005).all()
    right = -(states.double() @ gain.T)
    assert right.abs().max() < 1  # the bounds do not matter here
    assert (found.action - right).abs().mean() < 0.15 * right.abs().mean() + 0.02


@pytest.mark.parametrize("method", ["icem", "mppi"])
def test_a_mass_is_brought_to_rest_nearly_as_cheaply_as_by_riccati(method: str) -> None:
    a, b = DOUBLE
    usual = {
        "icem": Planning(horizon=12, spread=0.2),
        "mppi": Planning(method="mppi", horizon=12, samples=500, spread=0.1, temperature=0.01, rounds=5),
    }
    gain, _ = riccati(a, b, 60)
    start = torch.tensor([[0.4, 0.0], [-0.3, 0.2], [0.0, 0.4]])
    best = costs(a, b, start, lambda states, number: -(states @ gain.float().T))
    memory: Memory | None = None

    def planned(states: Tensor, number: int) -> Tensor:
        nonlocal memory
        found = plan(usual[method], worth_of(a, b), states, draw.mix(key(3) + number), 1, memory)
        memory = found.memory
        return found.action

    mine = costs(a, b, start, planned)
    assert (mine >= best - 1e-4).all()
    assert (mine <= 1.1 * best).all()


def costs(a: Tensor, b: Tensor, states: Tensor, policy: Callable[[Tensor, int], Tensor]) -> Tensor:
    """[B] of 40 steps."""
    total = torch.zeros(len(states))
    for number in range(40):
        action = policy(states, number)
        states = states @ a.T + action @ b.T
        total += states.square().sum(-1) + EFFORT * action.square().sum(-1)
    return total


@pytest.mark.parametrize("method", ["icem", "mppi"])
def test_bounds_are_kept_and_a_far_goal_is_gone_to_at_full_force(method: str) -> None:
    a, b = DOUBLE
    seen: list[Tensor] = []
    worth = worth_of(a, b)

    def noted(states: Tensor, sequences: Tensor) -> Tensor:
        seen.append(sequences)
        return worth(states, sequences)

    found = plan(THOROUGH[method], noted, torch.tensor([[50.0, 0.0]]), key(1), 1)
    assert max(float(sequences.abs().max()) for sequences in seen) <= 1
    assert found.action.item() < -0.7


def test_a_body_is_planned_for_alike_whoever_is_beside_it() -> None:
    a, b = DOUBLE
    states = torch.randn(4, 2, generator=torch.Generator().manual_seed(1))
    for how in (Planning(horizon=5), Planning(method="mppi", horizon=5)):
        all_of_them = plan(how, worth_of(a, b), states, key(4), 1)
        alone = plan(how, worth_of(a, b), states[2:3], key(4)[2:3], 1)
        torch.testing.assert_close(all_of_them.action[2:3], alone.action)
        torch.testing.assert_close(all_of_them.memory.mean[2:3], alone.memory.mean)


@pytest.mark.parametrize("method", ["icem", "mppi"])
def test_sequences_that_are_worth_no_number_are_not_chosen(method: str) -> None:
    """A model that blows up wherever the first action is positive."""

    def worth(states: Tensor, sequences: Tensor) -> Tensor:
        first = sequences[:, :, 0, 0]
        return torch.where(first > 0, math.nan, -(first + 0.2).square())

    how = Planning(method=method, horizon=3, temperature=0.01)  # type: ignore[arg-type]
    found = plan(how, worth, torch.zeros(2, 1), key(2), 1)
    assert found.action.isfinite().all()
    assert (found.action < 0).all()
    nothing = plan(
        how, lambda states, sequences: torch.full(sequences.shape[:2], math.inf), torch.zeros(2, 1), key(2), 1
    )
    assert nothing.action.isfinite().all()


def test_what_was_best_is_tried_again_a_step_later() -> None:
    how = Planning(horizon=4, samples=16, rounds=1, elites=4, kept=0.5)
    seen: list[Tensor] = []

    def worth(states: Tensor, sequences: Tensor) -> Tensor:
        seen.append(sequences)
        return sequences.sum((-1, -2))

    first = plan(how, worth, torch.zeros(1, 1), key(1), 2)
    best = seen[0][0, seen[0].sum((-1, -2))[0].topk(2).indices]
    expected = torch.cat([best[:, 1:], best[:, -1:]], 1)
    torch.testing.assert_close(first.memory.best[0], expected)
    plan(how, worth, torch.zeros(1, 1), key(1) + 1, 2, first.memory)
    torch.testing.assert_close(seen[1][0, -2:], expected)
    torch.testing.assert_close(seen[1][0, -3], first.memory.mean[0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"samples": 0}, "--samples is 0"),
        ({"elites": 9, "samples": 8}, "--elites is 9"),
        ({"kept": 2.0}, "--kept is 2.0"),
        ({"spread": 0.0}, "--spread is 0.0"),
        ({"method": "cem"}, "--method"),
    ],
)
def test_settings_that_make_no_plan_are_refused(settings: dict[str, float | str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        planner.check(Planning(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [1, 2, 7, 12])
@pytest.mark.parametrize("exponent", [0.0, 0.25, 2.0])
def test_noise_has_the_variance_and_the_colour_that_it_should(steps: int, exponent: float) -> None:
    white = torch.randn(40_000, parts(steps), 2, generator=torch.Generator().manual_seed(0))
    series = coloured(white, steps, exponent)
    assert series.shape == (40_000, steps)
    torch.testing.assert_close(series.var(0), torch.ones(steps), atol=0.05, rtol=0)
    if steps > 2:
        power = torch.fft.rfft(series).abs().square().mean(0)[1 : (steps + 1) // 2]
        ratio = power[-1] / power[0]
        assert ratio == pytest.approx(len(power) ** -exponent, rel=0.08)
