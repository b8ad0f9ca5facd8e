"""``python -m quickstudy.challenge.inside FORM WHAT``: an entry's process."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from quickstudy.challenge.inside.host import Host

FORMS = {
    "file": "quickstudy.challenge.inside.learner",
    "name": "quickstudy.challenge.inside.learner",
    "run": "quickstudy.challenge.inside.learner",
    "metadl": "quickstudy.challenge.inside.metadl",
}


def main(form: str, what: str) -> int:
    """Learn to learn, then answer tasks until the host goes."""
    host = Host()
    host.say({"started": True})
    sys.path.insert(0, os.getcwd())
    hello = host.hear()
    if hello is None:
        return 1
    try:
        answer = importlib.import_module(FORMS[form]).prepare(host, hello, form, what)
    except Exception as error:
        traceback.print_exc()
        host.say({"failed": said(error)})
        return 1
    host.say({"ready": True, "arrays": "base64", "about": host.about})
    while (message := host.hear()) is not None:
        try:
            found = answer(message)
        except Exception as error:
            traceback.print_exc()
            found = {"failed": said(error)}
        host.say({"task": message["task"]} | found)
    return 0


def said(error: Exception) -> str:
    """What went wrong, with the entry's own line where it is in one of its files."""
    words = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
    return next(places(error), "") + words.rstrip(".") + "." + advice(error)


def advice(error: Exception) -> str:
    """What to do next, where the fault is not the entry's own."""
    if isinstance(error, ImportError):
        return " Install it where the challenge is run."
    if package := re.search(r"operator (\w+)::\w+ does not exist", str(error)):
        return f" {package[1]} does not fit torch {version('torch')}: install both together, from one index."
    if re.search(r"\b(CUDA|NVIDIA)\b", str(error)):
        return " Entries see no GPU: take it where torch.cuda.is_available(), else the CPU."
    return ""


def places(error: Exception) -> Iterator[str]:
    """``model.py, line 7: `` of the innermost frame that is the entry's."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        with contextlib.suppress(ValueError):
            yield f"{Path(frame.filename).relative_to(os.getcwd())}, line {frame.lineno}: "


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
