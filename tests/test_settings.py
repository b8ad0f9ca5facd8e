"""Settings: what stands in them is of the type that they say, wherever it comes from."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pytest
import torch

import quickstudy as qs
from quickstudy.errors import UserError
from quickstudy.settings import checked


@dataclass(frozen=True, kw_only=True)
class Some:
    """One field of each type."""

    steps: int | None = None
    rate: float = 0.1
    open_end: bool = False
    kind: Literal["one", "two"] = "one"
    name: str = ""
    shape: tuple[int, ...] = ()
    anything: object = None


def test_numbers_of_any_library_become_pythons_own() -> None:
    found = checked(Some(steps=np.int64(3), rate=np.float32(0.5), shape=[torch.tensor(2), 4]))  # type: ignore[arg-type]
    assert found == Some(steps=3, rate=0.5, shape=(2, 4))
    assert [type(value) for value in (found.steps, found.rate, *found.shape)] == [int, float, int, int]
    assert checked(Some(rate=Fraction(1, 2))).rate == 0.5  # type: ignore[arg-type]
    thing = object()
    assert checked(Some(anything=thing)).anything is thing


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"steps": 2.5}, "--steps is 2.5; expected a whole number"),
        ({"steps": "3"}, "--steps is '3'; expected a whole number"),
        ({"steps": True}, "--steps is True; expected a whole number"),
        ({"rate": None}, "--rate is None; expected a finite number"),
        ({"rate": "fast"}, "--rate is 'fast'; expected a finite number"),
        ({"open_end": 1}, "--open-end is 1; expected true or false"),
        ({"kind": "tow"}, "unknown value of --kind 'tow'. Did you mean two?"),
        ({"kind": ["one"]}, "unknown value of --kind"),
        ({"name": 3}, "--name is 3; expected a text"),
        ({"shape": 3}, "--shape is 3; expected a list"),
        ({"shape": ["x"]}, "--shape is 'x'; expected a whole number"),
    ],
)
def test_a_value_of_another_type_is_named(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        checked(Some(**wrong))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("learner", "tasks", "training", "settings", "words"),
    [
        ("protonet", "glyphs", {"optimizer": "lion"}, {}, "--optimizer 'lion'"),
        ("protonet", "glyphs", {"steps": 1.5}, {}, "--steps is 1.5"),
        ("protonet", "glyphs", {"device": None}, {}, "--device is None"),
        ("protonet", "glyphs", {}, {"distance": "euclid"}, "Did you mean euclidean"),
        ("maml", "glyphs", {}, {"width": "4"}, "--width is '4'"),
        ("maml", "glyphs", {}, {"backbone": 4}, "--backbone is 4"),
        ("maml", None, {}, {}, "the tasks are None"),
        (None, "glyphs", {}, {}, "unknown learner None"),
    ],
)
def test_python_hears_what_the_command_line_hears(
    learner: Any, tasks: Any, training: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        qs.train(learner, tasks, qs.TrainConfig(**training), settings=settings)
    assert words in str(caught.value)
