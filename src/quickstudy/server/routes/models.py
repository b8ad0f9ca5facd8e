"""Making, listing, moving and deleting models."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from quickstudy.server import portable
from quickstudy.server.bodies import json_of
from quickstudy.server.routes.common import ERRORS, Asking, Limit, ModelId, NewId, body, json_body
from quickstudy.server.shapes import Model, Models, NewModel

router = APIRouter(prefix="/v1/models", tags=["models"], responses=ERRORS)
FILE = "application/octet-stream"
BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.post("", status_code=201, response_model=Model, openapi_extra=body(json_body("NewModel")))
async def create(asking: Asking, request: Request) -> JSONResponse:
    """Make a model, which knows nothing yet."""
    wanted = await json_of(request, NewModel)
    made = await asking.service.create(asking.owner, wanted.id, wanted.learner)
    return JSONResponse(asking.service.shown(made), 201)


@router.get("", response_model=Models)
async def models(asking: Asking, limit: Limit = 100, after: Annotated[str, Query(max_length=64)] = "") -> Any:
    """Your models, in the order of their ids."""
    found = await asking.service.page(asking.owner, after, limit + 1)
    more = found[limit - 1].id if len(found) > limit else None
    return JSONResponse({"models": [asking.service.shown(one) for one in found[:limit]], "next": more})


@router.post("/import", status_code=201, response_model=Model, openapi_extra=body((FILE, BINARY)))
async def bring(asking: Asking, request: Request, id: NewId = None) -> JSONResponse:
    """A model from a file that .../export gave, or that `FewShotClassifier.save` wrote."""
    made = await portable.bring(asking.service, asking.owner, id, await request.body())
    return JSONResponse(asking.service.shown(made), 201)


@router.get("/{id}", response_model=Model)
async def model(asking: Asking, id: ModelId) -> JSONResponse:
    """One model."""
    return JSONResponse(asking.service.shown(await asking.model(id)))


@router.delete("/{id}", status_code=204)
async def delete(asking: Asking, id: ModelId) -> Response:
    """Forget a model and all that it has learnt."""
    await asking.service.delete(asking.owner, id)
    return Response(status_code=204)


@router.get("/{id}/export", response_class=Response, responses={200: {"content": {FILE: BINARY}}})
async def export(asking: Asking, id: ModelId) -> Response:
    """The model as a file, which `FewShotClassifier.load` reads too."""
    content = await portable.export(asking.service, asking.owner, id)
    return Response(content, media_type=FILE, headers={"Content-Disposition": f'attachment; filename="{id}.qs"'})
