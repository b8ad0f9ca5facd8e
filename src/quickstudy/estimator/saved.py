"""A fitted estimator as one file: tensors of learner and support (safetensors), and JSON for the rest of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

import quickstudy
from quickstudy import learners, runs
from quickstudy.confidence import Confidence, parse
from quickstudy.devices import pick_device
from quickstudy.errors import UserError
from quickstudy.estimator.readers import reader
from quickstudy.estimator.records import Records
from quickstudy.estimator.rows import Rows
from quickstudy.learners.base import Learner
from quickstudy.nets.frozen import frozen
from quickstudy.settings import checked
from quickstudy.tasks.base import Spec

if TYPE_CHECKING:
    from quickstudy.estimator.base import FewShot

FORMAT = 1
E = TypeVar("E", bound="FewShot")
T = TypeVar("T")
PLAIN = (str, int, float, bool)


def save(estimator: FewShot, path: Path) -> Path:
    """Write ``estimator`` to ``path``, whole or not at all; UserError for labels that JSON cannot hold."""
    check_is_fitted(estimator, "adapted_")
    made, reads = estimator.learner_, estimator._reader
    note = {
        "format": FORMAT,
        "version": quickstudy.__version__,
        "estimator": type(estimator).__name__,
        "learner": learners.name_of(type(made)),
        "config": dataclasses.asdict(made.config),
        "spec": dataclasses.asdict(made.spec),
        "untrained": not made.learns,
        "inner_steps": estimator.inner_steps,
        "columns": getattr(estimator, "n_features_in_", None),
        "names": [str(name) for name in getattr(estimator, "feature_names_in_", ())],
        "levels": reads.levels if isinstance(reads, Rows) else {},
        "classes": _labels(estimator.classes_) if hasattr(estimator, "classes_") else None,
        "called": estimator.names_.tolist(),
        "confidence": estimator.confidence_.note() if estimator.confidence_ else None,
    }
    tensors = {f"learner/{name}": value for name, value in made.state_dict().items()}
    support = {"examples": torch.from_numpy(estimator.examples_), "y": torch.from_numpy(estimator.y_)}
    if estimator.confidence_:
        tensors |= {f"confidence/{name}": value for name, value in estimator.confidence_.tensors().items()}
    if isinstance(reads, Records):
        tensors |= {f"reader/{name}": torch.from_numpy(value) for name, value in reads.note().items()}
    runs.write_tensors(path, tensors | support, note)
    return path


def load(path: Path, kind: type[E]) -> E:
    """The estimator in the file ``path``, fitted; UserError where it is none, or another one."""
    tensors, note = _read(path)
    if note["estimator"] != kind.__name__:
        raise UserError(f"{path} holds a {note['estimator']}. Load it with {note['estimator']}.load.")
    with _undamaged(path):
        return _made(kind, tensors, note, path)


def _made(kind: type[E], tensors: dict[str, torch.Tensor], note: dict[str, Any], path: Path) -> E:
    made = kind(
        learner=note["learner"] if note["untrained"] else None,
        weights=None if note["untrained"] else str(path.resolve()),
        inner_steps=note["inner_steps"],
    )
    made.learner_ = _learner(tensors, note, path).to(pick_device(made.device))
    made._reader = reader(made.learner_)
    if isinstance(made._reader, Rows):
        made._reader.levels = note["levels"]
    if isinstance(made._reader, Records):
        made._reader.restore({name: value.numpy() for name, value in _below("reader/", tensors).items()})
    if note["columns"] is not None:
        made.n_features_in_ = note["columns"]
    if note["names"]:
        made.feature_names_in_ = np.array(note["names"], dtype=object)
    if note["classes"] is not None:
        made.classes_ = np.array(note["classes"]["labels"], dtype=note["classes"]["dtype"])
    made.confidence_ = _confidence(tensors, note, path)
    names = np.array(note.get("called") or [""] * len(tensors["y"]))
    made._keep(tensors["examples"].numpy(), tensors["y"].numpy(), names)
    return made


def learner(path: Path) -> tuple[Learner, Confidence | None]:
    """The learner of the estimator in the file ``path``, and what is known of how far to trust it."""
    tensors, note = _read(path)
    with _undamaged(path):
        return _learner(tensors, note, path), _confidence(tensors, note, path)


def spec(path: Path) -> Spec:
    """What the learner of the estimator in the file ``path`` takes, without reading its weights."""
    note = _got(path, runs.read_note)
    _check(note, True, path)
    with _undamaged(path):
        return _spec(note)


@contextlib.contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Within it, what does not fit together in ``path`` is a UserError."""
    try:
        yield
    except UserError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is damaged ({type(error).__name__}: {error}). Restore it from a copy, or fit the examples again."
        ) from error


def _learner(tensors: dict[str, torch.Tensor], note: dict[str, Any], path: Path) -> Learner:
    made = learners.build(note["learner"], _spec(note), learners.configure(note["learner"], note["config"]), seed=0)
    runs.load_weights(made, _below("learner/", tensors), path)
    if net := frozen(made):
        net.remember()  # the examples go through it again whenever there is one more
    return made.eval()


def _spec(note: dict[str, Any]) -> Spec:
    return checked(Spec(**note["spec"]), name=lambda field: f"spec.{field}")


def _confidence(tensors: dict[str, torch.Tensor], note: dict[str, Any], path: Path) -> Confidence | None:
    own = note.get("confidence")
    return parse(_below("confidence/", tensors), own, path) if own else None


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    tensors, note = _got(path, runs.read_tensors)
    _check(note, {"examples", "y"} <= tensors.keys(), path)
    return tensors, note


def _got(path: Path, read: Callable[[Path], T]) -> T:
    """What ``read`` reads of the file ``path``; UserError where it is no model."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise UserError(f"{path} {what}; expected a file that save, or quickstudy fit, wrote.")
    try:
        return read(path)
    except UserError as error:
        raise UserError(
            f"{path} is damaged, or no model at all ({error.__cause__}). Expected a file that save, or quickstudy fit, "
            f"wrote."
        ) from error


def _check(note: dict[str, Any], whole: bool, path: Path) -> None:
    """UserError unless ``note`` is an estimator's that this version reads, and the file ``whole``."""
    if "estimator" not in note or not whole:
        raise UserError(f"{path} holds no estimator. Expected a file that save wrote.")
    if not isinstance(note.get("format"), int) or note["format"] > FORMAT:
        raise UserError(
            f"{path} has format {note.get('format')} (quickstudy {note.get('version')}), and this is quickstudy "
            f"{quickstudy.__version__}, which reads up to {FORMAT}. Upgrade quickstudy."
        )


def _labels(classes: np.ndarray[Any, Any]) -> dict[str, Any]:
    labels = classes.astype(str).tolist() if classes.dtype.kind == "M" else classes.tolist()
    if not all(isinstance(label, PLAIN) for label in labels):
        raise UserError(
            f"labels such as {labels[0]!r} ({type(labels[0]).__name__}) cannot be written down. Use words or numbers."
        )
    return {"dtype": classes.dtype.str, "labels": labels}
