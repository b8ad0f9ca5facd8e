"""Two few-shot benchmarks on the pictures of CIFAR-100.

CIFAR-FS: Bertinetto, Henriques, Torr, Vedaldi (2019), "Meta-learning with differentiable closed-form solvers", ICLR.
FC100: Oreshkin, Rodriguez, Lacoste (2018), "TADAM: Task dependent adaptive metric for improved few-shot learning",
NeurIPS.
"""

from __future__ import annotations

from quickstudy.tasks.base import SPLITS
from quickstudy.tasks.pool import PoolFamily
from quickstudy.tasks.stored import pools
from quickstudy.tasks.vision import cifar_files
from quickstudy.tasks.vision.cifar_files import SIDE, Row
from quickstudy.tasks.vision.images import Classes, check_size, spec_of


class Cifar100(PoolFamily):
    """Pictures x [n, 3, size, size] in [0, 1] of 100 classes, 600 each, divided as ``benchmark`` does.

    The data are found in the folder QUICKSTUDY_DATA, then in the cache, then downloaded (169 MB). Raises UserError for
    a size out of its range, and for data that are not to be had, damaged or foreign.
    """

    def __init__(self, benchmark: str, size: int) -> None:
        check_size(benchmark, size)
        splits = divided(benchmark)
        made = cifar_files.pictures(size)
        name = benchmark + f":size={size}" * (size != SIDE)
        super().__init__(spec_of(name, made, splits), pools(made, splits, "cifar100"))


def divided(benchmark: str) -> Classes:
    """The classes of each split of ``cifar_fs`` or ``fc100``."""
    at = Row._fields.index(benchmark)
    return {split: [row.name for row in cifar_files.classes() if row[at] == split] for split in SPLITS}


class CifarFS(Cifar100):
    """CIFAR-FS: 64 classes train, 16 val, 20 test, drawn from all superclasses; see ``Cifar100``."""

    def __init__(self, *, size: int = SIDE) -> None:
        super().__init__("cifar_fs", size)


class FC100(Cifar100):
    """FC100: 12 superclasses (60 classes) train, 4 (20) val, 4 (20) test, which is harder; see ``Cifar100``."""

    def __init__(self, *, size: int = SIDE) -> None:
        super().__init__("fc100", size)
