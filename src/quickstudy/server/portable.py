"""A model as the file that ``FewShotClassifier.save`` writes, and back.

A file that is sent could name any learner. Only one whose settings and weights are those of a learner that is served
here is taken, and nothing of the file but its examples is used.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from quickstudy import runs
from quickstudy.errors import UserError
from quickstudy.estimator.assembled import assembled
from quickstudy.estimator.rows import Rows
from quickstudy.server import knowledge, labels
from quickstudy.server.inputs import LARGEST_NUMBER
from quickstudy.server.knowledge import Support
from quickstudy.server.labels import Label
from quickstudy.server.limits import Limits
from quickstudy.server.refusals import RefusedError, TooLargeError
from quickstudy.server.served import Catalogue, Served, digest_of, kept_type, shape_of
from quickstudy.server.service import Service, new_id
from quickstudy.server.store import Change, Model, Note

LONGEST = 200
"""Characters of a column's name."""


async def export(service: Service, owner: int, id: str) -> bytes:
    """The file of a model."""
    model = await service.model(owner, id)
    knowledge.check_learnt(model)
    support = await service.support(model)
    return await service.aside(_file, service.served(model), support)


def _file(served: Served, support: Support) -> bytes:
    assert support.kept is not None
    reads = knowledge.reader_of(served, support.note)
    made = assembled(served.learner, reads, support.kept, support.labels, support.note.names, served.confidence)
    with tempfile.TemporaryDirectory(prefix="quickstudy-") as folder:
        return made.save(Path(folder) / "model.qs").read_bytes()


async def bring(service: Service, owner: int, id: str | None, content: bytes) -> Model:
    """A new model from a file; RefusedError for one that is none, or of a learner that is not served."""
    made = new_id(id)
    name, served, support = await service.aside(_parts, content, service.catalogue, service.limits)
    whole, adapted = await service.on_torch(knowledge.learnt, served, support)
    added = [(label, one.tobytes()) for label, one in zip(whole.labels, support.kept, strict=True)]  # type: ignore[arg-type]
    state = knowledge.written(served, adapted)
    change = Change(labels=labels.counted(whole.labels), note=whole.note, state=state, added=added)
    return await service.on_database(service.store.create, owner, made, name, service.limits.models, change)


def _parts(content: bytes, catalogue: Catalogue, limits: Limits) -> tuple[str, Served, Support]:
    with tempfile.TemporaryDirectory(prefix="quickstudy-") as folder:
        path = Path(folder) / "model.qs"
        path.write_bytes(content)
        try:
            tensors, note = runs.read_tensors(path)
        except (UserError, RecursionError) as error:
            raise RefusedError("the body is no file that FewShotClassifier.save or .../export wrote.") from error
    try:
        return _checked(tensors, note, catalogue, limits)
    except UserError:
        raise
    except (AttributeError, IndexError, KeyError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise RefusedError(
            f"the file is damaged ({type(error).__name__}: {str(error)[:100]}). Save it again."
        ) from error


def _checked(
    tensors: dict[str, Tensor], note: dict[str, Any], catalogue: Catalogue, limits: Limits
) -> tuple[str, Served, Support]:
    if note["estimator"] != "FewShotClassifier":
        raise RefusedError(f"the file holds a {str(note['estimator'])[:40]}; expected a FewShotClassifier.")
    own = {name.removeprefix("learner/"): value for name, value in tensors.items() if name.startswith("learner/")}
    name, served = _served(digest_of(note["learner"], note["config"], note["spec"], own), note, catalogue)
    told = [labels.checked(label, limits.label_characters) for label in note["classes"]["labels"]]
    kept, y = tensors["examples"].numpy(), tensors["y"].tolist()
    if len(kept) > limits.examples or len(told) > limits.classes:
        raise TooLargeError(
            f"the file has {len(kept)} examples of {len(told)} labels, and a model may have {limits.examples} and "
            f"{limits.classes}."
        )
    remembered = _note(note, kept)
    reads = knowledge.reader_of(served, remembered)
    fits = kept.shape[1:] == shape_of(reads, kept.shape[-1]) and kept.dtype == np.dtype(kept_type(reads))
    gaps = isinstance(reads, Rows)
    sane = kept.dtype.kind != "f" or bool(((np.abs(kept) <= LARGEST_NUMBER) | (gaps & np.isnan(kept))).all())
    if not (fits and sane and len(kept) == len(y) > 0 and all(type(at) is int and 0 <= at < len(told) for at in y)):
        raise ValueError("examples and labels do not fit together")
    known: list[Label] = [told[at] for at in y]
    return name, served, Support(0, [], known, kept, remembered)


def _served(found: str, note: dict[str, Any], catalogue: Catalogue) -> tuple[str, Served]:
    width = note["spec"]["shape"][0]
    for name in catalogue.names():
        served = catalogue.get(name, width if type(width) is int and 0 < width <= 1000 else 0)
        if found in catalogue.digests(served):
            return name, served
    raise RefusedError(
        f"the file's learner ({str(note['learner'])[:40]}) is none of those that are served here: "
        f"{', '.join(catalogue.names())}."
    )


def _note(note: dict[str, Any], kept: np.ndarray[Any, Any]) -> Note:
    levels = {str(name): {str(word): int(at) for word, at in words.items()} for name, words in note["levels"].items()}
    columns = kept.shape[1] if kept.ndim == 2 else 0
    names = [str(labels.checked(str(name), LONGEST)) for name in note["names"]]
    if names and len(names) != columns:
        raise ValueError("columns and their names do not fit together")
    return dataclasses.replace(Note(), columns=columns, names=names, levels=levels)
