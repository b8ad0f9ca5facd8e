"""Whether an entry's answer to a query depends on the other queries, which an inductive challenge does not allow.

The same task is asked again: first as it was (an entry that rolls dice answers otherwise, and nothing more can be
said), then each query alone, then any half of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from quickstudy.challenge.check import Block
from quickstudy.challenge.measure import Episode
from quickstudy.challenge.stranger import Stranger
from quickstudy.inner import batch
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples

Verdict = Literal["inductive", "uses neighbours", "answers no part", "rolls dice", "no answer"]
BROKEN: tuple[Verdict, ...] = ("uses neighbours", "answers no part")
"""What an inductive challenge does not allow."""
TASKS, ALONE = 2, 6
"""Tasks that are asked again, and queries of each that are asked alone."""
APART = 1e-3
"""Share of the largest answer by which rounding in a batch of another size may change it."""


def verdict(stranger: Stranger, block: Block, episodes: Sequence[Episode], seed: int) -> Verdict:
    """From the first of ``episodes``; the entry's answers are not scored."""
    for episode in episodes[:TASKS]:
        drawn = block.test.sample(
            "test",
            torch.tensor([episode.number]),
            way=episode.way,
            shot=episode.shot,
            query=block.tasks.query,
            seed=seed,
        )
        task = batch.take(drawn, 0)
        support, x = task.support, task.query.x[task.query.mask]
        every = torch.arange(len(x))
        before, again = answer(stranger, support, x, every), answer(stranger, support, x, every)
        if before is None or again is None:
            return "no answer"
        if differ(before, again):
            return "rolls dice"
        for part in parts(len(x), int(task.key)):
            found = answer(stranger, support, x, part)
            if found is None:
                return "no answer" if stranger.ended else "answers no part"
            if differ(before[part], found):
                return "uses neighbours"
    return "inductive"


def answer(stranger: Stranger, support: Examples, x: Tensor, part: Tensor) -> Tensor | None:
    """The last answer [part, ...] to those queries; None where there is none."""
    given = stranger.ask(support, x[part], support.y.shape[-1])
    return given[-1].prediction[0] if given else None


def differ(one: Tensor, other: Tensor) -> bool:
    """Whether two answers are more apart than rounding."""
    largest = float(torch.maximum(one.abs().max(), other.abs().max()))
    return bool((one - other).abs().max() > APART * max(largest, 1e-6))


def parts(count: int, key: int) -> Iterator[Tensor]:
    """Queries to be asked together: some alone, then one half of all, drawn from ``key``."""
    order = draw.order(torch.tensor(key), count, "neighbours")
    for number in order[:ALONE].tolist():
        yield torch.tensor([number])
    if count > 1:
        yield order[: (count + 1) // 2]
