"""The course "What is meta-learning?": eight chapters below docs/course, and here what their exercises ask.

A chapter's file has the text that a reader fills in and the checks of what was filled in; ``running.py`` runs a
reader's file in a process of its own.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

from quickstudy.course.exercise import Exercise
from quickstudy.errors import UserError

CHAPTERS = {
    1: ("learning_to_learn", "Learning to learn"),
    2: ("diverse_tasks", "Diverse tasks"),
    3: ("fast_adaptation", "Fast adaptation"),
    4: ("few_shot_evaluation", "Few-shot evaluation"),
    5: ("why_it_matters", "Why it matters"),
    6: ("not_magic", "It is not magic"),
    7: ("maml_by_hand", "MAML by hand"),
    8: ("compete", "Compete"),
}


class Chapter(NamedTuple):
    """One chapter."""

    number: int
    title: str
    exercises: tuple[Exercise, ...]
    text: str
    """The file that a reader fills in."""

    @property
    def page(self) -> str:
        """Its page, from the root of the repository."""
        return f"docs/course/{self.number}-{CHAPTERS[self.number][0].replace('_', '-')}.md"


def chapter(number: int) -> Chapter:
    """The chapter of that number; UserError where there is none."""
    if number not in CHAPTERS:
        raise UserError(
            f"there is no chapter {number}. Chapters are 1 to {len(CHAPTERS)}; quickstudy course lists them."
        )
    module, title = CHAPTERS[number]
    found = importlib.import_module(f"quickstudy.course.{module}")
    head = (
        f'"""Chapter {number}, {title}: three exercises.\n\n'
        f"Write each function below its description, then: quickstudy course check {number}\n"
        '"""\n'
    )
    return Chapter(number, title, found.EXERCISES, head + found.TEXT)
