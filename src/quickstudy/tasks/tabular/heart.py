"""Who has heart disease, from a few patients of a hospital that was never met: UCI Heart Disease, four hospitals of
Janosi, Steinbrunn, Pfisterer and Detrano (1988), CC BY 4.0.

A task is one hospital: some of its patients, healthy and sick, to learn from, and others to tell apart.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks.base import Predict, Spec, Split, Task, masked_mean
from quickstudy.tasks.places import find
from quickstudy.tasks.pool import Pool, PoolFamily
from quickstudy.tasks.tabular.columns import COLUMNS, Rows, check_columns, rows, standardised
from quickstudy.tasks.tabular.csv_table import numbers, read

FILE = "heart_disease/heart_disease_uci.csv"
HOSPITALS = ("Cleveland", "Hungary", "Switzerland", "VA Long Beach")
"""As the file calls them, and in the order of partitions."""
NOT_TOLD = ("id", "dataset", "num")
"""Columns that are no input: the patient's number, the hospital, and what is asked."""
LABELS = ("healthy", "sick")


class Hospitals(Pool):
    """Two classes a hospital, in the same order in every task, so that one model for all hospitals means something."""

    def choose_classes(self, key: Tensor, way: int) -> Tensor:
        return super().choose_classes(key, way).sort(-1).values


class Heart(Rows, PoolFamily):
    """Patients [2 ``columns``] of hospitals; ``partition`` 0 to 3 is the one to be tested on.

    The next hospital is for validation, the other two are trained on. Values are standardised by the task's support
    alone. There are two ways, healthy and sick; Switzerland has 8 healthy patients, so that little can be said of it.
    ``simulated`` needs no file: patients of four invented hospitals.

    Raises UserError where the data are not there, and for partitions that are none.
    """

    def __init__(self, *, partition: int = 0, columns: int = COLUMNS, simulated: bool = False) -> None:
        if not 0 <= partition < len(HOSPITALS):
            raise UserError(f"heart: partition is {partition}; it is the hospital to be tested on, 0 to 3.")
        check_columns("heart", columns)
        values, sick, place, fingerprint = invented() if simulated else recorded()
        if values.shape[-1] > columns:
            raise UserError(f"heart has {values.shape[-1]} columns, and there is room for {columns}.")
        values = torch.nn.functional.pad(values, (0, columns - values.shape[-1]), value=math.nan)
        turn = [(partition + step) % len(HOSPITALS) for step in range(len(HOSPITALS))]
        parts: dict[Split, list[int]] = {"train": turn[2:], "val": turn[1:2], "test": turn[:1]}
        pools: dict[Split, Callable[[], Pool]] = {
            split: partial(pool_of, values, sick, place, chosen) for split, chosen in parts.items()
        }
        name = "heart" + f":partition={partition}" * bool(partition) + f":columns={columns}" * (columns != COLUMNS)
        name += ":simulated=true" * simulated
        spec = Spec(
            name=name,
            kind="classification",
            shape=(2 * columns,),
            classes=2 * len(parts["train"]),
            ways=len(LABELS),
            shot_unit="patient of each kind",
            form="rows",
            fingerprint=fingerprint,
        )
        self.columns = columns
        super().__init__(spec, pools)

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] draws of patients, in standard units of their support; ``way`` has to be 2."""
        if way != 2:
            raise UserError(f"--way is {way}; patients of heart are healthy or sick, so it must be 2.")
        return standardised(super().sample(split, index, way=way, shot=shot, query=query, seed=seed))

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """``accuracy``, ``auroc``, ``log_loss`` and ``brier`` (squared error of the probability) over queries [T]."""
        logits = predict(task.query.x, task.query.mask)[0].double()
        sick, mask = task.query.y[..., 1] > 0, task.query.mask
        chance = logits.softmax(-1)
        right = (chance.argmax(-1) == task.query.y.argmax(-1)).double()
        told = torch.where(sick, chance[..., 1], chance[..., 0])
        return {
            "accuracy": masked_mean(right, mask),
            "auroc": auroc(logits[..., 1] - logits[..., 0], sick, mask),
            "log_loss": masked_mean(-told.clamp(min=1e-6).log(), mask),
            "brier": masked_mean((1 - told).square(), mask),
        }


def recorded() -> tuple[Tensor, Tensor, Tensor, str]:
    """Values [n, c] with NaN for gaps, who is sick [n], hospitals [n], and the hash of the file."""
    path = find(FILE)
    if not path.is_file():
        raise UserError(
            f"there is no {FILE} in the folder that QUICKSTUDY_DATA names. It is the table of UCI Heart Disease that "
            "Kaggle has as heart_disease_uci.csv (archive.ics.uci.edu/dataset/45); a table of your own is "
            "csv:path=FILE:target=COLUMN, and heart:simulated=true needs none."
        )
    header, cells = read(path)
    if missing := [name for name in NOT_TOLD if name not in header]:
        raise UserError(f"{path} has no column {missing[0]!r}; expected the table of all four hospitals.")
    used = [name for name in header if name not in NOT_TOLD]
    made = [numbers([line[header.index(name)] for line in cells], f"{path}, column {name}") for name in used]
    if odd := {line[header.index("dataset")] for line in cells} - {*HOSPITALS}:
        raise UserError(f"{path} has patients of {min(odd)!r}; expected those of {', '.join(HOSPITALS)}.")
    sick = torch.tensor([line[header.index("num")] not in ("0", "0.0") for line in cells])
    place = torch.tensor([HOSPITALS.index(line[header.index("dataset")]) for line in cells])
    return torch.stack(made, -1), sick, place, hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def invented(each: int = 150, columns: int = 13) -> tuple[Tensor, Tensor, Tensor, str]:
    """The same of hospitals whose patients differ in their means, and hardly in what makes them sick."""
    generator = torch.Generator().manual_seed(0)
    place = torch.arange(len(HOSPITALS)).repeat_interleave(each)
    x = torch.randn(len(place), columns, generator=generator) + torch.randn(4, columns, generator=generator)[place]
    common = torch.randn(columns, generator=generator)
    weights = common + 0.3 * torch.randn(4, columns, generator=generator)
    odds = (standard(x, place) * weights[place]).sum(-1)
    sick = torch.rand(len(place), generator=generator) < torch.sigmoid(odds)
    gap = torch.rand(x.shape, generator=generator) < 0.1
    return torch.where(gap, math.nan, x), sick, place, ""


def standard(x: Tensor, place: Tensor) -> Tensor:
    """``x`` [n, c] less the means of each one's ``place``."""
    means = torch.stack([x[place == one].mean(0) for one in range(len(HOSPITALS))])
    return x - means[place]


def pool_of(values: Tensor, sick: Tensor, place: Tensor, chosen: list[int]) -> Hospitals:
    """Patients of the ``chosen`` hospitals, sorted by hospital and kind; tasks are of one hospital each."""
    at = [torch.nonzero((place == one) & (sick == bool(kind)))[:, 0] for one in chosen for kind in (0, 1)]
    count = torch.tensor([len(some) for some in at])
    together = values[torch.cat(at)]
    return Hospitals(
        x=rows(together.nan_to_num(0.0), together.isfinite()),
        start=count.cumsum(0) - count,
        count=count,
        group=torch.arange(len(chosen)).repeat_interleave(2),
        names=tuple(f"heart/{HOSPITALS[one]}/{label}" for one in chosen for label in LABELS),
        narrow=1.0,
    )


def auroc(score: Tensor, positive: Tensor, mask: Tensor) -> Tensor:
    """[T] share of pairs, one ``positive`` and one not, whose first has the larger ``score`` [T, n]; ties half."""
    ahead = score.unsqueeze(-1) - score.unsqueeze(-2)
    pair = (positive & mask).unsqueeze(-1) & (~positive & mask).unsqueeze(-2)
    won = (ahead > 0).double() + 0.5 * (ahead == 0).double()
    return (won * pair).sum((-1, -2)) / pair.sum((-1, -2))
