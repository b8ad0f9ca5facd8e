"""Plain pickles are read as Python reads them; those that would run something are refused."""

import io
import os
import pickle
import random
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from python_two import old

from quickstudy.tasks.vision.plain_pickle import read

PLAIN = {
    "filenames": ["a.png", "b" * 300],
    "labels": [0, 255, 256, 70000, -1],
    "data": np.arange(600, dtype=np.uint8).reshape(2, 300),
    "batch_label": "training batch 1 of 1",
}


def same(one: Any, other: Any) -> bool:
    if isinstance(other, np.ndarray):
        return isinstance(one, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other)


def test_the_format_of_the_test_is_that_of_python_two() -> None:
    """Against Python's own unpickler, which knows it."""
    known = pickle.loads(old(PLAIN), encoding="latin1")
    assert all(same(known[key], value) for key, value in PLAIN.items())


def test_what_python_two_wrote_is_read() -> None:
    found = read(io.BytesIO(old(PLAIN)))
    assert list(found) == list(PLAIN)
    assert all(same(found[key], value) for key, value in PLAIN.items())


@pytest.mark.parametrize("protocol", [1, 2, 3, 4])
def test_what_python_three_writes_is_read(protocol: int) -> None:
    more = {**PLAIN, "nested": ([1, [2.5, None]], (True, False), {"a": (1, 2, 3, 4)}, ()), "big": 1 << 70, "é": "é"}
    more["again"] = more["filenames"]
    more["columns"] = np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    found = read(io.BytesIO(pickle.dumps(more, protocol=protocol)))
    assert all(same(found[key], value) for key, value in more.items())


class Hostile:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"a": Hostile(os.mkdir, "made")}, protocol=2),
        pickle.dumps({"a": Hostile(os.mkdir, "made")}, protocol=4),
        pickle.dumps({"a": Hostile(os.mkdir, "made")}, protocol=0),
        pickle.dumps({"a": OrderedDict(b=1)}, protocol=2),
        pickle.dumps({"a": np.zeros(3)}, protocol=2),
        pickle.dumps({"a": np.array([None])}, protocol=2),
        pickle.dumps({1: 2}, protocol=2),
        pickle.dumps([1], protocol=2),
        b"(ios\nmkdir\nS'made'\n.",
        b"\x80\x02cos\nmkdir\nU\x04made\x85\x81.",
        b"\x80\x02}b.",
        b"\x80\x02}U\x01aNb.",
        b"\x80\x02}(u",
        b"\x80\x02e.",
        b"\x80\x02h\x07.",
        b".",
        b"",
        b"PK\x03\x04",
    ],
)
def test_anything_else_is_refused_and_nothing_runs(
    content: bytes, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"pickle of plain data|not a dict"):
        read(io.BytesIO(content))
    assert not list(tmp_path.iterdir())


def test_damage_is_a_value_error() -> None:
    """Every cut and many changed bytes: plain data or a ValueError, never anything else."""
    content, chance = old(PLAIN), random.Random(0)
    for end in range(len(content)):
        with pytest.raises(ValueError, match="plain data"):
            read(io.BytesIO(content[:end]))
    for _ in range(3000):
        damaged = bytearray(content)
        for _ in range(chance.choice((1, 1, 5))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            found = read(io.BytesIO(bytes(damaged)))
        except ValueError:
            continue
        assert isinstance(found, dict)
