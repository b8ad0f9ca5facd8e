"""Times as exports write them: ISO, day or month first, twelve hours, or milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from quickstudy.errors import UserError

DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y")
HOURS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
EPOCH = datetime(1970, 1, 1)


class Clock:
    """Reads all times of a file in the one way that fits them all."""

    def __init__(self, path: Path, times: Sequence[tuple[int, str]]) -> None:
        """``times``: line and text. Raises UserError, with the line, for a time that is none, and for dates that can
        be read with the day or with the month first."""
        self.minutes: list[float] = []
        """Since 1970, of each time; what a zone adds is left out, for bodies go by local time."""
        if not times:
            return
        if (made := [_iso(text) for _, text in times]) and all(value is not None for value in made):
            self.minutes = [value for value in made if value is not None]
            return
        ways = [f"{day} {hour}" for day in DAYS for hour in HOURS]
        fits = [way for way in ways if _parsed(times[0][1], way) is not None]
        read = {way: [_parsed(text, way) for _, text in times] for way in fits}
        whole = {way: [v for v in values if v is not None] for way, values in read.items() if None not in values}
        if not whole:
            self._refuse(path, times, list(read.values()))
        self.minutes, *others = sorted(whole.values(), key=_spans)
        if others and _spans(others[0]) == _spans(self.minutes) and others[0] != self.minutes:
            raise UserError(
                f"line {times[0][0]} of {path}: {times[0][1]!r} is one day with the day first and another with the "
                "month first. Write dates as 2026-11-26 08:05."
            )

    @staticmethod
    def _refuse(path: Path, times: Sequence[tuple[int, str]], read: list[list[float | None]]) -> None:
        bad = min((max(values.index(None) for values in read),) if read else (0,))
        line, text = times[bad]
        raise UserError(f"line {line} of {path}: {text!r} is no time as the others are. Expected 2026-11-26 08:05.")


def _iso(text: str) -> float | None:
    """Minutes since 1970 of ISO 8601, or of milliseconds or seconds since then."""
    if text.isdigit() and len(text) in (10, 13):
        return int(text) / (60 if len(text) == 10 else 60_000)
    try:
        return (datetime.fromisoformat(text).replace(tzinfo=None) - EPOCH).total_seconds() / 60
    except ValueError:
        return None


def _parsed(text: str, way: str) -> float | None:
    try:
        return (datetime.strptime(text, way) - EPOCH).total_seconds() / 60
    except ValueError:
        return None


def _spans(minutes: Sequence[float]) -> float:
    """Minutes from the first to the last: read the wrong way round, days become months."""
    return max(minutes) - min(minutes)
