"""Pictures of a task family that go through a frozen backbone once, and not once an episode.

The features are an input of the backbone as the pictures are, so a learner sees no difference. They are kept in the
cache, and found again by what decides them: the pictures, their classes and size, and the checksum of the net.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from quickstudy.learners.base import Learner
from quickstudy.nets.frozen import Frozen, frozen
from quickstudy.tasks.base import Split, TaskFamily
from quickstudy.tasks.places import cache_folder, lock, notice, progress, replace_file
from quickstudy.tasks.pool import Pool, PoolFamily

TOGETHER = 64
"""Pictures between two steps of the progress bar."""


def embedded(learner: Learner, family: TaskFamily) -> TaskFamily:
    """``family`` with features in place of pictures where ``learner`` has a frozen backbone; else ``family`` itself.

    That is also where pictures are drawn anew in each episode, as by augmentation.
    """
    net = frozen(learner)
    if net is None or not isinstance(family, PoolFamily) or type(family).sample is not PoolFamily.sample:
        return family
    made: dict[Split, Callable[[], Pool]] = {split: partial(_pool, family, split, net) for split in family.splits}
    return PoolFamily(family.spec, made)


def _pool(family: PoolFamily, split: Split, net: Frozen) -> Pool:
    """The pool of ``split`` with features [N, f] of its own pictures alone."""
    pool = family.pool(split)
    if pool.x.dim() == 2:
        return pool
    parts = zip(pool.start.tolist(), pool.count.tolist(), strict=True)
    rows = torch.cat([torch.arange(start, start + count) for start, count in parts])
    features = _stored(_place(family, split, pool, net), lambda: _features(pool.x, rows, net, split))
    return replace(pool, x=features, start=pool.count.cumsum(0) - pool.count)


@torch.no_grad()
def _features(images: Tensor, rows: Tensor, net: Frozen, split: Split) -> Tensor:
    """[N, f] of the rows ``rows`` [N] of ``images``, uint8 or light."""
    made = torch.empty(len(rows), net.features)
    device = net.checksum.device
    with progress(f"Features of the {len(rows)} pictures of {split}, once", len(rows)) as advance:
        for at in range(0, len(rows), TOGETHER):
            x = images[rows[at : at + TOGETHER]].to(device)
            x = x.to(torch.float32).mul_(1 / 255) if x.dtype == torch.uint8 else x
            made[at : at + TOGETHER] = net.embed(x).cpu()
            advance(len(x))
    return made


def _place(family: PoolFamily, split: Split, pool: Pool, net: Frozen) -> Path | None:
    """Where the features are kept; None for a family that does not say which data are behind it."""
    if not family.spec.fingerprint:
        return None
    of = hashlib.sha256(bytes(net.checksum.tolist()))
    of.update(f"{type(net).__name__} {family.spec.fingerprint} {family.spec.shape} {split}\n".encode())
    of.update("\n".join(pool.names).encode())
    return cache_folder() / "features" / f"{of.hexdigest()[:32]}.safetensors"


def _stored(path: Path | None, make: Callable[[], Tensor]) -> Tensor:
    """The tensor in the file ``path``, else what ``make`` gives, which is put there."""
    if path is None:
        return make()
    with lock(path.with_suffix(".lock")):
        try:
            with safe_open(path, framework="pt") as file:
                known: Tensor = file.get_tensor("features")
                return known
        except (OSError, SafetensorError):
            made = make()
        try:
            replace_file(path, partial(save_file, {"features": made}))
        except (OSError, SafetensorError) as error:
            notice(f"features cannot be kept in {path.parent} ({error}); the next start makes them again.")
        return made
