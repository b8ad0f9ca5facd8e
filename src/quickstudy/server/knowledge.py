"""What is known of a model while it is at hand: its examples, and what adaptation found in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from quickstudy.estimator.inputs import Array, Numbers, Reader
from quickstudy.estimator.rows import Rows
from quickstudy.estimator.source import PLAIN
from quickstudy.learners.base import Adapted
from quickstudy.server import arithmetic, labels
from quickstudy.server.labels import Label
from quickstudy.server.refusals import ClashError
from quickstudy.server.served import Served, depends_on_support, unpacked
from quickstudy.server.store import Example, Model, Note, State

MOST_STORED = 2_000_000
"""Bytes of an adapted state that is written down beside its examples."""


@dataclass(frozen=True)
class Support:
    """All examples of a model."""

    version: int
    numbers: list[int]
    labels: list[Label]
    kept: Array | None
    """[n, ...]; None where there are none."""
    note: Note
    features: Tensor | None = None
    """[m, ...] what the net makes of the first m of them."""

    @property
    def bytes(self) -> int:
        """What it takes of the memory, about."""
        features = 0 if self.features is None else self.features.nbytes
        return 1000 + 100 * len(self.labels) + (0 if self.kept is None else self.kept.nbytes) + features

    def with_more(self, kept: Array, more: Sequence[Label], note: Note, earlier: Array | None) -> Support:
        """With ``more`` examples; ``earlier`` is what is kept of those before, if that changes."""
        before = self.kept if earlier is None else earlier
        together = kept if before is None else np.concatenate([before, kept])
        features = self.features if earlier is None else None
        return replace(self, labels=[*self.labels, *more], kept=together, note=note, features=features)

    def without(self, gone: set[int]) -> Support:
        """Without the examples of these numbers."""
        stays = [at for at, number in enumerate(self.numbers) if number not in gone]
        whole = self.features is not None and len(self.features) == len(self.numbers)
        return replace(
            self,
            numbers=[self.numbers[at] for at in stays],
            labels=[self.labels[at] for at in stays],
            kept=self.kept[stays] if self.kept is not None and stays else None,
            features=self.features[stays] if self.features is not None and whole and stays else None,
        )


@dataclass(frozen=True)
class Ready:
    """A model that can be asked."""

    version: int
    labels: list[tuple[Label, int]]
    """Of each class its label, and how many examples there are."""
    adapted: Adapted

    @property
    def classes(self) -> list[Label]:
        """Their labels."""
        return [label for label, _ in self.labels]

    def degree(self, served: Served) -> float:
        """The temperature of probabilities."""
        return served.degree(len(self.labels), min(count for _, count in self.labels))

    def threshold(self, served: Served, coverage: float) -> float:
        """The largest 1 - p of a label in the answer set; RefusedError where nothing of that kind was measured."""
        return served.threshold(len(self.labels), min(count for _, count in self.labels), coverage)

    @property
    def bytes(self) -> int:
        """What it takes of the memory, about."""
        return 1000 + 60 * len(self.labels) + sum(200 + value.nbytes for value in self.adapted.values())


def reader_of(served: Served, note: Note) -> Reader:
    """The learner's reader with what it has to remember."""
    if served.name == PLAIN:
        return Numbers(note.columns)
    reads = served.reader()
    if isinstance(reads, Rows):
        reads.levels = {name: dict(words) for name, words in note.levels.items()}
    return reads


def support_of(served: Served, model: Model, examples: list[Example]) -> Support:
    """The examples of ``model`` as they are stored."""
    kept = (
        unpacked([one.kept for one in examples], reader_of(served, model.note), model.note.columns)
        if examples
        else None
    )
    known = [one.label for one in examples]
    return Support(model.version, [one.number for one in examples], known, kept, model.note)


def completed(served: Served, support: Support) -> Support:
    """``support`` with the features of all its examples: those that are known are not computed again."""
    if support.kept is None:
        return support
    reads, known = reader_of(served, support.note), support.features
    if known is None or depends_on_support(reads):
        return replace(support, features=served.features(reads.inputs(support.kept, support.kept)))
    if len(known) == len(support.labels):
        return support
    new = served.features(reads.inputs(support.kept[len(known) :], support.kept))
    return replace(support, features=torch.cat([known, new]))


def learnt(served: Served, support: Support) -> tuple[Support, Adapted]:
    """``support`` with all its features, and what adaptation finds in them."""
    whole = completed(served, support)
    assert whole.features is not None
    numbers = labels.numbers(whole.labels)
    return whole, arithmetic.adapt(served, whole.features, numbers, len(labels.counted(whole.labels)))


def written(served: Served, adapted: Adapted) -> State | None:
    """For the store; None for what is found anew in less time than it takes to write with every change."""
    if sum(value.nbytes for value in adapted.values()) > MOST_STORED:
        return None
    return State(served.digest, safetensors.torch.save(adapted))


def ready(model: Model, state: State) -> Ready:
    """From the store."""
    return Ready(model.version, model.labels, safetensors.torch.load(state.tensors))


def check_learnt(model: Model) -> None:
    """ClashError for a model that has no example yet."""
    if not model.labels:
        raise ClashError(f"the model {model.id} has no examples yet. Add some: POST /v1/models/{model.id}/examples.")


def json_of(model: Model, form: str) -> dict[str, Any]:
    """A model as it is shown."""
    return {
        "id": model.id,
        "learner": model.learner,
        "kind": "classification",
        "input": form,
        "labels": [{"label": label, "examples": count} for label, count in model.labels],
        "examples": model.examples,
        "version": model.version,
        "created": model.created,
        "updated": model.updated,
    }
