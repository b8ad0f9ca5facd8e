"""What a model learns from."""

from __future__ import annotations

import io
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from quickstudy.server import bodies, labels, store
from quickstudy.server.knowledge import reader_of
from quickstudy.server.labels import Label
from quickstudy.server.refusals import NotThereError, OtherKindError
from quickstudy.server.routes.common import (
    ERRORS,
    Asking,
    ExampleId,
    LabelName,
    Limit,
    ModelId,
    body,
    csv_body,
    form_body,
    json_body,
    number_of,
)
from quickstudy.server.served import unpacked
from quickstudy.server.shapes import Examples, Learned, Model, NewLabel

router = APIRouter(prefix="/v1/models/{id}", tags=["examples"], responses=ERRORS)
ADDED = body(json_body("NewExamples"), form_body(label=True), csv_body("width,height,kind\n1.5,2,small\n10,12,large\n"))
PNG = {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}


@router.post("/examples", status_code=201, response_model=Learned, openapi_extra=ADDED)
async def add(
    asking: Asking,
    request: Request,
    id: ModelId,
    target: Annotated[str | None, Query(description="of a table: the column that has the labels")] = None,
) -> JSONResponse:
    """Learn from examples. A label that is new is a new class."""
    service = asking.service
    model = await asking.model(id)
    told = await bodies.examples(request, model, service.shown(model)["input"], target, service.limits)
    numbers, changed = await service.add(asking.owner, id, told.labels, told.inputs)
    return JSONResponse({"ids": [str(number) for number in numbers], "model": service.shown(changed)}, 201)


@router.get("/examples", response_model=Examples)
async def examples(
    asking: Asking,
    id: ModelId,
    label: Annotated[str | None, Query(description="those of this label alone")] = None,
    limit: Limit = 100,
    after: Annotated[str, Query(max_length=64)] = "0",
) -> Any:
    """Examples, in the order they came."""
    model = await asking.model(id)
    wanted = None if label is None else named(model, label)
    found = await asking.service.on_database(
        asking.service.store.examples, model.pk, wanted, number_of(after), limit + 1
    )
    shown = [{"id": str(one.number), "label": one.label, "created": one.created} for one in found[:limit]]
    return JSONResponse({"examples": shown, "next": shown[-1]["id"] if len(found) > limit else None})


@router.get("/examples/{example}/image", response_class=Response, responses={200: PNG})
async def image(asking: Asking, id: ModelId, example: ExampleId) -> Response:
    """A picture as the learner sees it."""
    model = await asking.model(id)
    found = await asking.service.on_database(asking.service.store.example, model.pk, number_of(example))
    if asking.service.shown(model)["input"] != "pictures":
        raise OtherKindError(f"the model {id} learns from numbers, which have no picture.")
    reads = reader_of(asking.service.served(model), model.note)
    content = await asking.service.on_threads(_png, unpacked([found.kept], reads, 0)[0])
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=31536000"})


@router.delete("/examples/{example}", response_model=Model)
async def forget(asking: Asking, id: ModelId, example: ExampleId) -> JSONResponse:
    """Unlearn one example: the model is then as if it had never met it."""
    number = number_of(example)

    def gone(support: Any) -> set[int]:
        if number not in support.numbers:
            raise NotThereError(f"there is no example {number}. GET .../examples lists those there are.")
        return {number}

    changed = await asking.service.forget(asking.owner, id, gone)
    return JSONResponse(asking.service.shown(changed))


@router.patch("/labels/{label:path}", response_model=Model, openapi_extra=body(json_body("NewLabel")))
async def rename(asking: Asking, request: Request, id: ModelId, label: LabelName) -> JSONResponse:
    """Call a label otherwise. Where there is one of that name already, both become one, without a warning: examples of
    the two cannot be told apart afterwards."""
    new = await bodies.json_of(request, NewLabel)
    old = named(await asking.model(id), label)
    changed = await asking.service.rename(asking.owner, id, old, new.label)
    return JSONResponse(asking.service.shown(changed))


@router.delete("/labels/{label:path}", response_model=Model)
async def drop(asking: Asking, id: ModelId, label: LabelName) -> JSONResponse:
    """Unlearn a label and all its examples."""
    old = named(await asking.model(id), label)

    def gone(support: Any) -> set[int]:
        return {number for number, known in zip(support.numbers, support.labels, strict=True) if known == old}

    changed = await asking.service.forget(asking.owner, id, gone)
    return JSONResponse(asking.service.shown(changed))


def named(model: store.Model, text: str) -> Label:
    """The label of ``model`` that is written ``text`` in an address; NotThereError for none."""
    for label, _ in model.labels:
        if labels.key(label) == text:
            return label
    raise NotThereError(f"the model {model.id} has no label {text[:80]!r}.")


def _png(kept: Any) -> bytes:
    from PIL import Image

    pixels = kept.transpose(1, 2, 0)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)).save(out, "PNG")
    return out.getvalue()
