"""What is acknowledged is kept, and two changes at once lose nothing: on SQLite, and on PostgreSQL if there is one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import running
from sqlalchemy import text

from quickstudy.errors import UserError
from quickstudy.server import keyring
from quickstudy.server.database import Database
from quickstudy.server.inputs import Given
from quickstudy.server.labels import counted
from quickstudy.server.refusals import ClashError, NotThereError, TooLargeError
from quickstudy.server.service import Service
from quickstudy.server.settings import Settings
from quickstudy.server.shapes import Input
from quickstudy.server.store import Change, Note, State, Store

NOW = "2026-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store can be."""
    if request.param == "sqlite":
        return str(tmp_path / "new folder" / "m.db")
    url = str(request.getfixturevalue("postgres"))
    database = Database(url)
    with database.writing() as connection:
        for table in ("examples", "states", "models", "keys", "about"):
            connection.execute(text(f"DROP TABLE {table}"))
    database.close()
    return url


def changed(labels: str, **more: object) -> Change:
    return Change(labels=counted(labels), note=Note(), state=State("digest", b"state"), **more)  # type: ignore[arg-type]


def given(x: float) -> Given:
    return Input.model_construct(x=[x, 1.0])


def test_a_change_of_an_older_version_changes_nothing(place: str) -> None:
    store = Store(Database(place))
    first = store.create(0, "m", "nearest", 10)
    second = store.change(first, changed("ab", added=[("a", b"1"), ("b", b"2")]))
    assert second is not None
    assert store.change(first, changed("aab", added=[("a", b"3")])) is None
    assert [one.kept for one in store.examples(first.pk, None, 0, 10)] == [b"1", b"2"]
    assert store.get(0, "m") == second
    store.database.close()


def test_models_examples_and_states_come_and_go_together(place: str) -> None:
    store = Store(Database(place))
    made = store.create(3, "m", "nearest", 10, changed("ab", added=[("a", b"1"), ("b", b"2")]))
    assert (made.version, made.examples) == (2, 2)
    with pytest.raises(ClashError, match="already"):
        store.create(3, "m", "nearest", 10)
    assert store.create(4, "m", "nearest", 10).pk != made.pk
    fewer = store.change(made, changed("b", removed={1}))
    assert fewer is not None
    with pytest.raises(NotThereError, match="no example 1"):
        store.example(made.pk, 1)
    renamed = store.change(fewer, changed("c", relabelled=("b", "c"), rewritten=[(2, b"new")]))
    assert renamed is not None
    assert [(one.number, one.label, one.kept) for one in store.whole(made.pk)[1]] == [(2, "c", b"new")]
    assert store.states([made.pk])[made.pk] == (renamed, State("digest", b"state"))
    assert store.find([(3, "m"), (4, "m"), (3, "no")])[0] == renamed
    store.delete(3, "m")
    assert store.states([made.pk]) == {}
    assert store.count() == (1, 0)
    with pytest.raises(TooLargeError, match="may have 1"):
        store.create(4, "other", "nearest", 1)
    store.database.close()


def test_two_servers_that_add_to_one_model_lose_nothing(place: str, drawings: Path) -> None:
    async def add_to_both() -> list[int]:
        settings = Settings(store=place, weights={"characters": str(drawings)}, threads=1)
        servers = [Service(settings), Service(settings)]
        await servers[0].create(0, "m", "nearest")
        told = [servers[at % 2].add(0, "m", [f"label {at % 3}"], [given(at)]) for at in range(24)]
        numbers = [number for found, _ in await asyncio.gather(*told) for number in found]
        now, examples = servers[0].store.whole((await servers[1].model(0, "m")).pk)
        assert sorted(one.number for one in examples) == sorted(numbers) == list(range(1, 25))
        assert now.version == 25
        assert dict(now.labels) == {f"label {at}": 8 for at in range(3)}
        answers = [await server.predict(0, "m", [given(17.2)]) for server in servers]
        assert [answer.classes[int(answer.logits.argmax())] for answer in answers] == ["label 2"] * 2
        for server in servers:
            server.close()
        return numbers

    asyncio.run(add_to_both())


def test_a_server_sees_what_another_changed(place: str, drawings: Path) -> None:
    async def change_elsewhere() -> None:
        settings = Settings(store=place, weights={"characters": str(drawings)}, threads=1)
        here, there = Service(settings), Service(settings)
        await here.create(0, "m", "nearest")
        await here.add(0, "m", ["a", "b"], [given(0), given(10)])
        assert (await here.predict(0, "m", [given(4)])).version == 2
        await there.add(0, "m", ["c"], [given(4.1)])
        answer = await here.predict(0, "m", [given(4)])
        assert answer.classes[int(answer.logits.argmax())] == "c"
        await there.delete(0, "m")
        with pytest.raises(NotThereError):
            await here.predict(0, "m", [given(4)])
        here.close()
        there.close()

    asyncio.run(change_elsewhere())


def test_keys_come_and_go(place: str) -> None:
    database = Database(place)
    store, ring = Store(database), keyring.Keyring(database)
    assert ring.keyless
    store.create(0, "orphan", "nearest", 10)
    token = keyring.add(database, "anna", True, NOW)
    ring._read()
    owner = ring.owner(token)
    assert owner is not None
    assert store.get(owner, "orphan").id == "orphan"
    assert ring.owner(token[:-1] + "?") is None
    with pytest.raises(UserError, match="already"):
        keyring.add(database, "anna", False, NOW)
    assert keyring.remove(database, "anna", and_models=False) == 1
    ring._read()
    assert ring.owner(token) is None
    assert not ring.keyless  # its models are not anybody's now
    again = keyring.add(database, "anna", False, NOW)
    ring._read()
    assert ring.owner(again) == owner
    assert [(one.name, one.models, one.active) for one in keyring.all_keys(database)] == [("anna", 1, True)]
    assert keyring.remove(database, "anna", and_models=True) == 1
    assert store.count() == (0, 0)
    with pytest.raises(UserError, match="unknown key"):
        keyring.remove(database, "anna", and_models=False)
    database.close()


def test_no_key_is_in_the_store(place: str, tmp_path: Path) -> None:
    database = Database(place)
    token = keyring.add(database, "anna", False, NOW)
    with database.reading() as connection:
        rows = connection.execute(text("SELECT * FROM keys")).all()
    assert token not in repr(rows)
    database.close()


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("{tmp}", "is a folder"),
        ("{tmp}/noise.db", "cannot be used"),
        ("mysql://a/b", "mysql"),
        ("://", "no path and no URL"),
        ("postgresql://tester:secret@127.0.0.1:1/x", "cannot be used"),
        ("{tmp}/noise.db/m.db", "cannot be made"),
    ],
)
def test_a_store_that_is_none_is_said_to_be_so(place: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "noise.db").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(UserError, match=why) as error:
        Database(place.format(tmp=tmp_path))
    assert "secret" not in str(error.value)


def test_sqlite_acknowledges_what_is_on_the_disk(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "m.db"))
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    database.close()
