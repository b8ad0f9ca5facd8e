"""How much the server takes."""

from __future__ import annotations

from dataclasses import dataclass, fields

from quickstudy.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is more than this is refused with a sentence."""

    body_mb: float = 8.0
    """Megabytes of one request."""
    file_mb: float = 64.0
    """Megabytes of a model's file that is imported."""
    picture_megapixels: float = 24.0
    """Pixels of one picture, in millions, before it is decoded."""
    inputs: int = 256
    """Examples, rows or pictures in one request."""
    columns: int = 1000
    """Columns of a row."""
    classes: int = 200
    """Labels of a model."""
    examples: int = 2000
    """Examples of a model."""
    models: int = 10_000
    """Models of a key."""
    requests_per_second: float = 500.0
    """Requests of a key each second, with twice as many at once."""
    label_characters: int = 200
    """Characters of a label, or of a word in a row."""
    estimate_examples: int = 500
    """Examples of a model whose learner has to adapt anew for an estimate."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 < (value := getattr(self, field.name)) < float("inf"):
                raise UserError(f"--{field.name.replace('_', '-')} is {value}; it must be more than 0.")
