"""What a process said before it ended, in a line: its error, and the file and line that it is in."""

from __future__ import annotations

import re
from pathlib import PurePath

LONGEST = 300
ERROR = re.compile(r"\b\w*(Error|Exception|error|panic)\b")
PYTHON = re.compile(r'^\s*File "([^"]+)", line (\d+)', re.M)
OTHERS = re.compile(r"^(?:file://)?(\S+\.\w+):(\d+)(?::\d+)?:?$", re.M)


def last_words(said: str) -> str:
    """``mine.js, line 3: Error: no such thing`` of what was written on standard error; empty where that is nothing."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not lines:
        return ""
    told = next((line for line in reversed(lines) if ERROR.search(line) and not OTHERS.match(line)), lines[-1])
    return (place(said) + told)[:LONGEST]


def place(said: str) -> str:
    """``mine.js, line 3: `` where Python, Node or their like name one; Python names the innermost last."""
    found = PYTHON.findall(said)[-1:] or OTHERS.findall(said)[:1]
    return "".join(f"{PurePath(file).name}, line {line}: " for file, line in found if not file.startswith("<"))
