"""Runs that others have put on the Hugging Face hub: fetched once, on request, with its own library."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from quickstudy import confidence, runs
from quickstudy.errors import UserError

ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
"""owner/name, with @ and a branch, tag or commit where it is not to be the newest."""
FILES = (runs.CARD, runs.WEIGHTS, confidence.FILE)
INSTALL = "pip install huggingface-hub"


def is_id(name: str) -> bool:
    """Whether ``name`` is what an entry of the hub is called, and nothing on this machine."""
    return ID.fullmatch(name) is not None and not Path(name).exists() and not (runs.RUNS / name).exists()


def fetched(name: str) -> Path:
    """The run folder of an entry of the hub, in its library's own cache.

    Nothing but the run's files is fetched. Raises UserError where the library is missing, where there is no such entry,
    or where it cannot be reached.
    """
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise UserError(
            f"{name} looks like an entry of the Hugging Face hub, whose library is not there. {INSTALL}"
        ) from error
    owner, _, revision = name.partition("@")
    try:
        folder = hub.snapshot_download(owner, revision=revision or None, allow_patterns=list(FILES))
    except Exception as error:  # of the hub, of the network, of the disk: its library has no one base for them
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{name} cannot be fetched from the Hugging Face hub ({said}). Give the path of a run."
        ) from error
    return Path(folder)
