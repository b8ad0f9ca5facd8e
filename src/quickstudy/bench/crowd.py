"""A store full of models of many users, and pictures to ask them about."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sqlalchemy import insert

from quickstudy.estimator.inputs import Array
from quickstudy.estimator.pictures import Pictures
from quickstudy.server import knowledge, labels
from quickstudy.server.database import Database
from quickstudy.server.keyring import hashed
from quickstudy.server.knowledge import Support
from quickstudy.server.served import Served
from quickstudy.server.store import Note
from quickstudy.server.tables import examples, keys, models, states
from quickstudy.tasks import load

WAY = 5
SIZE = 105
"""Side of the pictures that are sent."""
MADE = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class User:
    """Somebody with models."""

    key: str
    models: list[str]


@dataclass(frozen=True)
class Characters:
    """Five characters: an example of each, and others to ask about."""

    support: Array
    """[way, side, side] uint8."""
    queries: Array
    """[way, n, side, side] uint8."""


def characters(seed: int, queries: int = 4) -> Characters:
    """Drawn by the family of glyphs."""
    task = load(f"glyphs:size={SIZE}").sample("test", torch.tensor([seed]), way=WAY, shot=1, query=queries, seed=0)
    support, asked = ((255 * (1 - part.x[0, :, 0])).round().byte().numpy() for part in (task.support, task.query))
    return Characters(support, asked.reshape(WAY, queries, SIZE, SIZE))


def png(picture: Array) -> str:
    """A picture's file in base64."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def questions(drawn: Characters) -> list[tuple[str, str]]:
    """A label and a picture's file of each query."""
    return [(label_of(number), png(one)) for number, some in enumerate(drawn.queries) for one in some]


def label_of(number: int) -> str:
    """What the character of that number is called."""
    return f"character {number}"


def fill(database: Database, served: Served, name: str, users: int, count: int) -> list[User]:
    """Put ``count`` models of ``users`` users into an empty store, each with an example of five characters."""
    reads = served.reader()
    assert isinstance(reads, Pictures)
    known = [label_of(number) for number in range(WAY)]
    kept = reads.read(list(characters(0).support), BaseEstimator(), True)
    support = Support(1, [*range(1, WAY + 1)], list(known), kept, Note())
    state = knowledge.written(served, knowledge.learnt(served, support)[1])
    row: dict[str, Any] = {"learner": name, "version": 2, "next_example": WAY + 1, "created": MADE, "updated": MADE}
    row |= {"labels": json.dumps(labels.counted(known)), "note": json.dumps(vars(Note()))}
    owned: list[list[str]] = [[] for _ in range(users)]
    with database.writing() as connection:
        for owner in range(users):
            connection.execute(
                insert(keys).values(pk=owner + 1, name=f"user-{owner}", digest=hashed(key(owner)), created=MADE)
            )
        for start in range(0, count, 500):
            some = range(start, min(start + 500, count))
            rows = [row | {"pk": pk + 1, "owner": pk % users + 1, "id": f"model-{pk}"} for pk in some]
            connection.execute(insert(models), rows)
            connection.execute(insert(states), [{"model": pk + 1, **vars(state)} for pk in some])
            connection.execute(
                insert(examples),
                [
                    {"model": pk + 1, "number": at + 1, "label": labels.written(known[at]), "kept": kept[at].tobytes()}
                    | {"created": MADE}
                    for pk in some
                    for at in range(WAY)
                ],
            )
            for pk in some:
                owned[pk % users].append(f"model-{pk}")
    return [User(key(owner), mine) for owner, mine in enumerate(owned)]


def key(owner: int) -> str:
    """The key of a user; of a store that is thrown away."""
    return f"qs_of_user_{owner}"
