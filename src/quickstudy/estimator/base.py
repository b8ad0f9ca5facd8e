"""What both estimators share: a learner, the support that it has been given so far, and what it found in it.

All of the support is kept, so that ``partial_fit`` is equal to ``fit`` on all of it, and ``forget`` to ``fit`` on what
remains: adapting is a matter of milliseconds.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from quickstudy.confidence import Confidence
from quickstudy.devices import pick_device
from quickstudy.errors import UserError
from quickstudy.estimator import hub, saved, source
from quickstudy.estimator.inputs import Array, Found, Places, Reader
from quickstudy.estimator.readers import plain, reader
from quickstudy.learners.base import Adapted, Learner, Prediction
from quickstudy.nets.frozen import frozen
from quickstudy.scoring import EXAMPLES
from quickstudy.tasks.base import Examples, Kind
from quickstudy.tasks.places import watched

SEEN = 64
"""Pictures between two steps of the progress bar."""


class FewShot(BaseEstimator):  # type: ignore[misc]
    """Base of both estimators."""

    kind: ClassVar[Kind]
    confidence_: Confidence | None = None
    """What is known of how far the learner's answers can be trusted."""
    weights_: str | Path | None
    """Those that were taken, where ``weights`` leaves the choice."""

    def __init__(
        self,
        learner: str | None = None,
        weights: str | Path | None = "default",
        *,
        inner_steps: int | None = None,
        device: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.learner = learner
        self.weights = weights
        self.inner_steps = inner_steps
        self.device = device
        self.random_state = random_state

    def save(self, path: Path | str) -> Path:
        """Write everything that is needed to predict, and to learn more, into one file; returns its path."""
        return saved.save(self, Path(path).expanduser())

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The estimator that ``save`` wrote; UserError for a file that is none, or of the other kind."""
        return saved.load(Path(path).expanduser(), cls)

    @classmethod
    def from_pretrained(cls, name: Path | str, *, device: str = "auto") -> Self:
        """An estimator with weights that are there, or fetched now; it has still to be fitted.

        ``name`` is that of weights that come with the package, the path of a run folder or of a saved estimator, or an
        entry of the Hugging Face hub (owner/name, or owner/name@revision). UserError where it is none of these, or of
        the other kind of task.
        """
        place = hub.fetched(str(name)) if hub.is_id(str(name)) else name
        source.trained(place, cls.kind)
        return cls(weights=place if isinstance(place, Path) else str(place), device=device)

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """What goes wrong within it leaves the estimator as it was."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _source(self, X: Any, y: Any = None) -> tuple[Learner | None, Reader]:
        """The trained learner for examples such as ``X`` with ``y``, if there is one, and how it has them."""
        own = isinstance(self.weights, str) and self.weights == "default"
        weights = source.default(self.learner, self.kind, X, y) if own else self.weights
        self.weights_ = weights
        if weights is None:
            self.confidence_ = None
            return None, plain(X, gaps=own and self.learner is None and self.kind == "classification")
        made, self.confidence_ = source.trained(weights, self.kind)
        if self.learner not in (None, self._name(made)):
            raise UserError(f"learner is {self.learner!r}, and {self.weights} holds {self._name(made)}.")
        return made, reader(made)

    @staticmethod
    def _read_place(reads: Reader, place: str | os.PathLike[str]) -> Found:
        """Every example in ``place``, a file or folder, with what it is."""
        if not isinstance(reads, Places):
            raise UserError(f"{place} is a path, and this learner takes no files. Give weights of one that does.")
        return reads.read_place(Path(place).expanduser())

    def _begin(self, made: Learner | None, reads: Reader, kept: Array) -> None:
        """Take ``made``, or a learner that needs no training for examples such as ``kept``."""
        name = self._name(made) if made else self.learner or source.PLAIN
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        made = made or source.untrained(name, self.kind, reads.shape(kept), reads.form, seed)
        steps: Any = self.inner_steps
        if steps is not None and not (made.traits.gradient and isinstance(steps, int | np.integer) and steps >= 0):
            takes = "a whole number of 0 or more" if made.traits.gradient else f"None, for {name} takes no inner steps"
            raise UserError(f"inner_steps is {steps!r}; expected {takes}.")
        self.learner_, self._reader = made.to(pick_device(self.device)), reads

    @staticmethod
    def _name(made: Learner) -> str:
        from quickstudy.learners import name_of

        return name_of(type(made))

    def _keep(self, kept: Array, y: Array, names: Array) -> None:
        """Learn from ``kept`` and ``y``, and from nothing else."""
        self.examples_, self.y_, self.names_ = kept, y, names
        self.adapted_ = self._adapt(kept, y)

    @torch.no_grad()
    def _adapt(self, kept: Array, y: Array) -> Adapted:
        x, mask = self._support(kept), torch.ones(len(kept), dtype=torch.bool)
        support = Examples(x, self._targets(y), mask).to(self._device())
        return self.learner_.adapt(support, self.inner_steps)

    def _support(self, kept: Array) -> Tensor:
        """The inputs that ``kept`` are; of a frozen net its features, made of a few at a time."""
        net = frozen(self.learner_)
        if net is None:
            return self._reader.inputs(kept, kept)
        parts = [kept[at : at + SEEN] for at in range(0, len(kept), SEEN)]
        with watched("Looking at the pictures", len(kept)) as advance:
            made = []
            for part in parts:
                made.append(net.embed(self._reader.inputs(part, kept).to(self._device())))
                advance(len(part))
        return torch.cat(made)

    def _targets(self, y: Array) -> Tensor:
        """[n, way] or [n, d] what the learner is told."""
        raise NotImplementedError

    def _predict(self, X: Any) -> list[Prediction]:
        """Predictions for a few examples at a time."""
        check_is_fitted(self, "adapted_")
        return self._answers(self._reader.read(X, self, first=False), self.adapted_, self.examples_)

    @torch.no_grad()
    def _answers(self, kept: Array, adapted: Adapted, support: Array) -> list[Prediction]:
        """The same of examples that were read, where ``support`` is what was learnt from."""
        answers = []
        for part in self._reader.inputs(kept, support).split(EXAMPLES):
            mask = torch.ones(len(part), dtype=torch.bool, device=self._device())
            answers.append(self.learner_.predict(adapted, part.to(self._device()), mask))
        return answers

    def _device(self) -> torch.device:
        return next(iter(self.learner_.state_dict().values()), torch.empty(0, device=pick_device(self.device))).device

    def _without(self, examples: Sequence[int] | int | None) -> Array:
        """[n] bool: the support but for these numbers; UserError for one that is not there."""
        check_is_fitted(self, "adapted_")
        stays = np.ones(len(self.y_), dtype=bool)
        numbers = np.asarray([] if examples is None else examples)
        if numbers.dtype == bool and numbers.shape == stays.shape:
            return ~numbers
        if len(numbers.ravel()) and numbers.dtype.kind not in "iu":
            raise UserError(f"examples is {examples!r}; expected their numbers, or a True or False for each of them.")
        for number in numbers.ravel().astype(int):
            if not -len(stays) <= number < len(stays):
                raise UserError(f"there is no example {number}; there are {len(stays)}, numbered from 0.")
            stays[number] = False
        return stays

    def _shrink(self, stays: Array) -> Self:
        if not stays.any():
            raise UserError("nothing would be left to learn from. Call fit with other examples instead.")
        with self._whole():
            self._keep(self.examples_[stays], self.y_[stays], self.names_[stays])
        return self
