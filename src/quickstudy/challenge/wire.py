"""How tasks and answers are written in the lines that go to and from an entry.

Arrays are nested lists, which any language reads, or, for who asks for it, ``{"dtype": "float32", "shape": [20, 784],
"base64": "..."}``: the numbers row by row, little-endian. Padded rows are left out. Labels are the numbers of classes,
from 0, in classification, and rows of numbers in regression.
"""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from quickstudy.learners.base import Gaussian, Logits, Point, Prediction
from quickstudy.tasks.base import Examples, Kind, Task

DTYPES = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool}
DIGITS = 6
"""Of a number in a list."""
MOST_FACTS, LONGEST_FACT = 64, 200
"""Of what an entry says of itself, and letters of each."""
LARGEST = 1e15
"""An answer that is further from 0 is no number: in float32 its squared error would be infinite."""


class WrongError(ValueError):
    """An answer that is none; its text says why."""


def pack(value: Tensor, binary: bool) -> Any:
    """An array, as lists or in base64."""
    value = value.detach().cpu().contiguous()
    if not binary:
        return value.tolist() if not value.is_floating_point() else rounded(value.tolist())
    value = value.float() if value.is_floating_point() else value
    name = next(name for name, kind in DTYPES.items() if kind == value.dtype)
    text = base64.b64encode(value.numpy().tobytes()).decode()
    return {"dtype": name, "shape": list(value.shape), "base64": text}


def rounded(value: Any) -> Any:
    """Nested lists with fewer digits."""
    return [rounded(one) for one in value] if isinstance(value, list) else float(f"{value:.{DIGITS}g}")


def unpack(value: Any) -> Tensor:
    """An array that ``pack`` wrote; WrongError for anything else."""
    try:
        if isinstance(value, dict):
            raw = np.frombuffer(base64.b64decode(value["base64"], validate=True), dtype=value["dtype"])
            found = torch.from_numpy(raw.reshape(value["shape"]).copy())
        else:
            found = torch.tensor(value)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise WrongError(f"it is no array of numbers ({str(error)[:80]})") from error
    return found


def examples(some: Examples, kind: Kind, binary: bool, labels: bool = True) -> dict[str, Any]:
    """Those of one task, without padding; without ``labels`` nothing of y is in it."""
    x = pack(some.x[some.mask], binary)
    if not labels:
        return {"x": x}
    y = some.y[some.mask]
    return {"x": x, "y": pack(y.argmax(-1) if kind == "classification" else y, binary)}


def facts(value: Any) -> dict[str, Any]:
    """What an entry says of itself, as far as it is short: a stranger's words go into a row, and onto a page."""
    found = {}
    for key, one in list(value.items())[:MOST_FACTS] if isinstance(value, dict) else ():
        one = facts(one) if isinstance(one, dict) and key == "config" else one
        short = isinstance(one, bool | int | float | dict | None) or (isinstance(one, str) and len(one) <= LONGEST_FACT)
        if short and isinstance(key, str) and len(key) <= LONGEST_FACT:
            found[key] = None if isinstance(one, float) and not math.isfinite(one) else one
    return found


def leaves(task: Task | Examples) -> list[Any]:
    """Every tensor of a tree in order, for who has the same trees."""
    return [pack(leaf, True) for leaf in pytree.tree_leaves(task)]


def task_of(found: list[Any]) -> Task:
    """The batch of tasks that ``leaves`` took apart."""
    leaf = [unpack(one) for one in found]
    return Task(Examples(*leaf[:3]), Examples(*leaf[3:6]), *leaf[6:])


def examples_of(found: list[Any]) -> Examples:
    """The same of examples."""
    return Examples(*map(unpack, found))


def answers(message: dict[str, Any], asked: int, outputs: int, kind: Kind) -> Prediction:
    """The prediction [asked, outputs] in a message.

    Classification: ``scores`` [asked, outputs] or ``labels`` [asked]. Regression: ``mean`` [asked, outputs], and
    ``std`` where it is known. WrongError for what is not there, has another shape, or is not finite.
    """
    if kind == "regression":
        mean = numbers(message, "mean", (asked, outputs))
        if "std" not in message:
            return Point(mean)
        std = numbers(message, "std", (asked, outputs))
        if not bool((std > 0).all()):
            raise WrongError("std must be more than 0")
        return Gaussian(mean, std)
    if "labels" in message:
        labels = numbers(message, "labels", (asked,))
        if not bool(((labels >= 0) & (labels < outputs) & (labels == labels.round())).all()):
            raise WrongError(f"labels must be whole numbers from 0 to {outputs - 1}")
        return Logits(torch.nn.functional.one_hot(labels.long(), outputs).float())
    return Logits(numbers(message, "scores", (asked, outputs)))


def numbers(message: dict[str, Any], name: str, shape: tuple[int, ...]) -> Tensor:
    """The array ``name`` of a message; WrongError unless it has that ``shape`` and is finite."""
    if name not in message:
        raise WrongError(f"it has no {name}")
    found = unpack(message[name])
    if tuple(found.shape) != shape and tuple(found.squeeze(-1).shape) != shape:
        raise WrongError(f"{name} has shape {list(found.shape)}, expected {list(shape)}")
    found = found.reshape(shape).double()
    if not bool(found.isfinite().all()) or bool((found.abs() > LARGEST).any()):
        raise WrongError(f"{name} has numbers that are not finite")
    return found.float()
