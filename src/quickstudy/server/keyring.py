"""Who may ask: keys by their hashes. A key is 32 random bytes, so a plain hash of it cannot be searched."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from quickstudy.errors import UserError, unknown
from quickstudy.server.database import Database
from quickstudy.server.store import MANY
from quickstudy.server.tables import NOBODY, examples, keys, models, states

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FRESH_S = 1.0
"""How long a server believes what it read: a key that is removed opens nothing after that."""


@dataclass(frozen=True)
class Key:
    """What is known of a key."""

    name: str
    created: str
    models: int
    active: bool
    """False where it was removed and only its models are left."""


def add(database: Database, name: str, adopt: bool, now: str) -> str:
    """Make a key; what it gives is shown once and not kept. A removed key of that name leaves its models to this one.

    ``adopt`` gives it the models that were made without a key.
    """
    _check(name)
    token = f"qs_{secrets.token_urlsafe(32)}"
    try:
        with database.writing() as connection:
            old = connection.execute(select(keys).where(keys.c.name == name)).first()
            if old is not None and old.digest is not None:
                raise UserError(f"there is a key {name} already. Remove it first, or choose another name.")
            if old is None:
                connection.execute(insert(keys).values(name=name, digest=hashed(token), created=now))
            else:
                connection.execute(update(keys).where(keys.c.pk == old.pk).values(digest=hashed(token), created=now))
            if adopt:
                pk = connection.execute(select(keys.c.pk).where(keys.c.name == name)).scalar_one()
                connection.execute(update(models).where(models.c.owner == NOBODY).values(owner=pk))
    except IntegrityError as error:
        raise UserError(f"{name} has a model of the same id as one that was made without a key.") from error
    return token


def all_keys(database: Database) -> list[Key]:
    """Every key, by name."""
    counts = select(models.c.owner, func.count().label("models")).group_by(models.c.owner).subquery()
    query = select(keys, counts.c.models).outerjoin(counts, counts.c.owner == keys.c.pk).order_by(keys.c.name)
    with database.reading() as connection:
        rows = connection.execute(query).all()
    return [Key(row.name, row.created, row.models or 0, row.digest is not None) for row in rows]


def remove(database: Database, name: str, and_models: bool) -> int:
    """Nobody gets in by that key from now on; its models are kept, or deleted too. How many there are."""
    _check(name)
    with database.writing() as connection:
        pk = connection.execute(select(keys.c.pk).where(keys.c.name == name)).scalar()
        if pk is None:
            raise unknown("key", name, connection.execute(select(keys.c.name)).scalars())
        mine = connection.execute(select(models.c.pk).where(models.c.owner == pk)).scalars().all()
        if mine and not and_models:
            connection.execute(update(keys).where(keys.c.pk == pk).values(digest=None))
            return len(mine)
        for start in range(0, len(mine), MANY):
            part = mine[start : start + MANY]
            for column in (examples.c.model, states.c.model, models.c.pk):
                connection.execute(delete(column.table).where(column.in_(part)))
        connection.execute(delete(keys).where(keys.c.pk == pk))
        return len(mine)


def hashed(token: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(token.encode()).hexdigest()


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise UserError(
            f"the name of a key is {name!r}; expected 1 to 64 letters, digits, dots, dashes or underscores."
        )


class Keyring:
    """The keys of a store, read again when they are older than ``FRESH_S``."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._read()

    @property
    def stale(self) -> bool:
        """Whether ``refresh`` is due."""
        return time.monotonic() - self._when > FRESH_S

    @property
    def keyless(self) -> bool:
        """Whether there is no key, nor was one removed that left models behind."""
        return not self._known

    def owner(self, token: str) -> int | None:
        """Whose key it is; None where it is nobody's."""
        return self._owners.get(hashed(token))

    def refresh(self) -> None:
        """Read the keys again, unless somebody else just did."""
        with self._lock:
            if self.stale:
                self._read()

    def _read(self) -> None:
        with self.database.reading() as connection:
            rows = connection.execute(select(keys.c.pk, keys.c.digest)).all()
        self._owners = {row.digest: row.pk for row in rows if row.digest is not None}
        self._known = len(rows)
        self._when = time.monotonic()
