"""Pages of the reference that are made from the registries: learners, families, commands.

Called by MkDocs, which finds each event by its name.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import os
import sys
import textwrap
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
WIDTH = "92"
"""Columns of the terminal that the help of a command is written for."""
MADE: dict[str, str] = {}
"""Pages that were made already: `mkdocs serve` asks for them again and again."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, make in PAGES.items():
        MADE[name] = MADE.get(name) or "\n".join(make()) + "\n"
        files.append(File.generated(config, f"reference/{name}.md", content=MADE[name]))
    return files


def learners() -> Iterator[str]:
    """Every learner: what it is, its file's docstring, and its settings."""
    from quickstudy.learners import LEARNERS, learner_class

    yield "# Learners\n\nEvery learner that comes along: its paper, its equation, and its settings."
    yield "Settings are flags of `quickstudy train`: `inner_rate` is `--inner-rate`.\n"
    for name, (place, about) in LEARNERS.items():
        made = learner_class(name)
        yield f"## {name}\n\n*{sentence(about)}*\n"
        yield prose(inspect.getdoc(sys.modules[made.__module__])) + "\n"
        kinds = " and ".join(made.traits.kinds)
        of = f" of {', '.join(made.traits.forms)}" if made.traits.forms else ""
        yield f"Does {kinds}{of}. Class: `{place.replace(':', '.')}`.\n"
        yield from settings(made.Config)


def settings(config: Any) -> Iterator[str]:
    """A table of the fields of a dataclass, with the docstrings below them."""
    known = [(field, described(config).get(field.name, "")) for field in fields(config)]
    if known:
        yield "| setting | default | what it is |\n|---|---|---|"
        yield from (
            f"| `{field.name}` | `{shown(field)}` | {prose(told).replace('|', '&#124;')} |" for field, told in known
        )
        yield ""


def shown(field: Field[Any]) -> str:
    """The default of a setting."""
    value = field.default if field.default is not MISSING else field.default_factory()  # type: ignore[misc]
    return str(value) if value != "" else '""'


def described(config: type) -> dict[str, str]:
    """By field, the docstring that stands below it, in the class or one that it inherits from."""
    found: dict[str, str] = {}
    for made in reversed([one for one in config.__mro__ if one is not object]):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(made))).body
        body = typing.cast("ast.ClassDef", tree).body
        for line, after in pairwise(body):
            if (
                isinstance(line, ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                found[line.target.id] = " ".join(str(after.value.value).split())  # type: ignore[union-attr]
    return found


def families() -> Iterator[str]:
    """Every family: what it is, its docstrings, and its options."""
    from quickstudy.tasks import FAMILIES, WRAPPERS

    yield "# Families\n\nEvery family of tasks that comes along. Options are written `name:option=value`.\n"
    for title, registry in (("", FAMILIES), ("Around another family", WRAPPERS)):
        if title:
            yield f"## {title}\n\nWritten `omniglot:size=64+warp:size=48`: the family, then what is done to it.\n"
        for name, (place, about) in registry.items():
            module, _, attribute = place.partition(":")
            made = getattr(importlib.import_module(module), attribute)
            yield f"##{'#' * bool(title)} {name}\n\n*{sentence(about)}*\n"
            for text in dict.fromkeys([inspect.getdoc(sys.modules[made.__module__]), inspect.getdoc(made)]):
                yield prose(text) + "\n"
            yield from options(made)


def options(made: type) -> Iterator[str]:
    """A table of the keyword-only arguments of a family."""
    known = [one for one in inspect.signature(made).parameters.values() if one.kind is one.KEYWORD_ONLY]
    if known:
        yield "| option | kind | default |\n|---|---|---|"
        yield from (f"| `{one.name}` | {kind(one.annotation)} | `{one.default!r}` |" for one in known)
        yield ""


def kind(annotation: Any) -> str:
    """A type as a reader of a table takes it."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    text = text.removeprefix("Literal[").removesuffix("]") if text.startswith("Literal[") else text
    return (
        f"`{text}`".replace("|", "&#124;")
        if "|" not in text
        else " or ".join(f"`{one.strip()}`" for one in text.split("|"))
    )


def commands() -> Iterator[str]:
    """The help of every command."""
    from quickstudy.app.cli import VERBS

    yield "# Commands\n\n`quickstudy COMMAND --help` prints the same, for the version that you have.\n"
    for verb, (place, about) in VERBS.items():
        yield f"## {verb}\n\n*{sentence(about)}*\n"
        yield from helped(verb)
        for part in getattr(importlib.import_module(place), "PARTS", {}):
            yield f"### {verb} {part}\n"
            yield from helped(verb, part)


def helped(*words: str) -> Iterator[str]:
    """What a command prints when it is asked for help."""
    from quickstudy.app.cli import main

    said = io.StringIO()
    before = dict(os.environ)
    os.environ |= {"COLUMNS": WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    try:
        with contextlib.redirect_stdout(said):
            main([*words, "--help"])
    finally:
        os.environ.clear()
        os.environ.update(before)
    yield f"```text\n{said.getvalue().strip()}\n```\n"


def sentence(about: str) -> str:
    """One line of a registry, with a capital and a full stop."""
    return f"{about[:1].upper()}{about[1:].rstrip('.')}."


def prose(text: str | None) -> str:
    """A docstring as Markdown: code in one backtick instead of two."""
    return (text or "").replace("``", "`")


PAGES: dict[str, Callable[[], Iterator[str]]] = {"learners": learners, "families": families, "commands": commands}
