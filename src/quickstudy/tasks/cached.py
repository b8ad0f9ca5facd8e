"""What takes long to make and is made once: kept in the cache, by one process at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from quickstudy.tasks.places import lock, notice, replace_file

T = TypeVar("T")


def version(*words: str) -> str:
    """Hash of all that decides what is kept."""
    return hashlib.sha256("|".join(words).encode()).hexdigest()[:16]


def fingerprint(*tensors: Tensor) -> str:
    """Hash of the numbers in ``tensors``."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def once(
    path: Path, what: str, load: Callable[[Path], T | None], make: Callable[[], T], save: Callable[[T, Path], None]
) -> T:
    """What ``load`` finds at ``path``, else what ``make`` gives, which ``save`` writes there for the next time.

    ``load`` gives None for what is absent, damaged or of another version. Where nothing can be written, that is said
    of ``what``, and the next process makes it anew.
    """
    if (known := load(path)) is not None:
        return known
    with lock(path.parent / "lock"):
        if (known := load(path)) is not None:  # another process was faster
            return known
        made = make()
        try:
            replace_file(path, lambda temporary: save(made, temporary))
        except (OSError, SafetensorError) as error:
            notice(
                f"{what} cannot be cached in {path.parent} ({error}); the next start makes it again. Set "
                "QUICKSTUDY_CACHE to a folder that can be written."
            )
        return made


def tensors(path: Path, what: str, version: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """``once`` for tensors by name; another ``version`` makes them anew."""

    def load(path: Path) -> dict[str, Tensor] | None:
        try:
            with safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get("version") != version:
                    return None
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (OSError, SafetensorError):
            return None

    def save(made: dict[str, Tensor], path: Path) -> None:
        save_file({name: value.contiguous() for name, value in made.items()}, path, {"version": version})

    return once(path, what, load, make, save)
