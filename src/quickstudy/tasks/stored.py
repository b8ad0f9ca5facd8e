"""Pictures that are decoded once: kept in the cache whole, with a checksum, and read back only as they were written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from quickstudy.tasks.base import Split
from quickstudy.tasks.cached import once
from quickstudy.tasks.places import notice
from quickstudy.tasks.pool import Pool


@dataclass(frozen=True)
class Pictures:
    """Every picture of a data set in memory."""

    images: Tensor
    """[N, C, size, size] uint8, sorted by class."""
    counts: dict[str, int]
    """How many each class has, in the order of ``images``."""
    fingerprint: str
    """SHA-256 of the classes and of the pictures as they were found: the same at every size and on every machine."""


def stored(path: Path, what: str, version: str, make: Callable[[], Pictures]) -> Pictures:
    """What the cache holds at ``path``, else what ``make`` gives, which is cached there.

    One process makes it at a time. ``version`` is that of whoever decodes; another one in the file makes it anew.
    """

    def decode() -> Pictures:
        if path.exists():
            notice(f"{path} is damaged or of another version; decoding {what} anew.")
        return make()

    return once(path, what, partial(load, version=version), decode, lambda made, path: save(made, version, path))


def save(made: Pictures, version: str, path: Path) -> None:
    """Write ``made`` to the file ``path`` (OSError)."""
    counts = json.dumps(made.counts)
    checksum = _checksum(made.images, counts, made.fingerprint)
    notes = {"version": version, "counts": counts, "fingerprint": made.fingerprint, "sha256": checksum}
    save_file({"images": made.images}, path, notes)


def load(path: Path, version: str) -> Pictures | None:
    """What ``save`` wrote; None if it is absent, damaged or of another version."""
    try:
        with safe_open(path, framework="pt") as file:
            notes: dict[str, str] = file.metadata() or {}
            if notes.get("version") != version:
                return None
            images = file.get_tensor("images")
    except (OSError, SafetensorError):
        return None
    counts, fingerprint = notes.get("counts", ""), notes.get("fingerprint", "")
    if images.dtype != torch.uint8 or notes.get("sha256") != _checksum(images, counts, fingerprint):
        return None
    return Pictures(images, json.loads(counts), fingerprint)


def _checksum(images: Tensor, counts: str, fingerprint: str) -> str:
    digest = hashlib.sha256(f"{tuple(images.shape)}\n{counts}\n{fingerprint}\n".encode())
    digest.update(images.contiguous().numpy().data)
    return digest.hexdigest()


def pools(pictures: Pictures, splits: Mapping[Split, Iterable[str]], space: str) -> dict[Split, Callable[[], Pool]]:
    """The pool of each split's classes, which are called ``space/class``; all of them share the one tensor."""
    ends = dict(zip(pictures.counts, accumulate(pictures.counts.values()), strict=True))

    def pool(names: list[str]) -> Pool:
        count = torch.tensor([pictures.counts[name] for name in names])
        return Pool(
            x=pictures.images,
            start=torch.tensor([ends[name] for name in names]) - count,
            count=count,
            group=torch.zeros_like(count),
            names=tuple(f"{space}/{name}" for name in names),
        )

    return {split: partial(pool, list(names)) for split, names in splits.items()}


def fingerprint(pictures: Pictures, splits: Mapping[Split, Iterable[str]]) -> str:
    """Hash of the pictures and of which classes each split has."""
    listed = "".join(f"{split} {name}\n" for split, names in splits.items() for name in names)
    return hashlib.sha256((pictures.fingerprint + "\n" + listed).encode()).hexdigest()[:16]
