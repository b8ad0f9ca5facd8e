"""Whether a row comes out again: the entry once more, on the same tasks, trained for as many steps.

    reproduced        every task has the score that it had, but for rounding
    within interval   the means differ by no more than the 95 % intervals that the row gives
    not reproduced    they differ by more

Training for a budget of seconds takes as many steps as a machine is fast, so a row says how many it took, and those are
taken again. Times are not compared: they are those of a machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import quickstudy
from quickstudy.challenge.check import opened
from quickstudy.challenge.entry import Entry
from quickstudy.challenge.home import digest
from quickstudy.challenge.measure import Say
from quickstudy.challenge.run import run
from quickstudy.challenge.suite import Suite
from quickstudy.errors import UserError

Verdict = Literal["reproduced", "within interval", "not reproduced"]
ROUNDING = 1e-3
"""By which a task's score may differ, relative to one that is more than 1."""
JUDGED = ("score", "area_by_examples")


class Verified(NamedTuple):
    """What came out."""

    verdict: Verdict
    why: str
    """The numbers by which it was found."""
    row: dict[str, Any]
    """The new row; of an evaluation, what its JSON has."""


def verify(row: Mapping[str, Any], suite: Suite, entry: Entry, say: Say) -> Verified:
    """Make a row again and compare. UserError where it is of another version or challenge."""
    check_version(row)
    if suite.hash != row["suite"]:
        raise UserError(f"the challenge {suite.name} is another by now ({suite.hash}, the row's {row['suite']}).")
    if row.get("files", "") not in ("", digest(entry.files)):
        raise UserError(f"the files of {entry.name} are others by now. Verify the row with those that it was made of.")
    fresh = run(suite, opened(suite), entry, row["seed"], say, like=row)
    pairs = list(zip(row["blocks"], fresh["blocks"], strict=True))
    if others := [old["tasks"] for old, new in pairs if old["manifest"] != new["manifest"]]:
        raise UserError(f"the tasks of {', '.join(others)} are others here. Fetch the data that the row was made from.")
    changed = sum(differing(old["scores"], new["scores"]) for old, new in pairs)
    return judged(row, fresh, changed, row["tasks"], JUDGED)


def check_version(row: Mapping[str, Any]) -> None:
    """UserError for a row that this version cannot make."""
    if row["version"] != quickstudy.__version__:
        raise UserError(
            f"it is of quickstudy {row['version']}, and this is {quickstudy.__version__}. Install that version and "
            f"verify it there."
        )


def judged(old: Mapping[str, Any], new: dict[str, Any], changed: int, tasks: int, names: Sequence[str]) -> Verified:
    """The verdict, of which ``changed`` tasks have another score."""
    if not changed:
        return Verified("reproduced", f"all {tasks:,} tasks have the scores that they had", new)
    why = f"{changed:,} of {tasks:,} tasks have another score; " + "; ".join(said(name, old, new) for name in names)
    within = all(is_within(old[name], new[name]) for name in names)
    return Verified("within interval" if within else "not reproduced", why, new)


def said(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """A mean then and now."""
    before, now = (one[name]["mean"] for one in (old, new))
    if before is None or now is None:
        return f"{name.replace('_', ' ')} {before} then, {now} now"
    width = old[name]["ci95"]
    interval = "" if width is None else f" ± {width:.4f}"
    return f"{name.replace('_', ' ')} {before:.4f}{interval} then, {now:.4f} now"


def is_within(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a mean is within the interval of the old one."""
    if old["mean"] is None or new["mean"] is None:
        return old["mean"] is new["mean"]
    return bool(abs(old["mean"] - new["mean"]) <= max(old["ci95"] or 0.0, ROUNDING))


def differing(old: Sequence[float | None], new: Sequence[float | None]) -> int:
    """Tasks whose scores are not the same."""
    return sum(not same(a, b) for a, b in zip(old, new, strict=True))


def same(old: float | None, new: float | None) -> bool:
    """But for rounding."""
    if old is None or new is None:
        return old is new
    return abs(old - new) <= ROUNDING * max(1.0, abs(old))
