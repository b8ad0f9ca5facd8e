"""Gaussian processes over the gaits of a library: from scratch, on the average map, or with what tasks have in common.

    y_o(x) = m_o(x) + sum over r of w_r L_or(x) + g_o(x) + e_o(x)
    w ~ N(0, v I),   g_o ~ GP(0, v s_o^2 k),   e_o(x) ~ N(0, v t_o^2),   k Matern 5/2 with one length l
    v ~ inverse gamma of n degrees and mean near 1

learner      m               L
===========  ==============  ===========================================================================
scratchgp    0               none
averagemap   average map     none, and no g: nothing is taken from the support
mapgp        average map     none: Cully, Clune, Tarapore, Mouret (2015), "Robots that can adapt like animals"
taskgp       average map     the first principal components of training tasks over all gaits and outcomes together

The average map is the mean of training tasks at each gait. With L what is felt of one gait says something of all
outcomes of all others: the covariance between gaits is that of the training tasks. e is what a gait has for its own: a
gait that is tried again feels the same. v is how much a task differs from the average at all, which its first strides
tell (a Student-t process: Shah, Wilson, Ghahramani 2014, "Student-t Processes as Alternatives to Gaussian Processes");
answers are given as normal, with that variance.

s, t, l and n are chosen in ``prepare``: of a grid, what makes the speed of other gaits most probable in training tasks,
given a few strides. The tasks that it is tried on have no part in its map, and are unlike those that have. A gait that
is not in the library is taken for one near it that is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from quickstudy.errors import UserError
from quickstudy.learners.base import Adapted, Gaussian, Learner, Traits, squared_distance
from quickstudy.learners.coupled import identity
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Spec, WholeTasks

PLACES = 2048
"""Gaits that there is room for."""
RANK = 40
SHOTS = (3, 10)
"""Strides that choose between settings: the mean over both."""
ASKED = 64
"""Gaits that are asked about then."""
FOLDS = 4
KINDS = 12
"""Components by which tasks are alike or not."""
GRID = {"length": (2.0, 4.0, 8.0), "share": (0.3, 0.9), "noise": (0.3, 1.0, 3.0), "degrees": (4.0, 100.0)}
"""Length l; share of what L leaves that is g, not e; times the size of what is left; degrees n."""
LEAST = 1e-3
"""Variance of two strides of one gait, in standard units."""
LINES, NEAR = 3, 3
"""Lines along which near gaits are looked for, and how many on either side."""


class Known(NamedTuple):
    """What is known before the first stride."""

    mean: Tensor
    """[G, d] m."""
    load: Tensor
    """[G, d, rank] L."""
    kernel: Tensor
    """[d] s^2."""
    noise: Tensor
    """[d] t^2."""
    length: Tensor
    """[] l."""
    degrees: Tensor
    """[] n."""


@dataclass(frozen=True, kw_only=True)
class MapConfig:
    """Gaussian process over a library of gaits."""


@dataclass(frozen=True, kw_only=True)
class TaskMapConfig(MapConfig):
    """The same with what tasks have in common."""

    rank: int = RANK
    """Principal components of training tasks that are kept."""


class TaskGP(Learner):
    """What tasks have in common at every gait is the prior of a Gaussian process."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",), forms=("gaits",))
    Config: ClassVar[type[Any]] = TaskMapConfig
    averages: ClassVar[bool] = True
    adapts: ClassVar[bool] = True

    def __init__(self, spec: Spec, config: MapConfig) -> None:
        super().__init__(spec, config)
        outputs, self.rank = spec.outputs, config.rank if isinstance(config, TaskMapConfig) else 0
        if self.rank < 0:
            raise UserError(f"--rank is {self.rank}; expected 0 or more components.")
        self.register_buffer("places", torch.zeros(PLACES, math.prod(spec.shape)))
        self.register_buffer("there", torch.zeros(PLACES, dtype=torch.bool))
        self.register_buffer("mean", torch.zeros(PLACES, outputs))
        self.register_buffer("load", torch.zeros(PLACES, outputs, self.rank))
        self.register_buffer("kernel", torch.ones(outputs))
        self.register_buffer("noise", torch.ones(outputs))
        self.register_buffer("length", torch.ones(()))
        self.register_buffer("degrees", torch.full((), 100.0))

    def prepare(self, tasks: WholeTasks) -> None:
        """Average map, components and settings, of training tasks that all have the same gaits."""
        whole = list(tasks)
        places = whole[0].x.flatten(1)
        if any(one.x.shape != whole[0].x.shape or not torch.equal(one.x, whole[0].x) for one in whole):
            raise UserError(f"{self.spec.name} has tasks of unlike gaits; maps need one library for all.")
        if len(places) > PLACES:
            raise UserError(f"{self.spec.name} has {len(places)} gaits; maps have room for {PLACES}.")
        y = torch.stack([one.y for one in whole])
        found = self._settled(places, y)
        self.get_buffer("there").copy_(torch.arange(PLACES) < len(places))
        for name, value in {"places": places, "mean": found.mean, "load": found.load}.items():
            self.get_buffer(name).zero_()[: len(places)] = value
        for name in ("kernel", "noise", "length", "degrees"):
            self.get_buffer(name).copy_(getattr(found, name))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """The support's gaits and places, and the factorised covariance of all that was felt."""
        given = support if self.adapts else support._replace(mask=torch.zeros_like(support.mask))
        return believe(self._known(), self._at(support.x), given)

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Gaussian:
        """Mean and std [n, d] for ``x`` [n, numbers]."""
        return expect(self._known(), self._at(x), x.flatten(1), adapted)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Nothing is learnt by steps."""
        return {"shot": 5, "query": 10, "tasks_per_step": 1, "steps": 0}

    def _known(self) -> Known:
        return Known(*(self.get_buffer(name) for name in Known._fields))

    def _at(self, x: Tensor) -> Tensor:
        """[n] places of the library's gaits that ``x`` are, or that are near to them.

        Looked for among those that are next to them on some straight lines: all distances would be millions.
        """
        x, places = torch.nan_to_num(x.flatten(1)), self.get_buffer("places").to(x.dtype)
        lines = draw.normal(torch.arange(x.shape[1], device=x.device), LINES, "lines").to(x.dtype)
        beside = torch.arange(-NEAR, NEAR, device=x.device)
        beside_them = []
        for line in lines.unbind(1):
            along = torch.where(self.get_buffer("there"), places @ line, torch.finfo(x.dtype).max)
            ordered, order = along.sort()
            found = torch.searchsorted(ordered, x @ line).unsqueeze(-1) + beside
            beside_them.append(order[found.clamp(0, PLACES - 1)])
        near = torch.cat(beside_them, -1)
        far = (places[near] - x.unsqueeze(1)).square().sum(-1)
        far = torch.where(self.get_buffer("there")[near], far, torch.finfo(x.dtype).max)
        return near.gather(-1, far.argmin(-1, keepdim=True)).squeeze(-1)

    def _settled(self, places: Tensor, y: Tensor) -> Known:
        """Of all settings the one with the most probable answers, with all tasks in its map."""
        tries = list(self._tries(places, y))
        chosen = min(tries, key=lambda tried: tried[0])[1] if tries else (1.0, 0.0, 1.0, 1e6)
        return with_settings(*self._map(y), *chosen)

    def _map(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """m [G, d], L [G, d, rank] and the variance [d] that both leave, of tasks ``y`` [C, G, d]."""
        mean = y.mean(0) if self.averages else torch.zeros_like(y[0])
        rest = (y - mean).flatten(1)
        if self.rank == 0:
            return mean, mean.new_zeros(*mean.shape, 0), rest.unflatten(1, mean.shape).square().mean((0, 1))
        rank = min(self.rank, len(y) - 1)
        _, size, right = torch.linalg.svd(rest.double(), full_matrices=False)
        load = (right[:rank].T * size[:rank] / len(y) ** 0.5).float().unflatten(0, mean.shape)
        load = torch.nn.functional.pad(load, (0, self.rank - rank))
        # what other tasks' components leave of a task, which its own would hide
        half = torch.arange(len(y)) % 2 == 0
        other = torch.linalg.svd(rest[half].double(), full_matrices=False)[2][:rank].float()
        gone = rest[~half] - rest[~half] @ other.T @ other
        return mean, load, gone.unflatten(1, mean.shape).square().mean((0, 1))

    def _tries(self, places: Tensor, y: Tensor) -> Iterator[tuple[float, tuple[float, ...]]]:
        """Error and setting, for every setting of the grid that means anything here."""
        if not self.adapts or len(y) < 2 * FOLDS:
            return
        folds = unlike(y)
        maps = [self._map(y[~fold]) for fold in folds]
        for setting in product(*GRID.values()):
            found = [tried(with_settings(*maps[at], *setting), places, y[fold]) for at, fold in enumerate(folds)]
            yield float(torch.stack([one.mean() for one in found]).mean()), setting  # each fold counts alike


class MapGP(TaskGP):
    """A Gaussian process on the average map."""

    Config: ClassVar[type[Any]] = MapConfig


class ScratchGP(MapGP):
    """A Gaussian process that knows nothing but how smooth outcomes are."""

    averages = False


class AverageMap(MapGP):
    """What training tasks felt on average, whatever the support."""

    adapts = False


def unlike(y: Tensor) -> list[Tensor]:
    """Folds [C] bool of tasks ``y`` [C, G, d], each of tasks that are like one another and unlike the others.

    Tasks to come are unlike those of training. Folds are the clusters of k-means on whitened principal components, so
    that a rare difference counts as much as one that all have; the first centres are tasks far from one another.
    """
    rest = (y - y.mean(0)).flatten(1)
    size, along = torch.linalg.eigh((rest @ rest.T).double())
    white = along[:, size.argsort(descending=True)[:KINDS]]
    centres = white[white.square().sum(1).argmax()].unsqueeze(0)
    while len(centres) < 2 * FOLDS:
        centres = torch.cat([centres, white[torch.cdist(white, centres).amin(1).argmax()].unsqueeze(0)])
    for _ in range(20):
        nearest = torch.cdist(white, centres).argmin(1)
        folds = [nearest == fold for fold in range(len(centres))]
        centres = torch.stack([white[fold].mean(0) if fold.any() else centres[at] for at, fold in enumerate(folds)])
    return [fold for fold in folds if fold.any() and (~fold).sum() > FOLDS]


def with_settings(
    mean: Tensor, load: Tensor, rest: Tensor, length: float, share: float, noise: float, degrees: float
) -> Known:
    """Map and settings together; ``rest`` [d] is the variance that the map leaves."""
    kernel = noise * share * rest
    own = noise * (1 - share) * rest
    return Known(mean, load, kernel, own, mean.new_tensor(length), mean.new_tensor(degrees))


def tried(known: Known, places: Tensor, y: Tensor) -> Tensor:
    """[shots x C] negative log-likelihood of the first outcome of other gaits, of tasks ``y`` [C, G, d]."""
    order = draw.order(torch.arange(len(y), device=y.device), len(places), "map")
    asked = order[:, -min(ASKED, len(places) // 2) :]

    def one(support: Examples, at: Tensor, asked: Tensor, y: Tensor) -> Tensor:
        found = expect(known, asked, places[asked], believe(known, at, support))
        return Gaussian(found.mean[:, :1], found.std[:, :1]).nll(y[:, :1]).mean()

    task = torch.arange(len(y), device=y.device).unsqueeze(1)
    rows = []
    for shot in SHOTS:
        at = order[:, : min(shot, len(places) // 2)]
        support = Examples(places[at], y[task, at], torch.ones(at.shape, dtype=torch.bool, device=at.device))
        rows.append(vmap(one)(support, at, asked, y[task, asked]))
    return torch.cat(rows)


def believe(known: Known, at: Tensor, support: Examples) -> Adapted:
    """Posterior after ``support``, whose gaits are at places ``at`` [K] of the library.

    Given w the outcomes are apart: ``factor`` [d, K, K] of the covariance of each, and what follows from it; ``common``
    [rank] is the mean of w, ``root`` [rank, rank] the factor of its precision, ``size`` is v.
    """
    mask = support.mask
    x = torch.where(mask.unsqueeze(-1), support.x.flatten(1), 0)
    alike = covariance(known, x, x, at, at) * (mask.unsqueeze(-1) & mask)
    factor, _ = torch.linalg.cholesky_ex(alike + torch.where(mask, LEAST, 1.0).to(x.dtype).diag())
    rest = torch.where(mask.unsqueeze(-1), support.y - known.mean[at], 0).T.unsqueeze(-1)
    load = torch.where(mask.view(-1, 1, 1), known.load[at].to(x.dtype), 0).transpose(0, 1)
    white_rest = torch.linalg.solve_triangular(factor, rest, upper=False)
    white_load = torch.linalg.solve_triangular(factor, load, upper=False)
    precision = identity(load.shape[-1], x) + (white_load.mT @ white_load).sum(0)
    root, _ = torch.linalg.cholesky_ex(precision)
    pull = (white_load.mT @ white_rest).sum(0)
    common = torch.cholesky_solve(pull, root)
    surprise = white_rest.square().sum() - (pull * common).sum()
    size = (known.degrees + surprise) / (known.degrees + mask.sum() * len(factor))
    own = torch.linalg.solve_triangular(factor.mT, white_rest - white_load @ common, upper=True)
    state = {"x": x, "at": at, "mask": mask, "factor": factor, "load": white_load, "root": root}
    return state | {"common": common.squeeze(-1), "own": own.squeeze(-1), "size": size}


def expect(known: Known, at: Tensor, x: Tensor, state: Adapted) -> Gaussian:
    """Mean and std [n, d] of gaits ``x`` [n, numbers] at places ``at`` [n] of the library."""
    cross = covariance(known, state["x"], torch.nan_to_num(x), state["at"], at) * state["mask"].unsqueeze(-1)
    load = known.load[at].to(x.dtype)
    mean = known.mean[at] + load @ state["common"] + (cross * state["own"].unsqueeze(-1)).sum(1).T
    white = torch.linalg.solve_triangular(state["factor"], cross, upper=False)
    left = load.permute(1, 2, 0) - state["load"].mT @ white
    wide = torch.linalg.solve_triangular(state["root"], left.transpose(0, 1).flatten(1), upper=False)
    before = (known.kernel + known.noise).unsqueeze(-1)
    variance = before - white.square().sum(1) + wide.square().sum(0).view(len(before), -1)
    return Gaussian(mean, (state["size"] * (variance.clamp(min=0).T + LEAST)).sqrt())


def covariance(known: Known, a: Tensor, b: Tensor, at: Tensor, other: Tensor) -> Tensor:
    """[d, n, m] of g and e between gaits ``a`` [n, numbers] and ``b`` [m, numbers], at places ``at`` and ``other``."""
    same = (at.unsqueeze(-1) == other).to(a.dtype)
    return known.kernel.view(-1, 1, 1) * matern(a, b, known.length) + known.noise.view(-1, 1, 1) * same


def matern(a: Tensor, b: Tensor, length: Tensor) -> Tensor:
    """[n, m] Matern 5/2 of ``a`` [n, p] and ``b`` [m, p]."""
    far = (5 * squared_distance(a, b).clamp(min=0)).sqrt() / length
    return (1 + far + far.square() / 3) * torch.exp(-far)
