"""The application: routes below /v1, the page at /, and what they share."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.types import Receive, Scope, Send

import quickstudy
from quickstudy.errors import UserError
from quickstudy.server import local_runs, shapes, watch
from quickstudy.server.answers import add_errors
from quickstudy.server.database import is_there
from quickstudy.server.door import Door
from quickstudy.server.manual import add_manual
from quickstudy.server.page import add_page
from quickstudy.server.quick import quick
from quickstudy.server.routes import about, examples, for_you, models, questions
from quickstudy.server.service import Service
from quickstudy.server.settings import LOCAL, Settings

BODIES = (shapes.NewModel, shapes.NewExamples, shapes.Question, shapes.Inputs, shapes.NewLabel, for_you.Ratings)
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
    no_keys = UserError(
        f"--host is {settings.host}, and there are no keys: whoever reaches it could use it. Make one with "
        f"quickstudy keys add NAME, or listen at {LOCAL[0]}."
    )
    if not settings.local and not is_there(settings.store):  # which opening it would make
        raise no_keys
    service = Service(settings)
    if service.keyring.keyless and not settings.local:
        service.close()
        raise no_keys

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = _Application(
        title="quickstudy",
        version=quickstudy.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # the framework's own pages load their scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    app.door = Door(app.inside, service, quick)
    add_errors(app)
    for part in (about, models, examples, questions, watch, for_you, local_runs):
        app.include_router(part.router)
    add_page(app)
    add_manual(app)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


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
