"""``quickstudy play``: the page on which one draws, asks, and looks inside, in the browser of this machine."""

from __future__ import annotations

import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path

import tyro

from quickstudy.app.flags import parse
from quickstudy.server.settings import LOCAL, Settings, check_port, given_weights, usual_store

DESCRIPTION = """Open the playground in a browser: draw a few examples, draw anything, and watch the answer move.

It is served to this machine alone, until Ctrl-C. Models are kept, and are there the next time."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Where the page is, and what it can teach."""

    port: int = 8420
    """Port to listen at; 0 for any that is free."""
    browser: bool = True
    """Open the page in a browser."""
    weights: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A further learner, NAME=PATH of a run, for photographs for instance; may be given several times."""
    store: str = ""
    """File that models are kept in; by default a file of your user's."""
    runs: Path = Path("runs")
    """Folder of the runs that are shown."""


def main(args: list[str]) -> int:
    """Run the verb; the line with the address goes to stdout when the page is there."""
    flags = parse(Flags, args, prog="quickstudy play", description=DESCRIPTION)
    check_port(flags.port)
    settings = Settings(
        store=flags.store or usual_store(),
        weights=given_weights(flags.weights),
        host=LOCAL[0],
        runs=str(flags.runs),
    )
    from quickstudy.server import running
    from quickstudy.server.app import make_app
    from quickstudy.server.database import name_of

    listening = running.listen(settings.host, flags.port)
    app = make_app(settings)
    address = running.address(listening)

    def ready() -> None:
        print(f"models are kept in {name_of(settings.store)}", file=sys.stderr, flush=True)
        print(f"quickstudy plays at {address}", flush=True)
        if flags.browser:
            webbrowser.open(address)

    running.run(app, listening, ready)
    return 0
