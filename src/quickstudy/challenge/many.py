"""All rows of a challenge: which learners can take part, which rows are there already, and the making of one.

A row is made by ``run.run``, wherever that happens: in this process, in others, or on another machine. What goes there
is a ``Job``, which has the whole suite in it, so that nobody there needs its file.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import quickstudy
from quickstudy import learners
from quickstudy.challenge import measure
from quickstudy.challenge.check import Block, opened
from quickstudy.challenge.entry import Entry, enter
from quickstudy.challenge.home import digest
from quickstudy.challenge.rank import VersionError, check_version
from quickstudy.challenge.run import FORMAT, run
from quickstudy.challenge.suite import Suite
from quickstudy.errors import UserError
from quickstudy.tasks.base import Spec


@dataclass(frozen=True, kw_only=True)
class Job:
    """A row to be made."""

    suite: Suite
    entry: str
    """A learner of the registry, or what else ``enter`` takes."""
    seed: int
    version: str = quickstudy.__version__
    """That of whoever asks: rows of two versions are not the same."""


class Made(NamedTuple):
    """What became of a job."""

    entry: str
    row: dict[str, Any] | None
    why: str = ""
    """Why there is no row."""


Crew = Callable[[Sequence[Job], measure.Say], Iterator[Made]]
"""Who makes rows: gives them as they come, in any order."""


def able(blocks: Sequence[Block], names: Sequence[str] = ()) -> tuple[list[str], dict[str, str]]:
    """Those of ``names``, by default of the whole registry, that do some of the tasks; of the others, why not."""
    fit, unfit = [], {}
    specs = [block.test.spec for block in blocks]
    for name in dict.fromkeys(names or learners.LEARNERS):
        reasons = [why for spec in specs if (why := unable(name, spec))]
        if len(reasons) < len(specs):
            fit.append(name)
        else:
            unfit[name] = "; ".join(dict.fromkeys(reasons))
    return fit, unfit


def unable(name: str, spec: Spec) -> str:
    """Why the learner ``name`` cannot do tasks of ``spec``; empty where it can."""
    traits = learners.learner_class(name).traits
    if traits.forms is not None and spec.form not in traits.forms:
        return f"it is made for {' or '.join(traits.forms)}"
    if not traits.takes(spec):
        return f"it does {' and '.join(traits.kinds)} alone"
    try:  # some say only then what they cannot do: pre-training on classes without end, for one
        learners.build(name, spec, learners.configure(name, {}), 0)
    except UserError as error:
        return str(error).partition(". ")[0].rstrip(".")
    return ""


def there(
    path: Path, suite: str, seed: int, manifests: Sequence[str] = (), files: Sequence[Path] = ()
) -> dict[str, Any] | None:
    """The row in a file, if it is of the same challenge, seed, and ``files`` of the entry, and, where ``manifests`` say
    which, episodes and version. VersionError where a newer version made it, for that is not to be written over;
    one of an older scale is made again."""
    try:
        row: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if row["format"] < FORMAT:
            return None
        check_version(path, row)
        same = (row["suite"], row["seed"], row.get("files", "")) == (suite, seed, digest(files))
        if manifests:
            same &= row["version"] == quickstudy.__version__
            same &= [block["manifest"] for block in row["blocks"]] == list(manifests)
    except VersionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return row if same else None


def check_name(path: Path, entry: Entry) -> None:
    """UserError where the row in a file is of somebody else who is called the same."""
    try:
        words = shlex.split(json.loads(path.read_text("utf-8"))["command"])[4:-2]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if words != [*entry.words]:
        raise UserError(
            f"{path} is the row of another entry, {shlex.join(words)}. Call this one something else with --name, or "
            f"replace that one with --again."
        )


def manifests(blocks: Sequence[Block], seed: int) -> list[str]:
    """The hash of each block's episodes as this version draws them."""
    return [measure.joined(measure.scale_of(one, measure.plan(one, seed), seed)[1].manifests) for one in blocks]


def make(job: Job, say: measure.Say) -> Made:
    """The row of a job. What is wrong with one entry is said, so that the others go on."""
    try:
        if job.version != quickstudy.__version__:
            raise UserError(f"it is quickstudy {quickstudy.__version__} there, and {job.version} here. Install one.")
        return Made(job.entry, run(job.suite, opened(job.suite), enter(job.entry), job.seed, say))
    except UserError as error:
        return Made(job.entry, None, str(error))


def made_there(job: Job) -> Made:
    """In a process of a crew, which tells its own error stream."""
    return make(job, lambda line: print(line, file=sys.stderr, flush=True))


def one_by_one(jobs: Sequence[Job], say: measure.Say) -> Iterator[Made]:
    """In this process."""
    for job in jobs:
        yield make(job, say)
