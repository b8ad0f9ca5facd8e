"""``quickstudy serve``: models over HTTP."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import tyro

from quickstudy.app.flags import parse
from quickstudy.server.limits import Limits
from quickstudy.server.settings import Settings, check_port, given_weights, usual_store

DESCRIPTION = """Serve models that learn from examples sent over HTTP, and a page to try them on, until Ctrl-C.

Without keys only this machine is served; `quickstudy keys add NAME` makes one. docs/server.md explains the rest."""
LIMITS = ("body_mb", "classes", "examples", "models", "requests_per_second")


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Where to listen, what to serve, and where it is kept."""

    host: str = "127.0.0.1"
    """Address to listen at."""
    port: int = 8420
    """Port to listen at; 0 for any that is free."""
    store: str = ""
    """File that models are kept in, or postgresql://USER:PASSWORD@HOST/NAME; by default a file of your user's."""
    weights: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A further learner, NAME=PATH of a run; may be given several times."""
    threads: int = 0
    """Threads of the arithmetic; 0 for one a core that reads no pictures."""
    decoders: int = 2
    """Processes that read pictures; 0 for threads, which take less memory and more time."""
    memory_mb: float = 256.0
    """Megabytes of models that are kept at hand."""
    body_mb: float = Limits.body_mb
    """Megabytes of one request."""
    classes: int = Limits.classes
    """Labels of a model."""
    examples: int = Limits.examples
    """Examples of a model."""
    models: int = Limits.models
    """Models of a key."""
    requests_per_second: float = Limits.requests_per_second
    """Requests of a key each second."""


def main(args: list[str]) -> int:
    """Run the verb; the line with the address goes to stdout when requests are answered."""
    flags = parse(Flags, args, prog="quickstudy serve", description=DESCRIPTION)
    check_port(flags.port)
    settings = Settings(
        store=flags.store or usual_store(),
        weights=given_weights(flags.weights),
        host=flags.host,
        threads=flags.threads,
        decoders=flags.decoders,
        memory_mb=flags.memory_mb,
        limits=Limits(**{name: getattr(flags, name) for name in LIMITS}),
    )
    from quickstudy.server import running
    from quickstudy.server.app import make_app
    from quickstudy.server.database import name_of

    def ready() -> None:
        print(f"models are kept in {name_of(settings.store)}", file=sys.stderr, flush=True)
        print(f"quickstudy serves at {running.address(listening)}", flush=True)

    with running.listen(flags.host, flags.port) as listening:
        running.run(make_app(settings), listening, ready)
    return 0
