"""What can be asked of a model."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from quickstudy.server import bodies, insight
from quickstudy.server.refusals import RefusedError
from quickstudy.server.routes.common import ERRORS, Asker, Asking, ModelId, body, csv_body, form_body, json_body
from quickstudy.server.shapes import Estimate, Explanation, Map, Predictions

router = APIRouter(prefix="/v1/models/{id}", tags=["questions"], responses=ERRORS)
ASKED = body(json_body("Inputs"), form_body(label=False), csv_body("width,height\n1.5,2\n"))


@router.post("/predict", response_model=Predictions, openapi_extra=ASKED)
async def predict(asking: Asking, request: Request, id: ModelId) -> JSONResponse:
    """What the model takes one input or several for.

    With `coverage`, of learners that are calibrated, also the labels of which one is right in that share of new inputs,
    and whether it is none of these. Beside a form or a table `coverage` stands in the address.
    """
    return await predicted(asking, request, id)


async def predicted(asking: Asker, request: Request, id: str) -> JSONResponse:
    """The answer to ``predict``."""
    start = time.perf_counter()
    service = asking.service
    if bodies.kind_of(request) == "text/csv":
        model = await asking.model(id)
        wanted = await bodies.inputs(request, service.shown(model)["input"], service.limits)
    else:
        wanted = await bodies.inputs(request, "", service.limits)
    answer = await service.predict(asking.owner, id, wanted.inputs, wanted.coverage)
    took = round(1000 * (time.perf_counter() - start), 3)
    return JSONResponse({"predictions": insight.predictions(answer), "version": answer.version, "ms": took})


@router.post("/explain", response_model=Explanation, openapi_extra=body(json_body("Question")))
async def explain(asking: Asking, request: Request, id: ModelId) -> JSONResponse:
    """Why: the examples whose features are nearest, and the score of each class.

    Of a patient's terms also which of them spoke for and against each disease, and which examples are most alike.
    """
    given, coverage = await bodies.inputs(request, "", asking.service.limits)
    if len(given) != 1:
        raise RefusedError(f"there are {len(given)} inputs; expected one.")
    return JSONResponse(await insight.explain(asking.service, asking.owner, id, given[0], coverage))


@router.get("/estimate", response_model=Estimate)
async def estimate(asking: Asking, id: ModelId) -> JSONResponse:
    """How good the model is: each of its examples is predicted from the others."""
    return JSONResponse(await insight.estimate(asking.service, asking.owner, id))


@router.get("/map", response_model=Map)
async def scatter(asking: Asking, id: ModelId) -> JSONResponse:
    """Where the examples lie beside one another, in two dimensions."""
    return JSONResponse(await insight.scatter(asking.service, asking.owner, id))
