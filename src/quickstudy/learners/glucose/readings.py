"""A support that is read several times, its columns and the numbers of its classes in other orders each time.

    log p(y | x, S) = 1/R sum_r log p(n_r(y) | c_r(x), c_r(S) with classes n_r) + const

As the ensemble of TabPFN (Hollmann et al. 2023). What is learnt in context depends on these orders; training draws new
ones for every task, and the mean over a few depends on them less.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, only_present, present
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Form

COLUMNS, PLACES, PRESENT = "readings.columns", "readings.places", "readings.present"


def read(adapt: Callable[[Examples], Adapted], support: Examples, count: int, most: int, form: Form) -> Adapted:
    """What ``adapt`` finds in ``count`` readings, [count] in front of each, and in what orders they were.

    It is given y [n, most], with room for more classes than there are. The first reading is in the order that things
    stand in.
    """
    columns, numbers = orders(support, count, most, form)
    y = F.pad(support.y, (0, most - support.y.shape[-1]))

    def one(columns: Tensor, numbers: Tensor) -> Adapted:
        return adapt(support._replace(x=_ordered(support.x, columns), y=y[:, numbers]))

    places = {COLUMNS: columns, PLACES: numbers.argsort(-1), PRESENT: present(support)}
    return vmap(one)(columns, numbers) | places


def answer(predict: Callable[[Adapted, Tensor], Tensor], adapted: Adapted, x: Tensor) -> Tensor:
    """Logits [m, way]: the mean of what ``predict`` (logits [m, most]) says by each reading."""
    own = {name: value for name, value in adapted.items() if not name.startswith("readings.")}

    def one(own: Adapted, columns: Tensor, places: Tensor) -> Tensor:
        return predict(own, _ordered(x, columns)).log_softmax(-1)[:, places]

    said = vmap(one)(own, adapted[COLUMNS], adapted[PLACES]).mean(0)
    here = adapted[PRESENT]
    return only_present(said[:, : len(here)], here)


def orders(support: Examples, count: int, most: int, form: Form) -> tuple[Tensor, Tensor]:
    """Where the columns [count, p or 0] and the classes [count, most] of each reading are in ``support``.

    Columns without a value in the support stay behind all others, where those are that a table does not have.
    """
    key = draw.keys(torch.arange(count, device=support.x.device), "readings")
    first = (torch.arange(count, device=key.device) == 0).unsqueeze(-1)
    numbers = draw.order(key, most, "classes")
    numbers = torch.where(first, torch.arange(most, device=key.device), numbers)
    if form != "rows":
        return key.new_zeros(count, 0), numbers
    size = support.x.shape[-1] // 2
    seen = ((support.x[:, size:] > 0) & support.mask.unsqueeze(-1)).any(0)
    columns = draw.order(key, size, "columns", allowed=seen)
    columns = torch.where(first, torch.arange(size, device=key.device), columns)
    return torch.cat([columns, columns + size], -1), numbers


def _ordered(x: Tensor, columns: Tensor) -> Tensor:
    """``x`` [n, ...] with its ``columns``, where it has any."""
    return x[:, columns] if columns.shape[-1] else x
