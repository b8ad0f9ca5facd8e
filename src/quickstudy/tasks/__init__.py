"""Task families by name: ``omniglot``, ``omniglot:classes=alphabets``, ``glyphs+warp:size=48``, ``omniglot,glyphs``.

A name is a family with options, then any number of wrappers after ``+``; families with a comma between them are drawn
from in turn by chance, in equal shares or as ``weight*name`` says. In a path, these signs are written %3A, %2B and %2C.
"""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from typing import Any, cast
from urllib.parse import unquote

from quickstudy.errors import UserError, unknown
from quickstudy.tasks.base import SPLITS, Examples, Spec, Split, Task, TaskFamily

FAMILIES = {
    "sinusoid": ("quickstudy.tasks.sinusoid:Sinusoid", "sine waves of random amplitude and phase (regression)"),
    "functions": ("quickstudy.tasks.functions:Functions", "noisy sines, lines, quadratics and steps (regression)"),
    "tables": (
        "quickstudy.tasks.tabular.tables:Tables",
        "small tables of a synthetic prior (Hollmann et al. 2023), unlimited",
    ),
    "ratings": (
        "quickstudy.tasks.tastes.ratings:UserRatings",
        "what one user likes: MovieLens, or any table of users, items and ratings (regression)",
    ),
    "csv": (
        "quickstudy.tasks.tabular.csv_table:CsvTable",
        "the rows of your own table, to evaluate on: a CSV file with a header",
    ),
    "heart": (
        "quickstudy.tasks.tabular.heart:Heart",
        "patients of four hospitals, healthy or sick (UCI Heart Disease)",
    ),
    "glucose": (
        "quickstudy.tasks.glucose.glucose:Glucose",
        "glucose of a person with diabetes, 30 and 60 minutes ahead; shots are hours known (simulated)",
    ),
    "glyphs": ("quickstudy.tasks.vision.glyphs:Glyphs", "procedural handwritten characters, unlimited; needs no data"),
    "omniglot": (
        "quickstudy.tasks.vision.omniglot:Omniglot",
        "handwritten characters of 50 alphabets (Lake et al. 2015)",
    ),
    "images": (
        "quickstudy.tasks.vision.images:Images",
        "your own pictures: any folder or zip archive of class folders",
    ),
    "cifar_fs": (
        "quickstudy.tasks.vision.cifar:CifarFS",
        "photographs of 100 classes, split at random (Bertinetto et al. 2019); downloads 169 MB",
    ),
    "fc100": (
        "quickstudy.tasks.vision.cifar:FC100",
        "the same photographs, split by superclass (Oreshkin et al. 2018); downloads 169 MB",
    ),
    "tiny_imagenet_32": (
        "quickstudy.tasks.vision.tiny_imagenet:TinyImageNet32",
        "photographs of 160 ImageNet classes at 32 x 32; the data must be yours",
    ),
    "phenotypes": (
        "quickstudy.tasks.diseases.phenotypes:Phenotypes",
        "rare diseases, by the terms of published patients; the data must be yours",
    ),
    "pk": (
        "quickstudy.tasks.doses.pk:PK",
        "levels of a drug in one patient's blood after its doses (regression)",
    ),
    "strides": (
        "quickstudy.tasks.robots.strides:Strides",
        "a robot's strides on a ground it has not met: HalfCheetah, Ant, Go1 or your own body (regression)",
    ),
    "dynamics": (
        "quickstudy.tasks.robots.dynamics:Dynamics",
        "what a body does next, with motors dead, weak or reversed: HalfCheetah under torques (regression)",
    ),
    "grips": (
        "quickstudy.tasks.robots.grips:Grips",
        "objects between two fingers: the least force that holds, from a few test lifts (simulated, regression)",
    ),
}
WRAPPERS = {
    "warp": ("quickstudy.tasks.vision.warp:Warp", "random warps of training images; every image resized"),
    "augment": ("quickstudy.tasks.vision.augment:Augment", "random crops, flips and colours of training images"),
    "shift": ("quickstudy.tasks.vision.shift:Shift", "queries changed: noise, strokes, blur, contrast or rotation"),
}
__all__ = ["FAMILIES", "SPLITS", "WRAPPERS", "Examples", "Spec", "Split", "Task", "TaskFamily", "load"]


def load(name: str | TaskFamily) -> TaskFamily:
    """The family that ``name`` describes; one that is made already is given back.

    Raises UserError for unknown names, options or values.
    """
    if isinstance(name, TaskFamily):
        return name
    if not isinstance(name, str):
        raise UserError(f"the tasks are {name!r}; expected a task family, or the name of one such as 'glyphs'.")
    parts = [part.strip() for part in name.split(",")]
    if len(parts) == 1:
        return _one(parts[0])
    from quickstudy.tasks.mixture import Mixture

    weights, families = [], []
    for part in parts:
        weight, star, rest = part.rpartition("*")
        weights.append(_number(weight, part) if star else 1.0)
        families.append(_one(rest))
    return Mixture(families, weights)


def _one(name: str) -> TaskFamily:
    first, *wrappers = name.split("+")
    family = cast(TaskFamily, _make(first, FAMILIES, "task family", ()))
    for wrapper in wrappers:
        family = cast(TaskFamily, _make(wrapper, WRAPPERS, "wrapper", (family,)))
    return family


def _make(text: str, registry: dict[str, tuple[str, str]], what: str, arguments: tuple[Any, ...]) -> Any:
    name, *options = text.split(":")
    if name not in registry:
        raise unknown(what, name, registry)
    module, _, attribute = registry[name][0].partition(":")
    made = getattr(importlib.import_module(module), attribute)
    known = typing.get_type_hints(made.__init__)
    names = [n for n, p in inspect.signature(made).parameters.items() if p.kind is p.KEYWORD_ONLY]
    settings: dict[str, Any] = {}
    for option in options:
        field, equals, value = option.partition("=")
        if field not in names:
            raise unknown(f"option of {name}", field, names)
        if not equals:
            raise UserError(f"option {field!r} of {name} has no value. Write {name}:{field}=VALUE.")
        if field in settings:
            raise UserError(f"option {field!r} of {name} is given twice. Say it once.")
        settings[field] = _parse(value, known[field], f"{name}:{field}")
    return made(*arguments, **settings)


def _parse(value: str, kind: Any, what: str) -> Any:
    if typing.get_origin(kind) is typing.Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            raise unknown(f"value of {what}", value, choices)
        return value
    if kind is bool:
        if value.lower() not in ("true", "false"):
            raise UserError(f"{what} is {value!r}; expected true or false.")
        return value.lower() == "true"
    if typing.get_origin(kind) is types.UnionType:
        kind = typing.get_args(kind)[0]
    if kind is str:
        return unquote(value)
    try:
        return kind(value)
    except ValueError as error:
        raise UserError(f"{what} is {value!r}; expected {kind.__name__}.") from error


def _number(text: str, part: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise UserError(f"{part!r}: the weight before * must be a positive number, for example 2*omniglot,glyphs.")
    return weight
