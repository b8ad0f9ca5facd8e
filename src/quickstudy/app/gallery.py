"""The pictures of the demo: what each shows, its title, and its description for those who do not see it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch

from quickstudy.app import figures
from quickstudy.app.figures import Episode, Line, Wave
from quickstudy.app.findings import LOOKED_AT, MAML, Found
from quickstudy.app.lesson import VALIDATED
from quickstudy.app.panels import DARK, LETTERS, LIGHT, Style


class Picture(NamedTuple):
    """A picture for light and for dark pages."""

    name: str
    """Of its PNG file, without ending."""
    light: bytes
    dark: bytes
    title: str
    alt: str


class Gallery(NamedTuple):
    """All pictures, by the section of the report that they belong to."""

    episodes: list[Picture]
    learning: list[Picture]
    waves: list[Picture]
    adaptation: list[Picture]

    def pictures(self) -> list[Picture]:
        """One after the other."""
        return [picture for section in self for picture in section]


def draw(found: Found) -> Gallery:
    """Every picture of the report."""
    return Gallery(episodes(found), learning(found), waves(found), [adaptation(found)])


def _both(name: str, make: Callable[[Style], bytes], title: str, alt: str) -> Picture:
    return Picture(name, make(LIGHT), make(DARK), title, alt)


def episodes(found: Found) -> list[Picture]:
    """The first task before and after meta-training, the second one, and the hardest."""
    shown = (
        ("task-before", "A task before meta-training", found.before),
        ("task-after", "The same task after it", found.after[0]),
        ("task-another", "Another task after it", found.after[1]),
        ("task-hardest", f"Its worst of {LOOKED_AT} tasks", found.hardest),
    )
    made = []
    for name, title, one in shown:
        wrong = mistakes(one)
        title += f": {one.guess.numel() - len(wrong)} of {one.guess.numel()} right"
        made.append(_both(name, partial(figures.episode, one), title, describe(one, wrong)))
    return made


def mistakes(shown: Episode) -> list[str]:
    """Wrong answers in words."""
    wrong = (shown.guess != torch.arange(len(shown.guess)).unsqueeze(-1)).nonzero().tolist()
    return [f"a drawing of {LETTERS[true]} taken for {LETTERS[int(shown.guess[true, at])]}" for true, at in wrong]


def describe(shown: Episode, wrong: list[str]) -> str:
    """An episode in words."""
    asked = shown.guess.numel()
    told = f"{asked - len(wrong)} right, {len(wrong)} wrong ({', '.join(wrong)})" if wrong else "all of them right"
    return (
        f"Upper row: one example of each of {len(shown.support)} characters. Below: {asked} other drawings of them "
        f"with the learner's answers, {told}."
    )


def learning(found: Found) -> list[Picture]:
    """Validations during both trainings."""
    characters, waves = found.learning
    accuracy = partial(figures.curves, [characters], "training steps", "share of right answers", percent=True)
    error = partial(figures.curves, [waves], "training steps", "squared error")
    return [
        _both(
            "learning-characters",
            lambda style: accuracy(style=style),
            f"ProtoNet: {VALIDATED} new characters at a time",
            f"Share of right answers during the training: {trend(characters)}.",
        ),
        _both(
            "learning-waves",
            lambda style: error(style=style),
            "MAML: new waves after one gradient step",
            f"Squared error during the training: {trend(waves)}.",
        ),
    ]


def trend(line: Line) -> str:
    """A curve in words."""
    return f"{line.mean[0]:.2f} after {line.at[0]} steps, {line.mean[-1]:.2f} after {line.at[-1]}"


def waves(found: Found) -> list[Picture]:
    """Each wave, followed by the trained net and by the untrained one."""
    made = []
    for height, pair in (("tallest", found.tallest), ("middling", found.middling)):
        for shown, trained in zip(pair, (True, False), strict=True):
            kind, last = "meta-trained" if trained else "untrained", max(shown.after)
            whose = f"The tallest of {LOOKED_AT} waves" if height == "tallest" else "One of middling height"
            errors = ", ".join(f"{mse(shown, steps):.2f} after {steps}" for steps in shown.after)
            alt = (
                f"A wave, the {len(shown.support)} points of it that are given, and the answers of the {kind} net. "
                f"Squared error by gradient steps: {errors}."
            )
            title = f"{whose}, {kind}: error {mse(shown, last):.2f}"
            made.append(_both(f"wave-{height}-{kind}", partial(figures.wave, shown, trained), title, alt))
    return made


def mse(shown: Wave, steps: int) -> float:
    """Squared error over the wave after so many steps."""
    return float((shown.after[steps] - shown.truth).square().mean())


def adaptation(found: Found) -> Picture:
    """Error by gradient steps, meta-trained and not."""
    lines = []
    for name, cells in found.errors.items():
        mean, ci95 = zip(*cells.values(), strict=True)
        lines.append(Line(name, list(cells), mean, ci95, name == MAML))
    return _both(
        "adaptation",
        lambda style: figures.curves(lines, "gradient steps", "squared error", style=style),
        f"Mean squared error on {found.size.episodes} new waves",
        " ".join(f"{line.label}: {trend(line)}." for line in lines),
    )
