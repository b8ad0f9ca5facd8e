"""Batches of tasks: trees of tensors whose first axis numbers the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch.utils import _pytree as pytree

Tree = TypeVar("Tree")


def take(tree: Tree, number: int) -> Tree:
    """Task ``number`` of a batch."""
    taken: Tree = pytree.tree_map(lambda leaf: leaf[number], tree)
    return taken


def size(tree: Any) -> int:
    """Number of tasks in a batch."""
    return len(pytree.tree_leaves(tree)[0])


def stack(trees: Sequence[Tree]) -> Tree:
    """A batch of single tasks' values."""
    stacked: Tree = pytree.tree_map(lambda *leaves: torch.stack(leaves), *trees)
    return stacked
