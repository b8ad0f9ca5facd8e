"""What a server is started with."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quickstudy.errors import UserError
from quickstudy.server.limits import Limits

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What names a model."""
LOCAL = ("127.0.0.1", "::1", "localhost")
"""Names of this machine that only this machine can use."""


def usual_store() -> str:
    """The file that models are kept in unless another place is named."""
    from platformdirs import user_data_path

    return str(user_data_path("quickstudy", appauthor=False) / "models.db")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that ``make_app`` needs to know."""

    store: str = field(default_factory=usual_store)
    """Path of a SQLite file, or the URL of a PostgreSQL database."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Further learners: a name, and the folder of a run or the file of a saved classifier."""
    host: str = "127.0.0.1"
    """Address that it listens at; others than this machine's own need keys."""
    threads: int = 0
    """Threads of the arithmetic; 0 for one a core that reads no pictures."""
    decoders: int = 0
    """Processes that read pictures; 0 for threads of the server's own."""
    window_ms: float = 10.0
    """How long a prediction waits for others that are on their way."""
    memory_mb: float = 256.0
    """Megabytes of adapted models and examples that are kept at hand."""
    limits: Limits = field(default_factory=Limits)
    runs: str = "runs"
    """Folder of the runs that the page shows to this machine."""

    def __post_init__(self) -> None:
        if min(self.threads, self.decoders, self.window_ms) < 0 or self.memory_mb < 1:
            raise UserError(
                f"threads is {self.threads}, decoders {self.decoders}, window_ms {self.window_ms} and memory_mb "
                f"{self.memory_mb}; expected 0 or more, and 1 or more of memory_mb."
            )

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOCAL


def check_port(port: int) -> None:
    """UserError for a port that there is not."""
    if not 0 <= port < 65536:
        raise UserError(f"--port is {port}; expected 0 to 65535.")


def given_weights(words: tuple[str, ...]) -> dict[str, str]:
    """Names and places from NAME=PATH; UserError for what is not of this form."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, place = word.partition("=")
        if not (equals and name and place):
            raise UserError(f"--weights has {word!r}; expected NAME=PATH, for example birds=runs/protonet-images-1.")
        if name in found:
            raise UserError(f"--weights names {name} twice. Give each a name of its own.")
        found[name] = os.fspath(Path(place).expanduser())
    return found
