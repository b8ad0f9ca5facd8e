"""The application: routes below /v1, the page at /, and what they share.

``watch`` and ``local_runs``, where they are installed, bring a ``router`` whose paths begin with /v1/watch and
/v1/runs.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pydantic.json_schema import models_json_schema
from starlette.types import Receive, Scope, Send

import quickstudy
from quickstudy.errors import UserError
from quickstudy.server import shapes
from quickstudy.server.answers import add_errors
from quickstudy.server.door import Door
from quickstudy.server.quick import quick
from quickstudy.server.routes import about, examples, models, questions
from quickstudy.server.service import Service
from quickstudy.server.settings import LOCAL, Settings

WEB = Path(__file__).parent / "web"
BODIES = (shapes.NewModel, shapes.NewExamples, shapes.Input, shapes.Inputs, shapes.NewLabel)
PLAYGROUND = ("watch", "local_runs")
DESCRIPTION = """Models that learn from a handful of examples. Make one, add examples with labels of your own, ask.

Where keys are used, every request carries `Authorization: Bearer KEY`. What is refused is answered with
`{"error": "a sentence"}`."""


class _Application(FastAPI):
    """With a door in front of all that the framework does."""

    door: Door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self.door(scope, receive, send)

    async def inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application without the door."""
        await super().__call__(scope, receive, send)


def make_app(settings: Settings) -> FastAPI:
    """The application for ``settings``; UserError where it would serve strangers without keys."""
    service = Service(settings)
    if service.keyring.keyless and not settings.local:
        service.close()
        raise UserError(
            f"--host is {settings.host}, and there are no keys: whoever reaches it could use it. Make one with "
            f"quickstudy keys add NAME, or listen at {LOCAL[0]}."
        )

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = _Application(title="quickstudy", version=quickstudy.__version__, description=DESCRIPTION, lifespan=lifespan)
    app.state.service = service
    app.door = Door(app.inside, service, quick)
    add_errors(app)
    for part in (about, models, examples, questions):
        app.include_router(part.router)
    for name in PLAYGROUND:
        if (found := playground(name)) is not None:
            app.include_router(found)
    _add_page(app)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def playground(name: str) -> APIRouter | None:
    """The router of a part that may not be installed."""
    module = f"quickstudy.server.{name}"
    if importlib.util.find_spec(module) is None:
        return None
    router: APIRouter = importlib.import_module(module).router
    return router


def _described(app: FastAPI) -> dict[str, Any]:
    """OpenAPI, with the shapes of bodies that routes read themselves."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _, bodies = models_json_schema(
            [(shape, "validation") for shape in BODIES], ref_template="#/components/schemas/{model}"
        )
        parts = found.setdefault("components", {})
        parts["schemas"] = parts.get("schemas", {}) | bodies["$defs"]
        parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{}, {"key": []}]
        app.openapi_schema = found
    return app.openapi_schema


def _add_page(app: FastAPI) -> None:
    if not (WEB / "index.html").is_file():
        return
    app.mount("/static", StaticFiles(directory=WEB), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(WEB / "index.html")
