"""``quickstudy course``: the chapters, files to fill in, and what is said of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quickstudy.course import chapter
from quickstudy.course.running import check_file
from quickstudy.errors import UserError

Cli = Callable[..., Any]
RIGHT = """
def split(examples, shot):
    print("I was here")
    return examples[:shot], examples[shot:]
def error(answers, targets):
    return sum((a - t) ** 2 for a, t in zip(answers, targets)) / len(answers)
def learning_curve(errors):
    return [sum(one) / len(one) for one in zip(*errors)]
"""


def test_chapters_are_listed(cli: Cli) -> None:
    answer = cli("course")
    assert answer.code == 0
    assert "3  Fast adaptation" in answer.out
    assert "docs/course/8-compete.md" in answer.out
    assert "start N | check N" in cli("course", "--help").out


def test_a_reader_starts_fills_in_and_is_done(cli: Cli) -> None:
    answer = cli("course", "start", "1")
    assert (answer.code, answer.out.strip()) == (0, "exercises/1.py")
    path = Path("exercises/1.py")
    again = cli("course", "start", "1")
    assert again.code == 2
    assert "is there already" in again.err
    answer = cli("course", "check", "1")
    assert answer.code == 1
    assert answer.out.count("not yet") == 3
    assert "0 of 3 right" in answer.out
    path.write_text(RIGHT)
    answer = cli("course", "check", "1")
    assert answer.code == 0
    assert "3 of 3 right: chapter 1 is done" in answer.out
    assert "I was here" in answer.err
    path.rename("mine.py")
    assert cli("course", "check", "1", "mine.py").code == 0


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"def split(:\n    pass", "line 1: invalid syntax"),
        (b"x = 1\nx = y\n", "NameError (name 'y' is not defined) in line 2"),
        (b"raise SystemExit(3)", "SystemExit (3)"),
        (b"\xff\xfe\x00", "is no Python"),
        (b"import os\nos._exit(0)", "cannot be loaded"),
        (b"input()", "EOFError"),
        (b"import no_such_package", "ModuleNotFoundError (No module named 'no_such_package') in line 1"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_sentence(cli: Cli, tmp_path: Path, source: bytes, said: str) -> None:
    (tmp_path / "bad.py").write_bytes(source)
    answer = cli("course", "check", "1", "bad.py")
    assert answer.code == 2
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1
    assert answer.out == ""


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("check", "1"), "course start 1 writes exercises/1.py"),
        (("check", "1", "."), "cannot be read"),
        (("check", "9"), "Chapters are 1 to 8"),
        (("start", "0"), "Chapters are 1 to 8"),
        (("check", "x"), "invalid literal"),
        (("check",), "chapter"),
        (("chek", "1"), "Did you mean check"),
    ],
)
def test_what_is_not_right_is_said(cli: Cli, args: tuple[str, ...], said: str) -> None:
    answer = cli("course", *args)
    assert answer.code == 2
    assert said in answer.err
    assert not Path("exercises").exists()


def test_an_endless_loop_costs_one_exercise_and_a_crash_another(tmp_path: Path) -> None:
    path = tmp_path / "1.py"
    loop, crash = (
        "def split(*given):\n    while True:\n        pass",
        "def error(*given):\n    import os\n    os._exit(1)",
    )
    path.write_text("\n".join([loop, crash, RIGHT[RIGHT.index("def learning_curve") :]]))
    found = check_file(chapter(1), path, seconds=2.0).found
    assert [one.name for one in found] == ["split", "error", "learning_curve"]
    assert "did not come back" in str(found[0].hint)
    assert "ended its process" in str(found[1].hint)
    assert found[2].hint is None


def test_what_prints_without_end_or_wants_all_memory_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "1.py"
    loud = "def split(*given):\n    while True:\n        print('x' * 100_000)"
    full = "def error(*given):\n    return bytearray(2**40)"
    path.write_text("\n".join([loud, full, RIGHT[RIGHT.index("def learning_curve") :]]))
    checked = check_file(chapter(1), path)
    assert "File too large" in str(checked.found[0].hint)
    assert "MemoryError" in str(checked.found[1].hint)
    assert checked.found[2].hint is None
    assert len(checked.printed) <= 2000


def test_an_error_in_a_function_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "1.py"
    path.write_text(RIGHT.replace("    return examples[:shot]", "    return examples / 0, examples[:shot]"))
    found = check_file(chapter(1), path).found
    assert "TypeError" in str(found[0].hint)
    assert "in line 4" in str(found[0].hint)
    assert found[1].hint is None


def test_a_file_that_does_not_end_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "1.py"
    path.write_text("while True:\n    pass\n")
    with pytest.raises(UserError, match="does not end within"):
        check_file(chapter(1), path, seconds=0.5)
