"""Planners that try many sequences of actions in a model, and take the first action of what came out best.

iCEM. Pinneri, Sawant, Blaes, Achterhold, Stueckler, Rolínek, Martius (2020), "Sample-efficient Cross-Entropy Method for
Real-time Planning": some rounds of

    u_n = clip(m + s * noise of colour b),   m, s <- those of the best u, with some of the old ones

with fewer tries each round, some of the best of the round before among them, and at the last also m. What was best is
moved on by one step for the next plan. The first action of the best sequence is taken.

MPPI. Williams, Drews, Goldfain, Rehg, Theodorou (2017), "Information Theoretic MPC for Model-Based Reinforcement
Learning": m <- sum_n w_n u_n, w_n = softmax(worth of u_n / temperature), whose first action is taken. Effort is left to
the worth.

Plans of several bodies are made together, each hashed from a key of its own, so that none depends on its neighbours.
Shape suffixes: B bodies, N sequences, H steps, a numbers of an action from -1 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.settings import checked
from quickstudy.sim.noise import coloured, parts
from quickstudy.tasks import draw
from quickstudy.tasks.base import check_counts

Worth = Callable[[Tensor, Tensor], Tensor]
"""(states [B, s], sequences [B, N, H, a]) -> what each is worth [B, N], the more the better."""
LOST = -1e30
"""Worth of a sequence whose own is no finite number."""
LEAST_SPREAD = 1e-3


@dataclass(frozen=True, kw_only=True)
class Planning:
    """How to plan."""

    method: Literal["icem", "mppi"] = "icem"
    """icem takes the best sequence of several rounds, mppi the weighted mean of each round."""
    horizon: int = 15
    """Steps that are looked ahead."""
    samples: int = 64
    """Sequences that are tried in the first round."""
    rounds: int = 3
    """Rounds of tries."""
    elites: int = 8
    """How many count as the best (icem)."""
    kept: float = 0.3
    """Share of the best that are tried again, in the next round and in the next plan (icem)."""
    decay: float = 1.25
    """Each round has so many times fewer tries (icem)."""
    inertia: float = 0.1
    """Share of the old mean and spread in the new ones (icem)."""
    colour: float = 0.25
    """Exponent of the noise: 0 is white, 2 slow."""
    spread: float = 0.5
    """Deviation of the noise in the first round."""
    temperature: float = 0.5
    """How much worse a sequence may be and still count, in units of worth (mppi)."""


class Memory(NamedTuple):
    """What one plan leaves to the next, both [B, ..., H, a] of sequences that begin now."""

    mean: Tensor
    best: Tensor
    """[B, kept, H, a]; none of mppi."""


class Plan(NamedTuple):
    """What to do now."""

    action: Tensor
    """[B, a]."""
    worth: Tensor
    """[B] of the sequence that it is the first of."""
    memory: Memory


def plan(how: Planning, worth: Worth, states: Tensor, key: Tensor, actions: int, memory: Memory | None = None) -> Plan:
    """For ``states`` [B, s], with ``key`` [B] int64 for the noise of this step, and so many numbers of an ``action``.

    ``memory`` is what the last plan left. A sequence whose worth is no finite number is never chosen over another.
    Raises UserError for settings that make no plan.
    """
    check(how)
    memory = memory or Memory(
        states.new_zeros(len(states), how.horizon, actions), states.new_zeros(len(states), 0, how.horizon, actions)
    )
    return (_icem if how.method == "icem" else _mppi)(how, worth, states, key, memory)


def _icem(how: Planning, worth: Worth, states: Tensor, key: Tensor, memory: Memory) -> Plan:
    mean, best = memory
    spread = torch.full_like(mean, how.spread)
    value = mean.new_zeros(len(mean), 0)
    for number in range(how.rounds):
        count = max(round(how.samples / how.decay**number), 2 * how.elites)
        tried = _drawn(how, mean, spread, count, key, number)
        if number == how.rounds - 1:
            tried = torch.cat([tried, mean.unsqueeze(1)], 1)
        tried = torch.cat([tried, best[:, : _kept(how)]], 1)
        value = _worth(worth, states, tried)
        order = value.topk(how.elites, 1)
        value, best = order.values, _rows(tried, order.indices)
        mean = how.inertia * mean + (1 - how.inertia) * best.mean(1)
        spread = (how.inertia * spread + (1 - how.inertia) * best.std(1, correction=0)).clamp(min=LEAST_SPREAD)
    return Plan(best[:, 0, 0], value[:, 0], Memory(_later(mean), _later(best[:, : _kept(how)])))


def _mppi(how: Planning, worth: Worth, states: Tensor, key: Tensor, memory: Memory) -> Plan:
    mean = memory.mean
    for number in range(how.rounds):
        tried = _drawn(how, mean, torch.full_like(mean, how.spread), how.samples, key, number)
        tried = torch.cat([tried, mean.unsqueeze(1)], 1)
        weight = torch.softmax(_worth(worth, states, tried) / how.temperature, 1)
        mean = torch.einsum("bn,bnha->bha", weight, tried).clamp(-1, 1)  # which a rounding error can leave
    value = _worth(worth, states, mean.unsqueeze(1))[:, 0]
    return Plan(mean[:, 0], value, Memory(_later(mean), memory.best))


def _drawn(how: Planning, mean: Tensor, spread: Tensor, count: int, key: Tensor, number: int) -> Tensor:
    """[B, count, H, a] around ``mean`` [B, H, a]."""
    bodies, horizon, actions = mean.shape
    size = (count, actions, parts(horizon), 2)
    white = draw.normal(key, count * actions * parts(horizon) * 2, f"round {number}").view(bodies, *size)
    noise = coloured(white.to(mean), horizon, how.colour).transpose(-1, -2)
    return (mean.unsqueeze(1) + spread.unsqueeze(1) * noise).clamp(-1, 1)


def _worth(worth: Worth, states: Tensor, tried: Tensor) -> Tensor:
    found = worth(states, tried)
    return torch.where(found.isfinite(), found, LOST)


def _rows(tried: Tensor, which: Tensor) -> Tensor:
    """[B, k, H, a] of ``tried`` [B, N, H, a]."""
    return tried[torch.arange(len(tried), device=tried.device).unsqueeze(-1), which]


def _later(sequences: Tensor) -> Tensor:
    """[..., H, a] of sequences that begin a step later and end with their last action once more."""
    return torch.cat([sequences[..., 1:, :], sequences[..., -1:, :]], -2)


def _kept(how: Planning) -> int:
    return round(how.kept * how.elites)


def by_steps(step: Callable[[Tensor, Tensor], Tensor], reward: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Worth:
    """The sum of rewards in a model of single steps.

    ``step`` takes states [B, N, s] and actions [B, N, a] to the next states, ``reward`` (states, actions, next states)
    to [B, N].
    """

    def worth(states: Tensor, sequences: Tensor) -> Tensor:
        now = states.unsqueeze(1).expand(-1, sequences.shape[1], -1)
        total = now.new_zeros(now.shape[:2])
        for action in sequences.unbind(2):
            after = step(now, action)
            total, now = total + reward(now, action, after), after
        return total

    return worth


def check(how: Planning) -> None:
    """UserError for settings that make no plan."""
    checked(how)
    check_counts(horizon=how.horizon, samples=how.samples, rounds=how.rounds, elites=how.elites)
    if how.elites > how.samples:
        raise UserError(f"--elites is {how.elites}; it must be at most --samples, {how.samples}.")
    if not (0 <= how.kept <= 1 and 0 <= how.inertia < 1):
        raise UserError(f"--kept is {how.kept} and --inertia {how.inertia}; expected shares from 0 to 1.")
    if not (how.spread > 0 and how.temperature > 0 and how.decay >= 1):
        raise UserError(
            f"--spread is {how.spread}, --temperature {how.temperature} and --decay {how.decay}; expected the first "
            "two above 0 and the last at least 1."
        )
