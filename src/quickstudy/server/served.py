"""The learners that models are made from."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from quickstudy import learners
from quickstudy.confidence import Confidence, check_coverage
from quickstudy.errors import UserError, unknown
from quickstudy.estimator import source
from quickstudy.estimator.cases import Cases
from quickstudy.estimator.inputs import Array, Numbers, Reader
from quickstudy.estimator.pictures import Pictures
from quickstudy.estimator.readers import reader
from quickstudy.estimator.rows import Rows
from quickstudy.inner.playing import convolves_on_cpu
from quickstudy.learners.base import Learner
from quickstudy.learners.heads import halves
from quickstudy.nets import lite0
from quickstudy.nets.backbone import Backbone
from quickstudy.server.padding import Pads, pads
from quickstudy.server.refusals import RefusedError
from quickstudy.tasks.base import Kind
from quickstudy.weights import BUNDLED

KIND: Kind = "classification"
DEFAULT = "characters"
InputForm = Literal["pictures", "rows", "numbers", "terms"]
TOGETHER = 64
"""Examples that go through a net at once."""


@dataclass(frozen=True)
class Served:
    """A learner that is ready to adapt."""

    name: str
    """What the server calls it."""
    learner: Learner
    head: Learner
    """What adapts to features [n, ...] and predicts from them: the learner itself where it has no net of its own."""
    net: Backbone | None
    """What makes features of each input on its own, if anything does."""
    pads: Pads
    """How far its tasks can be padded and stacked."""
    digest: str
    """Hash of what decides its answers."""
    confidence: Confidence | None = None
    """How far to trust its probabilities, if that was measured."""

    def degree(self, way: int, shot: int) -> float:
        """The temperature of its probabilities for so many classes, of which the smallest has ``shot`` examples."""
        return self.confidence.degree(way, shot) if self.confidence else 1.0

    def threshold(self, way: int, shot: int, coverage: float) -> float:
        """The largest 1 - p in the answer set of so many classes, of which the smallest has ``shot`` examples.

        UserError for a coverage that is no share; RefusedError where it was not measured what holds so often.
        """
        check_coverage(coverage)
        if self.confidence is None:
            raise RefusedError(
                f"how far {self.name} can be trusted was not measured, so it has no answer sets. Leave coverage out, "
                "or take a learner that is calibrated (GET /v1/learners says which are): quickstudy calibrate RUN."
            )
        if not self.confidence.measured(way, shot):
            ways = self.confidence.ways
            raise RefusedError(
                f"there are {way} labels with {shot} or more examples each, and how far {self.name} can be trusted was "
                f"measured for {ways[0]} to {ways[-1]} labels with {self.confidence.shots[0]} or more. Leave coverage "
                "out."
            )
        return self.confidence.threshold(way, shot, coverage)

    @property
    def stacks(self) -> bool:
        """Whether users' tasks go through the head in one call."""
        return self.pads.tasks and not (self.net is None and convolves_on_cpu(self.learner))

    def reader(self) -> Reader:
        """How it has its inputs."""
        return reader(self.learner)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """[n, ...] what the head takes of inputs ``x`` [n, *shape]."""
        if self.net is None:
            return x
        return torch.cat([*map(self.net.embed, x.split(TOGETHER))])

    @torch.no_grad()
    def place(self, x: Tensor) -> Tensor:
        """[n, f] where what the head takes of inputs, ``x`` [n, ...], lies: near to what is taken for alike."""
        backbone = next((part for part in self.learner.modules() if isinstance(part, Backbone)), None)
        if self.net is None and backbone is not None:
            x = backbone.embed(x)
        x = x.flatten(1)
        return nn.functional.normalize(x, dim=-1) if getattr(self.learner.config, "distance", "") == "cosine" else x


def served(name: str, learner: Learner, confidence: Confidence | None = None) -> Served:
    """``learner`` made ready."""
    found = halves(learner)
    head = found.head if found else learner
    return Served(name, learner, head, found.net if found else None, pads(head), digest(learner), confidence)


def digest(learner: Learner) -> str:
    """Hash of name, settings, inputs and weights."""
    name = learners.name_of(type(learner))
    return digest_of(name, asdict(learner.config), asdict(learner.spec), learner.state_dict())


def digest_of(name: str, config: Mapping[str, Any], spec: Mapping[str, Any], weights: Mapping[str, Tensor]) -> str:
    """The same of a learner that is only described."""
    about = [name, config, spec["kind"], spec["shape"], spec["form"]]
    of = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for key, value in sorted(weights.items()):
        of.update(f"{key} {value.dtype} {list(value.shape)}".encode())
        of.update(value.detach().cpu().contiguous().numpy().tobytes())
    return of.hexdigest()[:32]


class Catalogue:
    """Learners by name: those that come with the package, and those that were named at the start.

    ``photos`` is there where its net is installed.
    """

    def __init__(self, weights: Mapping[str, str]) -> None:
        self.trained: dict[str, Served] = {}
        self._digests: dict[str, set[str]] = {}
        own = {name: name for name in BUNDLED if name != "photos" or lite0.installed()}
        for name, place in (own | dict(weights)).items():
            if name == source.PLAIN:
                raise UserError(f"--weights names {name}, which needs none. Give them another name.")
            whole, known = source.trained(place, KIND)
            self.trained[name] = served(name, whole.lean(), known)
            self._digests[name] = {digest(whole), self.trained[name].digest}

    def names(self) -> list[str]:
        """All of them, the default first."""
        return [*self.trained, source.PLAIN]

    def get(self, name: str, width: int = 0) -> Served:
        """The learner of that name, where it needs no training for inputs of ``width`` numbers; UserError for none."""
        if name == source.PLAIN:
            return plain(width)
        if name not in self.trained:
            raise unknown("learner", name, self.names())
        return self.trained[name]

    def digests(self, served: Served) -> set[str]:
        """Of the learner as it is served, and as it was trained."""
        return self._digests.get(served.name, {served.digest})

    def form(self, name: str) -> InputForm:
        """What the learner takes."""
        if name == source.PLAIN:
            return "numbers"
        return form_of(self.get(name).reader())

    def describe(self) -> list[dict[str, Any]]:
        """What can be asked for."""
        return [self._about(name) for name in self.names()]

    def _about(self, name: str) -> dict[str, Any]:
        size: Any = None
        if name != source.PLAIN:
            spec = self.get(name).learner.spec
            size = list(spec.shape) if len(spec.shape) == 3 else spec.shape[0] // (2 if spec.form == "rows" else 1)
        made = name if name == source.PLAIN else learners.name_of(type(self.get(name).learner))
        about = {"name": name, "learner": made, "kind": KIND, "input": self.form(name), "default": name == DEFAULT}
        measured = name != source.PLAIN and self.get(name).confidence is not None
        return about | {"size": size, "calibrated": measured}


@functools.lru_cache(maxsize=64)
def plain(width: int) -> Served:
    """The learner that needs no training, for ``width`` numbers."""
    return served(source.PLAIN, source.untrained(source.PLAIN, KIND, (max(width, 1),), "numbers", 0))


def form_of(reads: Reader) -> InputForm:
    """The word for what ``reads`` reads."""
    forms: dict[type[Reader], InputForm] = {Pictures: "pictures", Rows: "rows", Numbers: "numbers", Cases: "terms"}
    return forms[type(reads)]


def depends_on_support(reads: Reader) -> bool:
    """Whether inputs are what they are only beside all that was learnt from."""
    return isinstance(reads, Rows)


def kept_type(reads: Reader) -> type[np.generic]:
    """The numpy type of what ``reads`` keeps."""
    types: dict[type[Reader], type[np.generic]] = {
        Pictures: np.uint8,
        Rows: np.float64,
        Numbers: np.float32,
        Cases: np.int8,
    }
    return types[type(reads)]


def shape_of(reads: Reader, width: int) -> tuple[int, ...]:
    """The shape of what ``reads`` keeps of one input, which has ``width`` columns if it is a row."""
    if isinstance(reads, Pictures):
        return reads.channels, reads.size, reads.size
    return (len(reads.names),) if isinstance(reads, Cases) else (width,)


def unpacked(blobs: list[bytes], reads: Reader, width: int) -> Array:
    """[n, ...] what was kept, from bytes; UserError where they are not of this reader."""
    try:
        flat = np.frombuffer(b"".join(blobs), kept_type(reads))
        found: Array = flat.reshape(len(blobs), *shape_of(reads, width))
    except ValueError as error:
        raise UserError(
            "its examples were read for inputs of another size. Start the server with the weights it was made with."
        ) from error
    return found
