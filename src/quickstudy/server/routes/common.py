"""What routes share."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request

from quickstudy.server.refusals import NotThereError
from quickstudy.server.service import Service
from quickstudy.server.settings import ID
from quickstudy.server.shapes import Error
from quickstudy.server.store import Model

WHY = {
    400: "The request is not right.",
    401: "There is no key, or none that is known.",
    403: "Without keys only this machine is served.",
    404: "There is no such thing.",
    409: "It does not fit what is there.",
    413: "It is more than is taken.",
    415: "The body is of a kind that is not read here.",
    429: "There are too many requests.",
    503: "The store cannot be reached.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": says} for status, says in WHY.items()
}


class Asker:
    """The service, and whose models it is asked for."""

    def __init__(self, request: Request) -> None:
        self.service: Service = request.app.state.service
        self.owner: int = request.scope["state"]["owner"]

    async def model(self, id: str) -> Model:
        """The asker's model ``id``."""
        return await self.service.model(self.owner, id)


async def _asker(request: Request) -> Asker:
    return Asker(request)


Asking = Annotated[Asker, Depends(_asker)]
ModelId = Annotated[str, Path(pattern=f"^{ID.pattern}$", examples=["pets"])]
ExampleId = Annotated[str, Path(examples=["1"])]
LabelName = Annotated[str, Path(examples=["cat"], description="as it is written in JSON, without its quotes")]
NewId = Annotated[str | None, Query(pattern=f"^{ID.pattern}$", examples=["pets"])]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many to give at most")]


def number_of(id: str) -> int:
    """The number behind the id of an example; NotThereError for what is none."""
    if not (id.isascii() and id.isdecimal() and len(id) < 16):
        raise NotThereError(f"there is no example {id[:40]}. GET .../examples lists those there are.")
    return int(id)


def body(*kinds: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """What a route reads, by content type, for its documentation."""
    return {"requestBody": {"required": True, "content": dict(kinds)}}


def json_body(shape: str) -> tuple[str, dict[str, Any]]:
    """JSON of one of the shapes."""
    return "application/json", {"schema": {"$ref": f"#/components/schemas/{shape}"}}


def form_body(*, label: bool) -> tuple[str, dict[str, Any]]:
    """A form with files, and their label."""
    files = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    fields = {"label": {"type": "string", "minLength": 1, "examples": ["cat"]}} if label else {}
    required = [*fields, "files"]
    return "multipart/form-data", {
        "schema": {"type": "object", "properties": fields | {"files": files}, "required": required}
    }


def csv_body(example: str) -> tuple[str, dict[str, Any]]:
    """A table with a header."""
    return "text/csv", {"schema": {"type": "string"}, "example": example}
