"""The tables of a store.

A model's ``version`` counts its changes: whoever changes one says which version was read, and loses if it is gone.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

FORMAT = 1
NOBODY = 0
"""The owner of models that were made without a key."""

metadata = MetaData()
_number = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only where they are INTEGER

about = Table("about", metadata, Column("format", Integer, primary_key=True))

keys = Table(
    "keys",
    metadata,
    Column("pk", _number, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("digest", String(64), unique=True),
    Column("created", String(32), nullable=False),
)
"""``digest`` is the SHA-256 of the key; NULL where it was removed and only its models are left."""

models = Table(
    "models",
    metadata,
    Column("pk", _number, primary_key=True, autoincrement=True),
    Column("owner", _number, nullable=False),
    Column("id", String(64), nullable=False),
    Column("learner", Text, nullable=False),
    Column("version", _number, nullable=False),
    Column("next_example", _number, nullable=False),
    Column("labels", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created", String(32), nullable=False),
    Column("updated", String(32), nullable=False),
    UniqueConstraint("owner", "id"),
)
"""``labels`` is JSON [[label, examples], ...] in the order of the classes; ``note`` what the reader remembers."""

examples = Table(
    "examples",
    metadata,
    Column("model", _number, ForeignKey("models.pk", ondelete="CASCADE"), primary_key=True),
    Column("number", _number, primary_key=True, autoincrement=False),
    Column("label", Text, nullable=False),
    Column("kept", LargeBinary, nullable=False),
    Column("created", String(32), nullable=False),
)
"""``label`` is JSON; ``kept`` the input as the learner's reader read it."""

states = Table(
    "states",
    metadata,
    Column("model", _number, ForeignKey("models.pk", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("digest", String(32), nullable=False),
    Column("tensors", LargeBinary, nullable=False),
)
"""What adaptation found in all examples of the model, as safetensors; ``digest`` is that of the learner."""
