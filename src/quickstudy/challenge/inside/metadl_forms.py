"""The forms that MetaDL's starting kit had one after the other, told by what an entry's ``MyMetaLearner`` asks for.

draft      MyMetaLearner(N_ways, total_train_classes)              (X, y); NumPy arrays, X [n, 128, 128, 3] of bytes
earlier    MyMetaLearner(train_classes)                            (X, y); tensors, X [n, 3, 128, 128] from 0 to 1
later      MyMetaLearner(train_classes, total_classes, logger)     (X, y, original y); likewise
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from quickstudy.errors import UserError

Form = Literal["draft", "earlier", "later"]
ASKED: dict[Form, int] = {"draft": 2, "earlier": 1, "later": 3}
"""How many of training classes, all classes and a logger ``MyMetaLearner`` is made of."""
LINE = re.compile(r"^(\w+)\s*:\s*([^#\n]*)", re.M)
SETTINGS = {"data_format": "episode", "num_ways": "5", "min_s": "1", "max_s": "20", "query_size": "20"}
"""Of a draft, as there."""


def form_of(learner: Callable[..., Any]) -> Form:
    """Of an entry, by its meta-learner's parameters: their names, and how many have no default."""
    asked = inspect.signature(learner).parameters
    if {"total_classes", "logger"} & {*asked} or any(one.kind is one.VAR_POSITIONAL for one in asked.values()):
        return "later"
    needed = sum(one.default is one.empty for one in asked.values())
    return "later" if needed > 2 else "draft" if needed == 2 else "earlier"


def pictures(form: Form, x: Tensor) -> Any:
    """Images [n, 3, 128, 128] from 0 to 1, as the form has them."""
    if form != "draft":
        return x
    return (x.permute(0, 2, 3, 1).clamp(0, 1) * 255).round().numpy().astype(np.uint8)


def labelled(form: Form, x: Tensor, y: Tensor, original: Tensor | None = None) -> tuple[Any, ...]:
    """Images [n, 3, 128, 128] and labels [n], as the form has them; where it has ``original`` labels, those too."""
    given = pictures(form, x), y.numpy() if form == "draft" else y
    return (*given, original) if form == "later" and original is not None else given


def settings_of(folder: Path) -> dict[str, Any]:
    """What a draft's config.yaml says, in the words of config.json: its size of the query is that of a whole task."""
    file = folder / "config.yaml"
    text = file.read_text("utf-8", errors="replace") if file.is_file() else ""
    found = SETTINGS | {name: value.strip() for name, value in LINE.findall(text)}
    try:
        ways, least, most, query = (int(found[name]) for name in ("num_ways", "min_s", "max_s", "query_size"))
    except ValueError as error:
        raise UserError(f"{folder.name}/config.yaml is not right ({error}).") from error
    rest = {"k": None, "min_k": least, "max_k": most, "query_images_per_class": max(1, query // ways)}
    form = found["data_format"].lower()
    return {
        "train_data_format": "task" if form == "episode" else form,
        "train_config": {"N": ways} | rest,
        "valid_config": rest,
    }
