"""Every exercise of the course: the right answer passes, the text to fill in and a wrong answer earn a hint."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from answers import SOLUTIONS, WRONG

from quickstudy.course import CHAPTERS, chapter
from quickstudy.course.exercise import Exercise, WrongError, same
from quickstudy.course.inside import hint

ROOT = Path(__file__).parent.parent.parent
EXERCISES = {one.name: one for number in CHAPTERS for one in chapter(number).exercises}


def said(exercise: Exercise, code: str) -> str | None:
    """The hint that a file with ``code`` earns."""
    found: dict[str, object] = {}
    exec(code, found)
    return hint(exercise, found, "file.py")


def test_each_chapter_has_three_exercises_and_a_page() -> None:
    assert [len(chapter(number).exercises) for number in CHAPTERS] == [3] * 8
    assert {*SOLUTIONS} == {*WRONG} == {*EXERCISES}
    assert len(EXERCISES) == 24
    for number in CHAPTERS:
        one = chapter(number)
        page = (ROOT / one.page).read_text(encoding="utf-8")
        assert f"quickstudy course check {number}" in page, one.page
        assert one.title in page.splitlines()[0], one.page


@pytest.mark.parametrize("name", EXERCISES)
def test_the_right_answer_is_right(name: str) -> None:
    assert said(EXERCISES[name], SOLUTIONS[name]) is None


@pytest.mark.parametrize("name", EXERCISES)
def test_a_wrong_answer_earns_the_hint_that_is_about_it(name: str) -> None:
    code, word = WRONG[name]
    found = said(EXERCISES[name], code)
    assert found is not None
    assert word in found
    assert "Traceback" not in found


@pytest.mark.parametrize("number", [np.array([5.0, 3.0, 1.0]), torch.tensor([5.0, 3.0, 1.0]), (5, np.float32(3), 1)])
def test_arrays_are_the_numbers_that_they_hold(number: object) -> None:
    same(number, [5, 3, 1], "hint")
    with pytest.raises(WrongError, match="hint"):
        same(number, [5, 3, 2], "hint")


@pytest.mark.parametrize("number", CHAPTERS)
def test_the_text_to_fill_in_is_not_right_and_no_error(number: int) -> None:
    one = chapter(number)
    for exercise in one.exercises:
        found = said(exercise, one.text)
        assert found is not None
        assert "gives nothing yet" in found, exercise.name


@pytest.mark.parametrize("name", EXERCISES)
def test_whatever_a_function_gives_the_check_has_words_for_it(name: str) -> None:
    for value in ("'nonsense'", "1e300", "[None]", "float('nan')", "{}", "(lambda: 0)"):
        code = f"def {name}(*given):\n    return {value}"
        found = said(EXERCISES[name], code)
        assert isinstance(found, str), value
        assert len(found) < 400


def test_examples_in_the_text_are_true() -> None:
    """What stands after "gives" in a description is what the right answer gives."""
    count = 0
    for number in CHAPTERS:
        text = chapter(number).text
        for name, given, wanted in re.findall(r"^ {4}(?:.*?\s)?(\w+)(\(.*?\)) gives (.+?)(?:,? and .*)?$", text, re.M):
            if name not in SOLUTIONS:
                continue
            found: dict[str, object] = {}
            exec(SOLUTIONS[name], found)
            right = eval(wanted, {})
            same(eval(f"{name}{given}", found), right, name)
            count += 1
    assert count >= 14
