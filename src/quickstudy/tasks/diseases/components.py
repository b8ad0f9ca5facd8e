"""Diseases that share a gene or a paper stay together: what is known of one is known of the other.

The connected components are dealt, large ones first and otherwise in random order, each to the smallest of ten groups.
Partition p tests groups 3 p, 3 p + 1 and 3 p + 2 (modulo ten), validates on the next and trains on the other six, so
that over ten partitions each disease is tested three times; from partition 10 on they are dealt anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from quickstudy.tasks import draw
from quickstudy.tasks.base import Split

GROUPS = 10
TESTED = 3


def components(ties: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Connected components of names that share one of their ``ties``, all in alphabetical order."""
    leader: dict[str, str] = {}

    def top(node: str) -> str:
        leader.setdefault(node, node)
        while leader[node] != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    for name, tied in ties.items():
        for tie in tied:
            leader[top(f"tie {tie}")] = top(f"name {name}")
    found: dict[str, list[str]] = {}
    for name in sorted(ties):
        found.setdefault(top(f"name {name}"), []).append(name)
    return sorted(found.values())


def groups(parts: Sequence[list[str]], deal: int) -> list[list[str]]:
    """Ten groups of about equally many names; no component is taken apart."""
    dealt: list[list[str]] = [[] for _ in range(GROUPS)]
    for part in sorted(parts, key=lambda part: (-len(part), draw.salt("components", deal, *part))):
        min(dealt, key=len).extend(part)
    return [sorted(group) for group in dealt]


def splits(ties: Mapping[str, Iterable[str]], partition: int) -> dict[Split, list[str]]:
    """Names of each split in partition number ``partition``."""
    dealt = groups(components(ties), partition // GROUPS)
    first = TESTED * partition % GROUPS
    turned = dealt[first:] + dealt[:first]
    return {
        "train": sorted(chain(*turned[TESTED + 1 :])),
        "val": turned[TESTED],
        "test": sorted(chain(*turned[:TESTED])),
    }
