"""A small challenge, and programs that take part in it."""

import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from quickstudy.challenge import check
from quickstudy.challenge.entry import Entry
from quickstudy.challenge.process import Allowed, Process
from quickstudy.challenge.run import on_block
from quickstudy.challenge.stranger import Stranger
from quickstudy.challenge.suite import Suite, read
from quickstudy.challenge.teach import Teacher, hello

SMALL = """
name = "small"
cpu = 0.3
wall = 5.0
memory = 0.3
disk = 0.01
processes = 40
training = 3.0
examples = [1, 2]

[[tasks]]
family = "functions"
shots = [1, 5]
query = 4
episodes = 4

[[tasks]]
family = "glyphs:classes=20"
ways = [2, 3]
query = 2
episodes = 4
"""
LINES = """
import json, sys
def flat(value):
    return [n for part in value for n in flat(part)] if isinstance(value, list) else [value]
def say(**message):
    print(json.dumps(message), flush=True)
"""
"""What programs of the tests begin with."""
LOOP = """
for line in sys.stdin:
    message = json.loads(line)
    if message["do"] == "begin":
        say(ready=True)
        continue
    task, asked = message["task"], len(message["query"]["x"])
"""


@pytest.fixture(scope="session")
def small() -> Suite:
    """Two families, four tasks of each."""
    return read(SMALL, "small")


@pytest.fixture(scope="session")
def blocks(small: Suite) -> list[check.Block]:
    return check.opened(small)


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Entry]:
    """An entry that is a Python program: what it does for each task, with ``task`` and ``asked`` at hand."""

    def make(body: str, before: str = "", loop: str = LOOP) -> Entry:
        file = tmp_path / f"program{uuid.uuid4().hex}.py"  # so that it can be told from those of other tests
        indented = "".join(f"    {line}\n" for line in body.strip().splitlines())
        file.write_text(LINES + before + loop + indented)
        return Entry(name="program", form="program", command=(sys.executable, "-S", file.name), files=(file,))

    return make


@pytest.fixture
def judge(small: Suite, blocks: list[check.Block]) -> Callable[..., dict[str, Any]]:
    """What a program is worth on one of the blocks, with the changes to the suite that are asked for."""

    def judged(entry: Entry, block: int = 0, *, isolate: bool = True, **changed: Any) -> dict[str, Any]:
        suite = replace(small, **changed)
        allowed = Allowed(cpu=20, memory=suite.memory, processes=suite.processes, disk=suite.disk)
        process = Process(entry.command, allowed, entry.files, environment=entry.environment, isolate=isolate)
        with process:
            stranger = Stranger(blocks[block].test.spec, process, suite.cpu, suite.wall)
            stranger.begin(hello(suite, blocks[block]), suite.training, Teacher(blocks[block].train))
            told = on_block(suite, blocks[block], stranger, 0)
            told |= {"home": process.home, "isolation": process.isolation, "pid": process.process.pid}
        return told

    return judged


@pytest.fixture
def data_of_ten_classes(tmp_path: Path) -> Path:
    """Ten classes of pictures of one colour."""
    for label in range(10):
        (tmp_path / "data" / str(label)).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (8, 8), (20 * label, 10 * number, 0)).save(tmp_path / f"data/{label}/{number}.png")
    return tmp_path / "data"
