"""The run folder: everything that a trained learner needs to stand alone.

run.json                 format, version, learner, its configuration, the training's, the family's spec, way of batching
weights.safetensors      the learner's parameters and buffers: the best validated, or the last
checkpoint.safetensors   what --resume needs: weights, optimiser, best weights so far; the counters are its metadata
metrics.jsonl            one object a logged step

Every file is written whole beside its place and then renamed, so a crash leaves the old one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

import quickstudy
from quickstudy import learners
from quickstudy.errors import UserError
from quickstudy.learners.base import Learner
from quickstudy.settings import checked
from quickstudy.tasks.base import Spec
from quickstudy.tasks.places import replace_file
from quickstudy.weights import BUNDLED, bundled

FORMAT = 1
RUNS = Path("runs")
CARD, WEIGHTS, CHECKPOINT, METRICS = "run.json", "weights.safetensors", "checkpoint.safetensors", "metrics.jsonl"


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """``write`` a temporary neighbour of ``path``, flush it to disk, rename it into place.

    Raises UserError where the folder cannot be written or the disk is full; nothing is left behind.
    """
    made = [folder for folder in (path.parent, *path.parent.parents) if not os.path.exists(folder)]
    try:
        replace_file(path, write)
    except BaseException as error:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if not isinstance(error, (OSError, SafetensorError)):
            raise
        advice = "Choose another folder, or make room and try again."
        raise UserError(f"cannot write {path}: {error}. {advice}") from error


class _Enough(Exception):  # noqa: N818, it is no error
    """There is a place to write to."""


def check_writable(path: Path) -> None:
    """UserError where ``write_atomic`` could not write ``path``, said before there is work that would be lost."""

    def stop(temporary: Path) -> None:
        raise _Enough

    with contextlib.suppress(_Enough):
        write_atomic(path, stop)


def now() -> str:
    """The time, as runs and rows have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    write_atomic(path, lambda temporary: write_text(temporary, text))


def write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any] | None = None) -> None:
    """``note`` is JSON kept in the same file, so that both are of the same moment."""
    ready = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {"note": json.dumps(note or {})}
    write_atomic(path, lambda temporary: safetensors.torch.save_file(ready, temporary, metadata))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and note of a file; UserError where it is missing or damaged."""
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _note(file)  # noqa: SIM118 - not a dict


def read_note(path: Path) -> dict[str, Any]:
    """The note alone, without reading the tensors."""
    with _opened(path) as file:
        return _note(file)


def _note(file: Any) -> dict[str, Any]:
    note: dict[str, Any] = json.loads((file.metadata() or {}).get("note", "{}"))
    return note


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file; UserError where it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing. Train the run again, or take the whole run folder along.") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}). Restore it from a copy, or train the run again.") from error


@dataclass(frozen=True)
class Run:
    """A run folder, read."""

    path: Path
    learner_name: str
    config: Any
    spec: Spec
    training: dict[str, Any]
    """Fields of TrainConfig, and what was found out at the start (``batching``)."""
    version: str
    members: frozenset[str]
    """Digests of the classes or units that it was trained on."""

    @property
    def name(self) -> str:
        return self.path.name

    def learner(self) -> Learner:
        """The trained learner in evaluation mode; UserError if its weights are missing, damaged or of another net."""
        weights = self.path / WEIGHTS
        if not weights.exists() and (self.path / CHECKPOINT).exists():
            raise UserError(f"{self.path} is unfinished. Go on with: quickstudy train --resume {self.path}")
        learner = learners.build(self.learner_name, self.spec, self.config, seed=0)
        tensors, _ = read_tensors(weights)
        load_weights(learner, tensors, weights)
        return learner.eval()

    def check_unseen(self, members: frozenset[str] | None, tasks: str) -> None:
        """UserError if any of ``members`` was trained on, whatever its family or split was called then."""
        seen = [member for member in sorted(members or ()) if digest(member) in self.members]
        if seen:
            raise UserError(
                f"{self.path} was trained on {len(seen)} of the classes or units of {tasks} "
                f"({', '.join(seen[:3])} ...), so its score there says nothing about new ones. "
                f"Evaluate it on others, or train on another split."
            )

    def trained(self) -> dict[str, Any]:
        """Tasks, settings and clocks of the training, for a result that stands alone."""
        clocks = {}
        with contextlib.suppress(OSError, ValueError, IndexError):
            last = json.loads((self.path / METRICS).read_text(encoding="utf-8").splitlines()[-1])
            clocks = {name: last[name] for name in ("step", "wall_s", "cpu_s") if name in last}
        return {"tasks": self.spec.name, "config": dataclasses.asdict(self.config)} | self.training | clocks


def digest(member: str) -> str:
    """Short hash of the name of a class or unit: enough to recognise it, without telling it."""
    return hashlib.sha256(member.encode()).hexdigest()[:16]


def load_weights(learner: Learner, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put ``tensors`` into ``learner``; UserError where names, shapes or numbers are not right."""
    try:
        learner.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise UserError(f"{path} does not fit run.json beside it: {str(error).splitlines()[1].strip()}") from error
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise UserError(f"{path} holds numbers that are not finite in {name}. Train the run again.")


def describe(
    path: Path,
    learner_name: str,
    config: Any,
    spec: Spec,
    training: Mapping[str, Any],
    members: frozenset[str] | None,
) -> Run:
    """The run that a folder will hold; nothing is written yet."""
    trained_on = frozenset(digest(member) for member in members or ())
    return Run(path, learner_name, config, spec, dict(training), quickstudy.__version__, trained_on)


def write_card(run: Run) -> None:
    """Make the folder of ``run`` with its run.json."""
    card = {
        "format": FORMAT,
        "version": run.version,
        "created": now(),
        "learner": run.learner_name,
        "config": dataclasses.asdict(run.config),
        "spec": dataclasses.asdict(run.spec),
        "training": run.training,
        "members": sorted(run.members),
    }
    write_json(run.path / CARD, card)


def load(path: Path | str) -> Run:
    """The run in a folder; UserError where it is none, is damaged, or comes from a newer version."""
    return parse(*read(path))


def read(path: Path | str) -> tuple[Path, Any]:
    """The run folder that ``path`` names, and the JSON of its run.json."""
    path = Path(path)
    if not path.exists() and (RUNS / path).exists():
        path = RUNS / path
    elif not (path / CARD).is_file() and (own := bundled(str(path))):  # a folder of pictures may be called photos
        path = own
    if not (path / CARD).is_file():
        raise UserError(
            f"{path} is not a run folder: it has no run.json. `quickstudy list runs` shows those there are; "
            f"{' and '.join(BUNDLED)} come with the package."
        )
    try:
        return path, json.loads((path / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def parse(path: Path, card: Any) -> Run:
    """The run that ``card`` describes."""
    try:
        return _parse(path, card)
    except UserError as error:
        raise UserError(f"{path / CARD}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error


def learner_of(run: Run | Learner) -> Learner:
    """The learner of a run; one that needed no training is itself."""
    return run if isinstance(run, Learner) else run.learner()


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path / CARD} is damaged ({type(error).__name__}: {error}). Restore it from a copy, or train again."
    )


def _parse(path: Path, card: dict[str, Any]) -> Run:
    found = card["format"]
    if isinstance(found, int) and found > FORMAT:
        raise UserError(
            f"this run has format {found} (quickstudy {card.get('version')}), and this is quickstudy "
            f"{quickstudy.__version__}, which reads up to {FORMAT}. Upgrade quickstudy."
        )
    spec = checked(Spec(**card["spec"]), name=lambda field: f"spec.{field}")
    config = learners.configure(card["learner"], card["config"])
    training = dict(card["training"].items())
    return Run(path, card["learner"], config, spec, training, str(card["version"]), frozenset(card["members"]))


def new_path(learner_name: str, tasks: str, parent: Path = RUNS) -> Path:
    """A folder name that is not taken: runs/protonet-omniglot-1."""
    words = tasks.replace(",", "+").replace("=", "").replace("*", "x")
    words = re.sub(r"[^\w.+-]+", "-", words)[:120]  # a name may hold a path
    name = learner_name.rpartition(":")[2].lower()
    number = 1
    while (path := parent / f"{name}-{words}-{number}").exists():
        number += 1
    return path
