"""Simulated people with diabetes, their days, and who of them is trained on: made once and kept in the cache.

There are 30 founders, a third of them children and a third adolescents: the published virtual patients, where
QUICKSTUDY_DATA has their numbers, else drawn ones. Each has kin, whose numbers are off by half of what people of a
group differ by, and distant kin, who are off by all of it and only ever trained on: 21 founders alone are too few to
tell what a body can be like. Founders and kin stay on one side of every split, and are one unit: what is learnt of one
is no news of another.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.sim.glucose import FREE
from quickstudy.sim.glucose_patients import GROUPS, drawn, people, varied
from quickstudy.tasks import cached, draw
from quickstudy.tasks.base import SPLITS, Split
from quickstudy.tasks.glucose.lives import Records, live
from quickstudy.tasks.places import cache_folder, data_folder, notice

FILE = "pk/simglucose_vpatient_params.csv"
VERSION = "2"
"""Of what is in the cache: a change of the simulator or of how people live makes it anew."""
KIN, DISTANT = 0.5, 1.0
"""How much kin of one founder differ, as a share of how much people of a group do."""
FOLDS = 5


@dataclass(frozen=True)
class Founders:
    """Those whom all others are like; equally many of each of ``GROUPS``, one group after the other."""

    free: dict[str, Tensor]
    names: tuple[str, ...]
    fingerprint: str


def founders(each: int, simulated: bool) -> Founders:
    """The published ones if they are there and ``simulated`` is not asked for, else ``each`` drawn of every group."""
    folder = None if simulated else data_folder()
    if folder is not None and (folder / FILE).is_file():
        return published(folder / FILE)
    if not simulated:
        notice(f"QUICKSTUDY_DATA has no {FILE}: people are drawn from a distribution that was fitted to it.")
    group = torch.arange(len(GROUPS)).repeat_interleave(each)
    key = draw.keys(torch.arange(len(group)), "glucose", "founders")
    names = tuple(f"drawn/{GROUPS[at // each]}#{at % each + 1:03d}" for at in range(len(group)))
    return Founders(drawn(group, draw.normal(key, len(FREE), "numbers")), names, f"drawn{each}")


def published(path: Path) -> Founders:
    """Those of a table with a row for each patient, ``Name`` being child#001, ...; UserError for any other table."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text ({error}). Put the original file there.") from error
    rows = list(csv.DictReader(text.splitlines()))
    if missing := [name for name in ("Name", *FREE) if not rows or name not in rows[0]]:
        raise UserError(f"{path} has no column {missing[0]}. Expected the virtual patients of the simulator.")
    values: dict[str, list[float]] = {name: [] for name in FREE}
    rows.sort(key=lambda row: (_group(row["Name"]), row["Name"]))
    for row in rows:
        for name in FREE:
            try:
                number = float(row[name])
            except (TypeError, ValueError):
                number = 0.0
            if not 0 < number < 1e6:
                raise UserError(f"{path}, patient {row['Name']}: {name} is {row[name]!r}; expected a positive number.")
            values[name].append(number)
    sizes = [sum(_group(row["Name"]) == group for row in rows) for group in range(len(GROUPS) + 1)]
    if sizes[-1] or len(set(sizes[:-1])) > 1 or sizes[0] < FOLDS:
        raise UserError(f"{path} has {dict(zip((*GROUPS, 'other'), sizes, strict=True))}; expected as many of each.")
    free = {name: torch.tensor(column, dtype=torch.float64) for name, column in values.items()}
    names = tuple(f"published/{row['Name']}" for row in rows)
    return Founders(free, names, hashlib.sha256(text.encode()).hexdigest()[:16])


def _group(name: str) -> int:
    kind = name.partition("#")[0]
    return GROUPS.index(kind) if kind in GROUPS else len(GROUPS)


def divided(founders: int, partition: int) -> dict[Split, Tensor]:
    """Which founders each split has, in ``partition``: a fifth is tested, equally many of each group.

    Partitions 0 to 4 test everybody once, and so do 5 to 9 in another order, and so on. One in ten validates.
    """
    each = founders // len(GROUPS)
    key = draw.keys(torch.arange(len(GROUPS)), "glucose", "partition", partition // FOLDS)
    order = draw.order(key, each, "order") + each * torch.arange(len(GROUPS)).unsqueeze(-1)
    order = order.roll(-(partition % FOLDS) * (each // FOLDS), 1)
    test = each // FOLDS
    val = max(test // 2, 1)
    parts = {"test": order[:, :test], "val": order[:, test : test + val], "train": order[:, test + val :]}
    return {split: parts[split].flatten().sort().values for split in SPLITS}


def records(made: Founders, kin: int, distant: int, days: int) -> Records:
    """``days`` of ``kin`` and ``distant`` people for each founder, one founder's after the other's.

    The first of the kin is the founder. They come from the cache if they are there.
    """
    path = cache_folder() / "glucose" / f"{made.fingerprint}-{kin}-{distant}-{days}.safetensors"
    what = "the record of simulated people"
    return Records(**cached.tensors(path, what, VERSION, lambda: _simulated(made, kin, distant, days)._asdict()))


def _simulated(made: Founders, kin: int, distant: int, days: int) -> Records:
    each = kin + distant
    if (count := len(made.names) * each) * days > 1000:
        notice(f"simulating {days} days of {count} people, which is kept in the cache ...")
    key = draw.keys(torch.arange(len(made.names) * each), "glucose", "people")
    share = torch.tensor([0.0] + [KIN] * (kin - 1) + [DISTANT] * distant).repeat(len(made.names))
    free = {name: value.repeat_interleave(each) for name, value in made.free.items()}
    return live(people(varied(free, draw.normal(key, len(FREE), "numbers") * share.unsqueeze(-1))), key, days)
