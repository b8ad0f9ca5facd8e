"""``quickstudy keys``: who may use the server."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import tyro

from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.errors import UserError, unknown
from quickstudy.server import keyring
from quickstudy.server.database import Database, is_there, name_of
from quickstudy.server.settings import usual_store

ACTIONS = {
    "add": "make a key, and print it: it is shown once",
    "list": "names, and how many models each has",
    "remove": "nobody gets in by it any more; its models wait for a new key of that name",
}
DESCRIPTION = """Keys of a server's store. Once there is one, every request needs one, and sees its own models alone."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """Flags of every action."""

    store: str = ""
    """The store of the server; by default a file of your user's."""


@dataclass(frozen=True, kw_only=True)
class Add(Store):
    """Flags of `keys add`."""

    name: tyro.conf.Positional[str]
    """What the key is called."""
    adopt: tyro.conf.FlagCreatePairsOff[bool] = False
    """Give it the models that were made while there was no key."""


@dataclass(frozen=True, kw_only=True)
class Remove(Store):
    """Flags of `keys remove`."""

    name: tyro.conf.Positional[str]
    """What the key is called."""
    and_models: tyro.conf.FlagCreatePairsOff[bool] = False
    """Delete its models too."""


@dataclass(frozen=True, kw_only=True)
class Listing(Store):
    """Flags of `keys list`."""

    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object."""


def main(args: list[str]) -> int:
    """Run the verb."""
    if not args or args[0] in ("-h", "--help"):
        known = "".join(f"  {name:8}{line}\n" for name, line in ACTIONS.items())
        print(f"usage: quickstudy keys ACTION ...\n\n{DESCRIPTION}\n\n{known}")
        if args:
            return 0
        raise UserError(f"say what to do with keys: {', '.join(ACTIONS)}.")
    action, *rest = args
    if action not in ACTIONS:
        raise unknown("action", action, ACTIONS)
    {"add": _add, "list": _list, "remove": _remove}[action](rest)
    return 0


def _add(args: list[str]) -> None:
    flags = parse(Add, args, prog="quickstudy keys add", description=DESCRIPTION)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    print(keyring.add(Database(_place(flags)), flags.name, flags.adopt, now))


def _list(args: list[str]) -> None:
    flags = parse(Listing, args, prog="quickstudy keys list", description=DESCRIPTION)
    found = keyring.all_keys(_opened(flags))
    if flags.json:
        output.print_json({"keys": [vars(key) for key in found]})
        return
    rows = [(key.name, key.created, str(key.models), "" if key.active else "removed") for key in found]
    output.print_table(("key", "made", "models", ""), rows)


def _remove(args: list[str]) -> None:
    flags = parse(Remove, args, prog="quickstudy keys remove", description=DESCRIPTION)
    count = keyring.remove(_opened(flags), flags.name, flags.and_models)
    fate = "deleted" if flags.and_models else f"kept for a new key called {flags.name}"
    print(f"removed {flags.name}" + (f"; its {count} models are {fate}" if count else ""))


def _place(flags: Store) -> str:
    return flags.store or usual_store()


def _opened(flags: Store) -> Database:
    """A store that is there already: looking at none makes none."""
    place = _place(flags)
    if not is_there(place):
        raise UserError(
            f"there is no store {name_of(place)}. Give the --store that quickstudy serve names when it starts, or make "
            f"a key in a new one: quickstudy keys add NAME."
        )
    return Database(place)
