"""Models and their examples in a database. Every method is one transaction, and blocks."""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from quickstudy.server.database import Database
from quickstudy.server.labels import Label, written
from quickstudy.server.refusals import ClashError, NotThereError, TooLargeError
from quickstudy.server.tables import examples, models, states

MANY = 500
"""Rows that one statement names."""


@dataclass(frozen=True)
class Note:
    """What a model's reader remembers of its examples."""

    columns: int = 0
    """Columns of a row; 0 before there is any, and for pictures."""
    names: list[str] = field(default_factory=list)
    """Names of the columns, where they have any."""
    levels: dict[str, dict[str, int]] = field(default_factory=dict)
    """Numbers of the words in each column that has any."""


@dataclass(frozen=True)
class Model:
    """A row of the table of models."""

    pk: int
    owner: int
    id: str
    learner: str
    version: int
    next_example: int
    labels: list[tuple[Label, int]]
    note: Note
    created: str
    updated: str

    @property
    def examples(self) -> int:
        """How many there are."""
        return sum(count for _, count in self.labels)


@dataclass(frozen=True)
class Example:
    """A row of the table of examples."""

    number: int
    label: Label
    kept: bytes
    created: str


@dataclass(frozen=True)
class State:
    """What adaptation found, as it is stored."""

    digest: str
    tensors: bytes


@dataclass(frozen=True, kw_only=True)
class Change:
    """What becomes of a model."""

    labels: list[tuple[Label, int]]
    note: Note
    state: State | None
    """None where no examples are left."""
    added: Sequence[tuple[Label, bytes]] = ()
    removed: Collection[int] = ()
    relabelled: tuple[Label, Label] | None = None
    rewritten: Sequence[tuple[int, bytes]] = ()
    """Examples that are kept otherwise from now on."""


class Store:
    """What is kept of models."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def create(self, owner: int, id: str, learner: str, most: int, change: Change | None = None) -> Model:
        """A new model, with the examples of ``change`` if there are any; ClashError where the id is taken."""
        now = _now()
        row = {"owner": owner, "id": id, "learner": learner, "version": 1, "next_example": 1}
        row |= {"labels": "[]", "note": "{}", "created": now, "updated": now}
        try:
            with self.database.writing() as connection:
                count = connection.execute(select(func.count()).where(models.c.owner == owner)).scalar_one()
                if count >= most:
                    raise TooLargeError(
                        f"there are {count} models already, and a key may have {most}. Delete one first."
                    )
                connection.execute(insert(models).values(**row))
                made = _model(_one(connection, owner, id))
                return made if change is None else _changed(connection, made, change)
        except IntegrityError as error:
            raise ClashError(f"there is a model {id} already. Choose another id, or delete it first.") from error

    def get(self, owner: int, id: str) -> Model:
        """The model; NotThereError for none."""
        with self.database.reading() as connection:
            return _model(_one(connection, owner, id))

    def find(self, wanted: Sequence[tuple[int, str]]) -> list[Model | Exception]:
        """The model of each (owner, id), or the error that there is none."""
        found: dict[tuple[int, str], Model] = {}
        with self.database.looking() as connection:
            for start in range(0, len(wanted), MANY):
                part = list({*wanted[start : start + MANY]})
                if len({owner for owner, _ in part}) == 1:
                    where = and_(models.c.owner == part[0][0], models.c.id.in_([id for _, id in part]))
                else:
                    where = tuple_(models.c.owner, models.c.id).in_(part)
                for row in connection.execute(select(models).where(where)):
                    found[row.owner, row.id] = _model(row)
        return [found.get(one) or _nothing(one[1]) for one in wanted]

    def page(self, owner: int, after: str, limit: int) -> list[Model]:
        """Models in the order of their ids, those after ``after``."""
        query = select(models).where(models.c.owner == owner, models.c.id > after).order_by(models.c.id).limit(limit)
        with self.database.reading() as connection:
            return [_model(row) for row in connection.execute(query)]

    def count(self) -> tuple[int, int]:
        """Models and examples of everybody."""
        with self.database.reading() as connection:
            return tuple(
                connection.execute(select(func.count()).select_from(t)).scalar_one() for t in (models, examples)
            )  # type: ignore[return-value]

    def delete(self, owner: int, id: str) -> None:
        """Forget a model and all that it has learnt; NotThereError for none."""
        with self.database.writing() as connection:
            pk = _one(connection, owner, id).pk
            for table in (examples, states):
                connection.execute(delete(table).where(table.c.model == pk))
            connection.execute(delete(models).where(models.c.pk == pk))

    def whole(self, pk: int) -> tuple[Model, list[Example]]:
        """A model and all its examples, of one moment; NotThereError where it is gone."""
        with self.database.reading() as connection:
            model = connection.execute(select(models).where(models.c.pk == pk)).first()
            rows = connection.execute(select(examples).where(examples.c.model == pk).order_by(examples.c.number)).all()
        if model is None:
            raise _nothing("that was asked for")
        return _model(model), [Example(row.number, json.loads(row.label), row.kept, row.created) for row in rows]

    def states(self, pks: Sequence[int]) -> dict[int, tuple[Model, State | None]]:
        """Models and their states, of one moment; those that are gone are left out."""
        query = select(models, states.c.digest, states.c.tensors).outerjoin(states, states.c.model == models.c.pk)
        found = {}
        with self.database.looking() as connection:
            for start in range(0, len(pks), MANY):
                for row in connection.execute(query.where(models.c.pk.in_(pks[start : start + MANY]))):
                    found[row.pk] = (_model(row), None if row.digest is None else State(row.digest, row.tensors))
        return found

    def examples(self, pk: int, label: Label | None, after: int, limit: int) -> list[Example]:
        """Examples in the order they came, those after number ``after``."""
        query = select(examples).where(examples.c.model == pk, examples.c.number > after)
        if label is not None:
            query = query.where(examples.c.label == written(label))
        with self.database.reading() as connection:
            rows = connection.execute(query.order_by(examples.c.number).limit(limit))
            return [Example(row.number, json.loads(row.label), row.kept, row.created) for row in rows]

    def example(self, pk: int, number: int) -> Example:
        """One example; NotThereError for none."""
        query = select(examples).where(examples.c.model == pk, examples.c.number == number)
        with self.database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotThereError(f"there is no example {number}. GET .../examples lists those there are.")
        return Example(row.number, json.loads(row.label), row.kept, row.created)

    def change(self, model: Model, change: Change) -> Model | None:
        """``model`` as it is then; None, and nothing is changed, where it is no longer the version that was read."""
        with self.database.writing() as connection:
            return _changed(connection, model, change)

    def settle(self, model: Model, state: State) -> None:
        """Keep what was found for the version at hand, unless that is gone."""
        with self.database.writing() as connection:
            here = select(models.c.version).where(models.c.pk == model.pk).with_for_update()
            if connection.execute(here).scalar() == model.version:
                _put_state(connection, model.pk, state)


def _changed(connection: Connection, model: Model, change: Change) -> Any:
    numbers = range(model.next_example, model.next_example + len(change.added))
    now = _now()
    row = {
        "version": model.version + 1,
        "next_example": numbers.stop,
        "labels": json.dumps(change.labels),
        "note": json.dumps(vars(change.note)),
        "updated": now,
    }
    is_it = and_(models.c.pk == model.pk, models.c.version == model.version)
    if connection.execute(update(models).where(is_it).values(**row)).rowcount != 1:
        return None
    mine = examples.c.model == model.pk
    removed = sorted(change.removed)
    for start in range(0, len(removed), MANY):
        connection.execute(delete(examples).where(mine, examples.c.number.in_(removed[start : start + MANY])))
    if change.relabelled is not None:
        old, new = map(written, change.relabelled)
        connection.execute(update(examples).where(mine, examples.c.label == old).values(label=new))
    for number, kept in change.rewritten:
        connection.execute(update(examples).where(mine, examples.c.number == number).values(kept=kept))
    if change.added:
        rows = [
            {"model": model.pk, "number": number, "label": written(label), "kept": kept, "created": now}
            for number, (label, kept) in zip(numbers, change.added, strict=True)
        ]
        connection.execute(insert(examples), rows)
    _put_state(connection, model.pk, change.state)
    return _model(connection.execute(select(models).where(models.c.pk == model.pk)).one())


def _put_state(connection: Connection, pk: int, state: State | None) -> None:
    values = {} if state is None else {"digest": state.digest, "tensors": state.tensors}
    if state is None:
        connection.execute(delete(states).where(states.c.model == pk))
    elif connection.execute(update(states).where(states.c.model == pk).values(**values)).rowcount == 0:
        connection.execute(insert(states).values(model=pk, **values))


def _one(connection: Connection, owner: int, id: str) -> Row[Any]:
    found = connection.execute(select(models).where(models.c.owner == owner, models.c.id == id)).first()
    if found is None:
        raise _nothing(id)
    return found


def _nothing(id: str) -> NotThereError:
    return NotThereError(f"there is no model {id}. GET /v1/models lists those there are.")


def _model(row: Row[Any]) -> Model:
    labels = [(label, count) for label, count in json.loads(row.labels)]
    note = Note(**json.loads(row.note))
    plain = (row.pk, row.owner, row.id, row.learner, row.version, row.next_example)
    return Model(*plain, labels, note, row.created, row.updated)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
