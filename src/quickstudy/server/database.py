"""Opening a store: a SQLite file, or a PostgreSQL database.

What SQLite has acknowledged is on the disk (write-ahead log, synchronous=FULL): it outlives a killed process and a cut
of the power alike.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, make_url, select
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from quickstudy.errors import UserError
from quickstudy.server import tables
from quickstudy.server.refusals import NoStoreError

BUSY_MS = 10_000
"""How long SQLite waits for another process that writes."""


class Database:
    """A store that is open."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._url = _url(place)
        self.sqlite = self._url.get_backend_name() == "sqlite"
        self.engine = _engine(self._url, place)
        # of one moment: what SQLite does anyway
        self._reader = self.engine if self.sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        self._begins_at_once = self.engine.execution_options(transaction="BEGIN IMMEDIATE")
        self._single = self.engine.execution_options(transaction="") if self.sqlite else self.engine
        self._writer = threading.Lock()  # SQLite lets one write at a time, and others poll
        self._prepare()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads, of one moment."""
        with _reachable(self.place), self._reader.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def looking(self) -> Iterator[Connection]:
        """For a single statement that reads."""
        with _reachable(self.place), self._single.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it is kept, on the disk, or nothing."""
        with _reachable(self.place):
            if not self.sqlite:
                with self.engine.begin() as connection:
                    yield connection
                return
            with self._writer, self._begins_at_once.begin() as connection:
                yield connection

    def close(self) -> None:
        """Give connections back."""
        self.engine.dispose()

    def _prepare(self) -> None:
        try:
            with self.writing() as connection:
                tables.metadata.create_all(connection)
                found = connection.execute(select(tables.about.c.format)).scalar()
                if found is None:
                    connection.execute(insert(tables.about).values(format=tables.FORMAT))
        except (NoStoreError, IntegrityError) as error:
            raise UserError(
                f"the store {shown(self._url)} cannot be used ({cause(error)}). Give the path of a file that "
                f"quickstudy serve made or can make, or the URL of a PostgreSQL database that is running."
            ) from error
        if found is not None and found > tables.FORMAT:
            raise UserError(f"the store {shown(self._url)} has format {found}: a newer quickstudy made it. Upgrade.")


def is_there(place: str) -> bool:
    """Whether there is a store to be opened: a file that exists, or a database that is not one."""
    url = _url(place)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


def name_of(place: str) -> str:
    """The path of the file, or the URL without its password."""
    return shown(_url(place))


def _url(place: str) -> URL:
    """The URL of ``place``; UserError for another kind of database."""
    if "://" not in place:
        path = Path(place).expanduser()
        if path.is_dir():
            raise UserError(
                f"the store {path} is a folder; expected the file to keep models in, say {path / 'models.db'}."
            )
        return URL.create("sqlite", database=str(path.absolute()))
    try:
        found = make_url(place)
        kind = found.get_backend_name()
    except (ArgumentError, ValueError, NoSuchModuleError) as error:
        raise UserError("the store is no path and no URL such as postgresql://user:password@host/name.") from error
    if kind == "sqlite":
        return found
    if kind != "postgresql":
        raise UserError(f"the store is a {kind} database; expected the path of a file, or postgresql://...")
    return found.set(drivername="postgresql+psycopg")


def _engine(url: URL, place: str) -> Engine:
    if url.get_backend_name() == "sqlite":
        if url.database:
            try:
                Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(
                    f"the store {place} cannot be made ({error.strerror}). Give another --store."
                ) from error
        made = create_engine(url, connect_args={"check_same_thread": False}, pool_size=8, max_overflow=8)
        event.listen(made, "connect", _settle)
        event.listen(made, "begin", _begin)
        return made
    try:
        return create_engine(url, pool_pre_ping=True, pool_size=8, max_overflow=8)
    except ImportError as error:
        raise UserError(
            f"PostgreSQL needs a driver ({error}). Install it: pip install 'quickstudy[postgres]'."
        ) from error


def _settle(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # transactions begin where _begin says, not where the driver guesses
    for line in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {line}")


def _begin(connection: Connection) -> None:
    how = connection.get_execution_options().get("transaction", "BEGIN")
    if how:
        connection.exec_driver_sql(how)


@contextlib.contextmanager
def _reachable(place: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        raise NoStoreError(
            f"the store cannot be reached or written ({cause(error)}). Nothing was changed; try again."
        ) from error


def cause(error: BaseException) -> str:
    """What the database said, on one line."""
    inner = error.__cause__ if isinstance(error, NoStoreError) and error.__cause__ else error
    said = str(getattr(inner, "orig", None) or inner).strip()
    return said.splitlines()[0] if said else type(inner).__name__


def shown(url: URL) -> str:
    """A store's place, without its password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
