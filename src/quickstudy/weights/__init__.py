"""Weights that come with the package: run folders beside this file, with README.md as their card."""

from __future__ import annotations

from pathlib import Path

BUNDLED = {
    "characters": "drawn characters of any alphabet, one example of each and more",
    "tables": "small tables of numbers and words, with gaps: up to 64 columns and 20 classes",
    "photos": "photographs of anything, on a frozen net of ImageNet (extra: photos)",
}


def bundled(name: str) -> Path | None:
    """The run folder of that name; None where there is none."""
    return Path(__file__).parent / name if name in BUNDLED else None
