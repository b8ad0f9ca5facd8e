"""What routes ask for: models that are made, changed and asked, with database, pictures and arithmetic on threads.

A change is planned on the version at hand and kept if that is still the newest, else planned again.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import weakref
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from quickstudy.devices import cores
from quickstudy.estimator.inputs import Array, Reader
from quickstudy.estimator.pictures import Pictures
from quickstudy.server import arithmetic, inputs, knowledge, labels, recommender
from quickstudy.server.arithmetic import Question
from quickstudy.server.database import Database
from quickstudy.server.decoders import Decoders
from quickstudy.server.for_you import ForYou
from quickstudy.server.inputs import Given, Read
from quickstudy.server.keyring import Keyring
from quickstudy.server.knowledge import Ready, Support
from quickstudy.server.labels import Label
from quickstudy.server.memory import Memory
from quickstudy.server.metrics import Metrics
from quickstudy.server.refusals import ClashError, NotThereError, TooLargeError
from quickstudy.server.served import DEFAULT, Catalogue, Served, depends_on_support
from quickstudy.server.settings import Settings
from quickstudy.server.store import Change, Model, Note, Store
from quickstudy.server.together import Together

TRIES = 50
"""How often a change is planned anew while other servers change the same model."""
BATCH = 64
"""Inputs that go through a net together."""
TAKEN = ("import",)
"""What stands in addresses where the id of a model does."""
T = TypeVar("T")


class Answer(NamedTuple):
    """What a model says."""

    classes: list[Label]
    logits: Tensor
    """[n, classes]."""
    degree: float
    """The temperature of their probabilities."""
    version: int
    most: float | None = None
    """The largest 1 - p of a label in the answer sets, where these were asked for."""


class Plan(NamedTuple):
    """What a change makes of a model's examples."""

    support: Support
    change: Callable[..., Change]
    """Takes what is the same for all changes: labels, note, state."""


def new_id(id: str | None) -> str:
    """``id``, or one that is made up; ClashError for one that is another address."""
    if id in TAKEN:
        raise ClashError(f"a model cannot be called {id}: /v1/models/{id} is an address of its own. Choose another id.")
    return id or f"m-{secrets.token_hex(8)}"


class Service:
    """Everything behind the routes."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.limits, self.started = settings, settings.limits, time.monotonic()
        tastes, rest = recommender.divided(settings.weights)
        self.for_you, self.catalogue = ForYou(tastes), Catalogue(rest)
        database = Database(settings.store)
        self.store, self.keyring, self.metrics = Store(database), Keyring(database), Metrics()
        # operators of several threads wait for the slowest of them, which must not be one that reads pictures
        threads = settings.threads or max(cores() - settings.decoders, 1)
        self._torch = ThreadPoolExecutor(1, "arithmetic", partial(torch.set_num_threads, threads))
        self._aside = ThreadPoolExecutor(1, "aside", partial(torch.set_num_threads, 1))
        self._decoders = Decoders(settings.decoders, cores())
        self._database = ThreadPoolExecutor(4, "database")
        half = int(settings.memory_mb * 1e6 / 2)
        self.states: Memory[Ready] = Memory(half)
        self.supports: Memory[Support] = Memory(half)
        self._lookups: Together[tuple[int, str], Model] = Together(self.store.find, self._database, most=200)
        self._loads: Together[Model, Ready] = Together(self._load, self._database, most=50)
        self._predictions: Together[Question, Tensor] = Together(
            arithmetic.answer,
            self._torch,
            most=BATCH,
            window_s=settings.window_ms / 1000,
            size=lambda question: len(question.kept),
            seen=self.metrics.batch,
        )
        self._locks: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    def close(self) -> None:
        """Let what is under way end, and close the store."""
        self._decoders.close()
        self.for_you.close()
        for pool in (self._torch, self._aside, self._database):
            pool.shutdown(wait=True, cancel_futures=True)
        self.store.database.close()

    # models

    async def model(self, owner: int, id: str) -> Model:
        """The model; NotThereError for none."""
        return await self._lookups.ask((owner, id))

    async def create(self, owner: int, id: str | None, learner: str | None) -> Model:
        """A new model without examples."""
        name = learner or DEFAULT
        self.catalogue.get(name)
        made = new_id(id)
        return await self.on_database(self.store.create, owner, made, name, self.limits.models)

    async def page(self, owner: int, after: str, limit: int) -> list[Model]:
        """Models in the order of their ids."""
        return await self.on_database(self.store.page, owner, after, limit)

    async def delete(self, owner: int, id: str) -> None:
        """Forget a model."""
        model = await self.model(owner, id)
        await self.on_database(self.store.delete, owner, id)
        self.states.forget(model.pk)
        self.supports.forget(model.pk)

    def served(self, model: Model) -> Served:
        """The learner of ``model``; ClashError where this server does not have it."""
        if model.learner not in self.catalogue.names():
            raise ClashError(
                f"the model {model.id} was made from {model.learner}, which this server does not have. Start it with "
                f"--weights {model.learner}=PATH."
            )
        return self.catalogue.get(model.learner, model.note.columns)

    def shown(self, model: Model) -> dict[str, Any]:
        """A model as JSON."""
        known = model.learner in self.catalogue.names()
        return knowledge.json_of(model, self.catalogue.form(model.learner) if known else "pictures")

    # changes

    async def add(self, owner: int, id: str, told: Sequence[Label], given: Sequence[Given]) -> tuple[list[int], Model]:
        """Learn from more examples; their numbers, and the model then."""
        known = [labels.checked(label, self.limits.label_characters) for label in told]
        model = await self.model(owner, id)
        if model.examples + len(known) > self.limits.examples:
            raise TooLargeError(
                f"there would be {model.examples + len(known)} examples, and a model may have {self.limits.examples}."
            )

        async def plan(served: Served, before: Support) -> Plan:
            reads, earlier = knowledge.reader_of(served, before.note), before.kept
            read = await self.read(given, reads, before.note, earlier)
            rewritten = (
                ()
                if read.earlier is None
                else [(number, kept.tobytes()) for number, kept in zip(before.numbers, read.earlier, strict=True)]
            )
            added = [(label, kept.tobytes()) for label, kept in zip(known, read.kept, strict=True)]
            support = before.with_more(read.kept, known, read.note, read.earlier)
            return Plan(support, partial(Change, added=added, rewritten=rewritten))

        done = await self._changed(owner, id, plan)
        return list(range(done.next_example - len(known), done.next_example)), done

    async def forget(self, owner: int, id: str, gone: Callable[[Support], set[int]]) -> Model:
        """Unlearn the examples whose numbers ``gone`` finds."""

        async def plan(served: Served, before: Support) -> Plan:
            removed = gone(before)
            return Plan(before.without(removed), partial(Change, removed=removed))

        return await self._changed(owner, id, plan)

    async def rename(self, owner: int, id: str, old: Label, new: Label) -> Model:
        """Call a label otherwise; one that is there already takes its examples too."""
        name = labels.checked(new, self.limits.label_characters)

        async def plan(served: Served, before: Support) -> Plan:
            known = [name if label == old else label for label in before.labels]
            return Plan(replace(before, labels=known), partial(Change, relabelled=(old, name)))

        return await self._changed(owner, id, plan)

    async def _changed(self, owner: int, id: str, plan: Callable[[Served, Support], Awaitable[Plan]]) -> Model:
        first = await self.model(owner, id)
        lock = self._locks.setdefault(first.pk, asyncio.Lock())
        async with lock:
            for _ in range(TRIES):
                model = await self.model(owner, id)
                served = self.served(model)
                planned = await plan(served, await self.support(model))
                done = await self._keep(model, planned)
                if done is not None:
                    return done
        raise ClashError(f"the model {id} is being changed by others all the time. Try again.")

    async def _keep(self, model: Model, planned: Plan) -> Model | None:
        support = planned.support
        counts = labels.counted(support.labels)
        if len(counts) > self.limits.classes:
            raise TooLargeError(f"there would be {len(counts)} labels, and a model may have {self.limits.classes}.")
        if len(support.labels) > self.limits.examples:
            raise TooLargeError(
                f"there would be {len(support.labels)} examples, and a model may have {self.limits.examples}."
            )
        served = self.catalogue.get(model.learner, support.note.columns)
        adapted = state = None
        if counts:
            support, adapted = await self.on_torch(knowledge.learnt, served, support)
            state = knowledge.written(served, adapted)
        change = planned.change(labels=counts, note=support.note, state=state)
        done = await self.on_database(self.store.change, model, change)
        if done is not None:
            self._remember(done, support, adapted)
        return done

    def _remember(self, model: Model, support: Support, adapted: dict[str, Tensor] | None) -> None:
        new = range(model.next_example - (len(support.labels) - len(support.numbers)), model.next_example)
        whole = replace(support, version=model.version, numbers=[*support.numbers, *new])
        self.supports.put(model.pk, whole, whole.bytes)
        if adapted is None:
            self.states.forget(model.pk)
        else:
            found = Ready(model.version, model.labels, adapted)
            self.states.put(model.pk, found, found.bytes)

    # questions

    async def predict(self, owner: int, id: str, given: Sequence[Given], coverage: float | None = None) -> Answer:
        """What the model says of each input; with ``coverage``, a share of new ones, which labels it may be then."""
        with self._predictions.coming() as arrived:
            model = await self.model(owner, id)
            knowledge.check_learnt(model)
            served, found = self.served(model), self.states.get(model.pk)
            if found is None or found.version != model.version:
                found = await self._loads.ask(model)
            most = None if coverage is None else found.threshold(served, coverage)
            kept, reads, beside = await self.inputs(model, given)
            arrived()
            question = Question(served, found.adapted, len(found.labels), kept, reads, beside)
            logits = await self._predictions.ask(question)
            return Answer(found.classes, logits, found.degree(served), found.version, most)

    async def inputs(self, model: Model, given: Sequence[Given]) -> tuple[Array, Reader, Array | None]:
        """[n, ...] inputs as they are kept, by which reader, and what was learnt from where that says what they are."""
        reads = knowledge.reader_of(self.served(model), model.note)
        beside = (await self.support(model)).kept if depends_on_support(reads) else None
        return (await self.read(given, reads, model.note)).kept, reads, beside

    async def read(self, given: Sequence[Given], reads: Reader, note: Note, earlier: Array | None = None) -> Read:
        """Inputs as they are kept."""
        if isinstance(reads, Pictures):
            return await self._decoders.run(inputs.read, given, reads, note, self.limits)
        return await self.on_threads(inputs.read, given, reads, note, self.limits, earlier)

    async def support(self, model: Model) -> Support:
        """All examples of the model, of its version or a later one."""
        found = self.supports.get(model.pk)
        if found is not None and found.version == model.version:
            return found
        now, examples = await self.on_database(self.store.whole, model.pk)
        made = knowledge.support_of(self.served(now), now, examples)
        self.supports.put(model.pk, made, made.bytes)
        return made

    async def whole_support(self, model: Model) -> Support:
        """The same with the features of all of them."""
        found = await self.support(model)
        whole = await self.on_torch(knowledge.completed, self.served(model), found)
        if whole is not found:
            self.supports.put(model.pk, whole, whole.bytes)
        return whole

    def _load(self, wanted: list[Model]) -> list[Ready | Exception]:
        """From the store; what another learner of that name has found is found anew."""
        stored = self.store.states([model.pk for model in wanted])
        answers: list[Ready | Exception] = []
        for asked in wanted:
            try:
                if asked.pk not in stored:
                    raise NotThereError(f"there is no model {asked.id} any more.")
                model, state = stored[asked.pk]
                served = self.served(model)
                if state is None or state.digest != served.digest:
                    found = self._anew(model)
                else:
                    found = knowledge.ready(model, state)
                self.states.put(model.pk, found, found.bytes)
                answers.append(found)
            except Exception as error:
                answers.append(error)
        return answers

    def _anew(self, model: Model) -> Ready:
        now, examples = self.store.whole(model.pk)
        knowledge.check_learnt(now)
        served = self.served(now)
        support = knowledge.support_of(served, now, examples)
        _, adapted = self._torch.submit(knowledge.learnt, served, support).result()
        if (state := knowledge.written(served, adapted)) is not None:
            self.store.settle(now, state)
        return Ready(now.version, now.labels, adapted)

    # threads

    async def on_database(self, work: Callable[..., T], *args: Any) -> T:
        """``work`` on a thread that may wait for the database."""
        return await asyncio.get_running_loop().run_in_executor(self._database, partial(work, *args))

    async def on_threads(self, work: Callable[..., T], *args: Any) -> T:
        """``work`` on a thread of no special kind."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders.threads, partial(work, *args))

    async def on_torch(self, work: Callable[..., T], *args: Any) -> T:
        """``work`` on the thread that adapts and predicts."""
        return await asyncio.get_running_loop().run_in_executor(self._torch, partial(work, *args))

    async def aside(self, work: Callable[..., T], *args: Any) -> T:
        """``work`` that takes long, on a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, partial(work, *args))
