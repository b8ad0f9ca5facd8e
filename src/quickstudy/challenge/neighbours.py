"""Whether an entry's answer to a query depends on the other queries, which an inductive challenge does not allow.

Some tasks that were scored are asked again: twice as they were, then each query alone, then any half of them. Of an
entry that gives one answer to one question

    uses neighbours     any answer to a part is another than that to the whole
    changes its mind    many answers are others than those that were scored: who looks around when a task is new, and
                        no more when it is asked again, is found by that

Of one that rolls dice those differences must not be larger in the mean than those between two askings, by a permutation
test, nor many of them ten times the largest of those. Who keeps every answer and gives it again is not found out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from quickstudy.challenge.check import Block
from quickstudy.challenge.measure import Episode, drawn
from quickstudy.challenge.stranger import Stranger
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples

Verdict = Literal["inductive", "uses neighbours", "changes its mind", "answers no part", "rolls dice", "no answer"]
BROKEN: dict[Verdict, str] = {
    "uses neighbours": "its answers depend on the other queries",
    "changes its mind": "it answers otherwise when a task that it knows is asked again",
    "answers no part": "it answers all queries of a task together, and none alone",
}
"""What an inductive challenge does not allow, in words."""
TASKS, ALONE = 3, 6
"""Tasks that are asked again, and queries of each that are asked alone."""
APART = 1e-3
"""Share of the largest answer by which rounding in a batch of another size may change it."""
CHANGED, MANY = 0.1, 0.1
"""Share of the largest answer from which a later one is another, and share of queries that are many of such: a net that
adapts by other kernels than before, in float32, comes out somewhere near."""
FAR = 10.0
"""Times the largest difference by dice, from which a difference is none by dice."""
PERMUTATIONS, CHANCE = 10_000, 1e-3


def verdict(
    stranger: Stranger, block: Block, episodes: Sequence[Episode], scored: Sequence[Tensor | None], seed: int
) -> Verdict:
    """From some of ``episodes``, to which the entry answered ``scored`` [queries, ...]; what it says now counts no
    more."""
    later, twice, alone = [], [], []
    for number, before in chosen(scored, seed):
        task = drawn(block, episodes[number], seed)
        support, x = task.support, task.query.x[task.query.mask]
        every = torch.arange(len(x))
        again, once_more = answer(stranger, support, x, every), answer(stranger, support, x, every)
        if again is None or once_more is None:
            return "no answer"
        later.append(apart(before, again))
        twice.append(apart(again, once_more))
        for part in parts(len(x), int(task.key)):
            found = answer(stranger, support, x, part)
            if found is None:
                return "no answer" if stranger.ended else "answers no part"
            alone.append(apart(again[part], found))
    return weighed(torch.cat(later), torch.cat(twice), torch.cat(alone)) if later else "no answer"


def weighed(later: Tensor, twice: Tensor, alone: Tensor) -> Verdict:
    """From how far answers are apart: that scored and that given later, two later ones, that to all and to a part."""
    if float(twice.max()) <= APART:
        if float(alone.max()) > APART:
            return "uses neighbours"
        return "changes its mind" if float((later > CHANGED).double().mean()) > MANY else "inductive"
    if larger(alone, twice):
        return "uses neighbours"
    return "changes its mind" if larger(later, twice) else "rolls dice"


def larger(some: Tensor, others: Tensor) -> bool:
    """Whether the mean of ``some`` is larger than that of ``others``, and not by chance, or many are far off."""
    if float((some > FAR * others.max()).double().mean()) > MANY:
        return True
    every = torch.cat([some, others]).double()
    orders = torch.rand(PERMUTATIONS, len(every), generator=torch.Generator().manual_seed(0)).argsort(-1)
    means = every[orders[:, : len(some)]].mean(-1)
    return float((means >= some.double().mean()).double().mean()) < CHANCE


def chosen(scored: Sequence[Tensor | None], seed: int) -> list[tuple[int, Tensor]]:
    """Tasks that were answered, with what, some of them, which ``seed`` says."""
    answered = [(number, given) for number, given in enumerate(scored) if given is not None]
    order = draw.order(torch.tensor(seed), len(answered), "asked again") if answered else torch.zeros(0)
    return [answered[int(at)] for at in order[:TASKS]]


def answer(stranger: Stranger, support: Examples, x: Tensor, part: Tensor) -> Tensor | None:
    """The last answer [part, ...] to those queries; None where there is none."""
    given = stranger.ask(support, x[part], support.y.shape[-1])
    return given[-1].prediction[0] if given else None


def apart(one: Tensor, other: Tensor) -> Tensor:
    """[queries] differences of two answers [queries, ...], as shares of the largest number in them."""
    largest = float(torch.maximum(one.abs().max(), other.abs().max()))
    return (one - other).abs().flatten(1).amax(-1) / max(largest, 1e-6)


def parts(count: int, key: int) -> Iterator[Tensor]:
    """Queries to be asked together: some alone, then one half of all, drawn from ``key``."""
    order = draw.order(torch.tensor(key), count, "neighbours")
    for number in order[:ALONE].tolist():
        yield torch.tensor([number])
    if count > 1:
        yield order[: (count + 1) // 2]
