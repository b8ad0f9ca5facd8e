"""Motions of every body, once: trajectories under torques of many kinds, a table that windows are read from.

Torques of a trajectory are, in turn, white noise, pink and Brownian noise, and sines of one common frequency with a
little noise, each with an amplitude of its own; so bodies shiver, stretch and roll over. In some trajectories the body
runs as well as its own simulation tells it to, with noise (``sim/pilot.py``).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from quickstudy.sim import torques
from quickstudy.sim.noise import coloured, parts
from quickstudy.sim.pilot import run
from quickstudy.sim.torques import JOINTS, Herd
from quickstudy.tasks import draw
from quickstudy.tasks.cached import fingerprint, tensors, version
from quickstudy.tasks.places import cache_folder, progress
from quickstudy.tasks.robots.conditions import Conditions
from quickstudy.tasks.robots.damages import Count

VERSION = "1"
AT_ONCE = 8
"""Bodies that move at a time."""
RHYTHM = (0.5, 4.0)
"""Hertz."""
AMPLITUDE = (0.3, 1.2)
"""Of torques, which end at 1."""
UNSTEADY = 0.2
"""Deviation of the noise of a pilot."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is simulated."""

    count: Count
    trajectories: int
    """Of each body."""
    piloted: int
    """How many of them are piloted, the others' torques being random."""
    steps: int
    """Of each trajectory."""


USUAL = Size(count=Count(intact=72, damaged=6, outside=8), trajectories=16, piloted=2, steps=120)
SMALL = Size(count=Count(intact=12, damaged=1, outside=1), trajectories=4, piloted=1, steps=60)


@dataclass(frozen=True, kw_only=True)
class Motions:
    """Trajectories of all bodies."""

    states: Tensor
    """[C, N, steps + 1, 17]."""
    actions: Tensor
    """[C, N, steps, 6]."""
    good: Tensor
    """[C, N] numbers of the trajectories that did not blow up, those of a body first."""
    count: Tensor
    """[C] how many these are."""

    @property
    def blew_up(self) -> int:
        """Trajectories that ended in numbers that are none, and are left out."""
        return int(self.good.numel() - self.count.sum())

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.states, self.actions)


def motions(found: Conditions, size: Size, small: bool) -> Motions:
    """From the cache, or simulated."""
    known = version(VERSION, str(asdict(size)), str(found), torques.motors().stamp)
    path = cache_folder() / "dynamics" / f"cheetah{'-small' * small}.safetensors"
    kept = tensors(path, "motions of the cheetah", known, lambda: simulated(found, size))
    return listed(kept["states"], kept["actions"], kept["broken"])


def listed(states: Tensor, actions: Tensor, broken: Tensor) -> Motions:
    """With the trajectories that are not ``broken`` [C, N] first."""
    return Motions(
        states=states, actions=actions, good=broken.int().argsort(dim=-1, stable=True), count=(~broken).sum(-1)
    )


def simulated(found: Conditions, size: Size) -> dict[str, Tensor]:
    """The tensors of a table, by minutes of simulation."""
    orders = drawn_torques(len(found.all), size)
    made = []
    with progress("simulating motions of the cheetah, once; it takes minutes", len(found.all)) as on:
        for at in range(0, len(found.all), AT_ONCE):
            made.append(_of(found, orders[at : at + AT_ONCE], size.piloted, at))
            on(len(made[-1][0]))
    states, broken = (torch.cat(part) for part in zip(*made, strict=True))
    return {"states": states, "actions": orders, "broken": broken}


def _of(found: Conditions, orders: Tensor, piloted: int, first: int) -> tuple[Tensor, Tensor]:
    """States [bodies, N, steps + 1, 17], and who of them blew up [bodies, N]; pilots write down what they did."""
    bodies, each = orders.shape[:2]
    herd = Herd(found.all[first : first + bodies])
    which = torch.arange(bodies).unsqueeze(-1).expand(-1, each)
    start = herd.start([draw.salt("start", first, number) for number in range(bodies * each)]).reshape(bodies, each, -1)
    random, made = each - piloted, []
    if random:
        some = orders[:, :random].flatten(0, 1).double().numpy()
        made.append(herd.move(start[:, :random].reshape(len(some), -1), some, which[:, :random].flatten().tolist()))
    if piloted:
        generator = torch.Generator().manual_seed(first)
        noise = UNSTEADY * torch.randn(bodies * piloted, *orders.shape[2:], generator=generator)
        begin = start[:, random:].reshape(len(noise), -1)
        made.append(run(herd, begin, which[:, random:].flatten().tolist(), noise, generator))
        orders[:, random:] = noise.unflatten(0, (bodies, piloted))
    states, broken = (
        torch.cat([torch.from_numpy(part[at]).unflatten(0, (bodies, -1)) for part in made], 1) for at in (0, 1)
    )
    return states.float(), broken


def drawn_torques(bodies: int, size: Size, joints: int = len(JOINTS)) -> Tensor:
    """[bodies, N, steps, joints] from -1 to 1."""
    generator = torch.Generator().manual_seed(0)
    each = (bodies, size.trajectories)
    white = (torch.randn(*each, joints, parts(size.steps), 2, generator=generator) for _ in range(3))
    noise = [coloured(one, size.steps, colour) for one, colour in zip(white, (0.0, 1.0, 2.0), strict=True)]
    frequency, *late = torch.rand(1 + joints, *each, generator=generator)
    seconds = torques.SECONDS * torch.arange(size.steps)
    turn = 2 * math.pi * (RHYTHM[0] + (RHYTHM[1] - RHYTHM[0]) * frequency[..., None, None]) * seconds
    rhythm = torch.sin(turn + 2 * math.pi * torch.stack(late, -1).unsqueeze(-1)) + 0.2 * noise[0]
    strong = AMPLITUDE[0] + (AMPLITUDE[1] - AMPLITUDE[0]) * torch.rand(*each, joints, 1, generator=generator)
    kind = torch.arange(size.trajectories) % 4
    found = strong * torch.stack([*noise, rhythm])[kind, :, torch.arange(size.trajectories)].transpose(0, 1)
    return found.transpose(-1, -2).clamp(-1, 1).contiguous()
