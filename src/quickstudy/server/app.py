"""The application: routes below /v1, the page at /, and what they share.

``watch`` and ``local_runs``, where they are installed, bring a ``router`` whose paths begin with /v1/watch and /v1/runs.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

import quickstudy
from quickstudy.server.answers import add_errors
from quickstudy.server.routes import about
from quickstudy.server.settings import Settings

WEB = Path(__file__).parent / "web"
PLAYGROUND = ("watch", "local_runs")
DESCRIPTION = """Models that learn from a handful of examples. Make one, add examples with labels of your own, ask.

Where keys are used, every request carries `Authorization: Bearer KEY`. What is refused is answered with
`{"error": "a sentence"}`."""


def make_app(settings: Settings) -> FastAPI:
    """The application for ``settings``."""
    app = FastAPI(title="quickstudy", version=quickstudy.__version__, description=DESCRIPTION)
    app.state.settings = settings
    add_errors(app)
    app.include_router(about.router)
    for name in PLAYGROUND:
        if (found := playground(name)) is not None:
            app.include_router(found)
    _add_page(app)
    return app


def playground(name: str) -> APIRouter | None:
    """The router of a part that may not be installed."""
    module = f"quickstudy.server.{name}"
    if importlib.util.find_spec(module) is None:
        return None
    router: APIRouter = importlib.import_module(module).router
    return router


def _add_page(app: FastAPI) -> None:
    if not (WEB / "index.html").is_file():
        return
    app.mount("/static", StaticFiles(directory=WEB), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(WEB / "index.html")
