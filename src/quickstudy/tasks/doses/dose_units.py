"""Numbers with units in the cells and headers of dose files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from quickstudy.errors import UserError, unknown

UNITS: dict[str, tuple[str, float]] = {
    "kg": ("mg", 1e6),
    "lb": ("mg", 453_592.37),
    "lbs": ("mg", 453_592.37),
    "oz": ("mg", 28_349.523125),
    "g": ("mg", 1e3),
    "mg": ("mg", 1.0),
    "ug": ("mg", 1e-3),
    "mcg": ("mg", 1e-3),
    "g/l": ("mg/L", 1e3),
    "mg/l": ("mg/L", 1.0),
    "mg/ml": ("mg/L", 1e3),
    "ug/ml": ("mg/L", 1.0),
    "mcg/ml": ("mg/L", 1.0),
    "ug/l": ("mg/L", 1e-3),
    "mcg/l": ("mg/L", 1e-3),
    "ng/ml": ("mg/L", 1e-3),
    "s": ("h", 1 / 3600),
    "sec": ("h", 1 / 3600),
    "min": ("h", 1 / 60),
    "minutes": ("h", 1 / 60),
    "h": ("h", 1.0),
    "hr": ("h", 1.0),
    "hours": ("h", 1.0),
    "d": ("h", 24.0),
    "days": ("h", 24.0),
    "weeks": ("h", 7 * 24.0),
    "months": ("h", 365.25 * 2),
    "y": ("h", 365.25 * 24),
    "yr": ("h", 365.25 * 24),
    "years": ("h", 365.25 * 24),
    "ml/min": ("mL/min", 1.0),
    "mg/100 dl": ("mg/100 dL", 1.0),
}
"""What units are in milligrams, litres and hours, in small letters."""
NUMBER = re.compile(r"([+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s.,:].*)?")
"""A number, with a point or a comma, and its unit."""
CLOCK = re.compile(r"(\d+):([0-5]\d)(?::([0-5]\d))?")
"""Hours and minutes."""


def amount(cell: str, name: str, usual: str, units: dict[str, str], where: str) -> float | None:
    """The number in a cell. The first cell's unit, the ``usual`` one if it has none, is that of the column."""
    text = cell.strip()
    if text in ("", "?", ".", "NA"):
        return None
    value, own = _parted(text, name)
    if value is None or not math.isfinite(value):
        raise UserError(f"{where}: the {name} is {cell!r}; expected a number, with its unit or without.")
    unit = units.setdefault(name, own or usual)
    if (own or unit) != unit:
        raise UserError(
            f"{where} gives the {name} in {own}, and lines before it, or the header, in {unit}. One column has one "
            "unit: convert the others."
        )
    return value


def _parted(text: str, name: str) -> tuple[float | None, str]:
    """The number and its unit; None for what is neither, or has a comma that may stand between thousands."""
    if name == "time" and (clock := CLOCK.fullmatch(text)):
        return int(clock[1]) + int(clock[2]) / 60 + int(clock[3] or 0) / 3600, "h"
    match = NUMBER.fullmatch(text)
    if match is None or re.search(r",\d{3}(?!\d)", match[1]):
        return None, ""
    return float(match[1].replace(",", ".")), match[2] or ""


def factor(name: str, said: str, own: str, where: str) -> float:
    """What one unit ``said`` of the column ``name`` is in ``own``; UserError where it is none."""
    plain = said.lower().replace("µ", "u").replace("μ", "u")
    base, its = UNITS[own.lower()]
    alike = [unit for unit, (other, _) in UNITS.items() if other == base]
    if plain not in UNITS:
        raise UserError(f"{where}: {unknown(f'unit of the {name}', said, alike)}")
    other, size = UNITS[plain]
    if other != base:
        raise UserError(f"{where}: the {name} is in {said}, which is no unit of it. Expected {own}, for example.")
    return size / its


def covariate(cell: str, name: str, own: str, units: Mapping[str, str], where: str) -> str:
    """A cell of what is known of a patient, with its number in the unit ``own`` and without its unit."""
    match = NUMBER.fullmatch(cell.strip())
    said = (match[2] if match else None) or units.get(name, own)
    if not own or (match is None and said == own):
        return cell.strip()
    size = factor(name, said, own, where)
    value = _parted(cell.strip(), name)[0] if match else None
    if match is None or value is None:
        return cell.strip()
    return str(value * size) if size != 1 else match[1].replace(",", ".")
