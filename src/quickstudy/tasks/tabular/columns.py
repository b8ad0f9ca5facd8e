"""How a row of a table becomes numbers: C values, then C flags that say which of them are there.

Values are centred and scaled by the rows of a task's support, since nothing else is known of a new table, and cut off
at ``MOST`` standard deviations; a value that is missing is 0, and so is its flag. A column in which the support has
fewer than two values, or the same everywhere, is only centred.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks.base import Examples, Task

COLUMNS = 20
"""Columns that there is room for, unless more are asked for."""
MOST = 5.0


class Rows:
    """A family whose inputs are rows with room for ``columns`` columns."""

    columns: int


def rows(values: Tensor, here: Tensor) -> Tensor:
    """Values [..., C], of which ``here`` [..., C] are there, as rows [..., 2 C] that are not standardised yet."""
    return torch.cat([torch.where(here, values, 0.0), here.to(values.dtype)], -1)


def standardised(task: Task) -> Task:
    """``task`` with its rows [T, n, 2 C] in units of the support's spread."""
    values, here = task.support.x.chunk(2, -1)
    mean, spread = scale(values, here * task.support.mask.unsqueeze(-1))

    def changed(examples: Examples) -> Examples:
        values, here = examples.x.chunk(2, -1)
        return examples._replace(x=in_units(values, here, mean, spread))

    return task._replace(support=changed(task.support), query=changed(task.query))


def scale(values: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread [..., 1, C] of the values [..., n, C] that are ``seen`` (1 or 0); a spread of 0 is given as 1.

    Values may be as small or as large as their type allows, for they are looked at in units of the largest.
    """
    count = seen.sum(-2, keepdim=True).clamp(min=1)
    largest = (values.abs() * seen).amax(-2, keepdim=True)
    largest = torch.where(largest > 0, largest, 1.0)
    scaled = values / largest * seen
    mean = scaled.sum(-2, keepdim=True) / count
    spread = (((scaled - mean) * seen).square().sum(-2, keepdim=True) / count).sqrt()
    rounding = 1e-6 if values.dtype == torch.float32 else 1e-12
    return mean * largest, torch.where(spread > rounding * mean.abs(), spread * largest, 1.0)


def in_units(values: Tensor, here: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Rows [..., n, 2 C] of the values that are ``here`` (1 or 0), centred, scaled and cut off."""
    return torch.cat([((values - mean) / spread).clamp(-MOST, MOST) * here, here], -1)


def check_columns(family: str, columns: int) -> None:
    """UserError for a number of columns that makes no sense."""
    if not 1 <= columns <= 1000:
        raise UserError(f"{family}: columns is {columns}; a table can have 1 to 1000 of them.")
