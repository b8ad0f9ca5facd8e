"""What one may like, from a few ratings: they come with each question, and nothing of them is kept."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from quickstudy.server.bodies import json_of
from quickstudy.server.local_runs import Local
from quickstudy.server.recommender import MOST_RATINGS, Rated
from quickstudy.server.refusals import NotThereError, TooLargeError
from quickstudy.server.routes.common import ERRORS, Asking, body, json_body

router = APIRouter(prefix="/v1/for-you", tags=["playground"], responses=ERRORS)
ITEM: dict[str, Any] = {"item": "3", "title": "horror 3"}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [values]})


class Rating(BaseModel):
    """What a user thinks of an item."""

    model_config = _example(item="3", rating=4.5)

    item: str = Field(max_length=200, description="its id, from GET /v1/for-you/items")
    rating: FiniteFloat


class Ratings(BaseModel):
    """All that a user has rated so far."""

    model_config = _example(ratings=[{"item": "3", "rating": 4.5}, {"item": "7", "rating": 1}])

    ratings: list[Rating]


class Item(BaseModel):
    """An item of the catalogue."""

    model_config = ConfigDict(json_schema_extra={"examples": [ITEM]})

    item: str
    title: str


class Items(BaseModel):
    items: list[Item]


class Reason(Item):
    """One of the user's ratings."""

    model_config = ConfigDict(json_schema_extra={"examples": [ITEM | {"rating": 4.5, "effect": 0.4}]})

    rating: float
    effect: float = Field(description="the prediction with this rating, less the prediction without it")


class Recommended(Item):
    """An item that the user has not rated."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"item": "16", "title": "horror 16", "rating": 4.6, "because": [ITEM | {"rating": 4.5, "effect": 0.4}]}
            ]
        }
    )

    rating: float | None = Field(description="the prediction; null where the learner orders items alone")
    because: list[Reason]


class Recommendations(BaseModel):
    """The best of the catalogue."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "item": "16",
                            "title": "horror 16",
                            "rating": 4.6,
                            "because": [ITEM | {"rating": 4.5, "effect": 0.4}],
                        }
                    ],
                    "next": ["12", "4"],
                    "ms": 14.2,
                }
            ]
        }
    )

    items: list[Recommended]
    next: list[str] = Field(description="the items that follow, best first")
    ms: float


class Scale(BaseModel):
    low: float
    high: float
    step: float


class About(BaseModel):
    """A learner of ratings."""

    name: str
    learner: str
    tasks: str
    data: str = Field(description="the name of the folder or file of its ratings")
    invented: bool
    users: int = Field(description="whom it has learnt from")
    items: int
    seconds: float
    scale: Scale
    tells_ratings: bool


class Progress(BaseModel):
    step: int
    steps: int


class State(BaseModel):
    """Who recommends, if anybody does."""

    recommender: About | None
    training: Progress | None
    error: str | None = Field(description="why the last training failed")
    invented: bool | None = Field(description="whether a training would have nothing but invented people to learn from")
    can_train: bool


@router.get("", response_model=State)
async def state(asking: Asking, local: Local) -> JSONResponse:
    """Who recommends, or how far its training has come."""
    found = await asking.service.for_you.state()
    return JSONResponse(found | {"can_train": local})


@router.post("/train", status_code=202, response_model=State)
async def train(asking: Asking, local: Local) -> JSONResponse:
    """Train a learner of ratings in seconds: on MovieLens where QUICKSTUDY_DATA has it, else on invented people."""
    if not local:
        raise NotThereError("only whoever is at the machine, without keys, may train. Start it with --weights instead.")
    asking.service.for_you.train()
    return JSONResponse(await asking.service.for_you.state() | {"can_train": local}, 202)


@router.get("/items", response_model=Items)
async def items(
    asking: Asking,
    q: Annotated[str, Query(max_length=200, description="words, or beginnings of words, of a title")] = "",
    limit: Annotated[int, Query(ge=1, le=50, description="how many to give at most")] = 8,
) -> JSONResponse:
    """Items by their titles; without words those that most like."""
    found = await asking.service.for_you.recommender()
    return JSONResponse({"items": await asking.service.for_you.run(found.search, q, limit)})


@router.post("/predict", response_model=Recommendations, openapi_extra=body(json_body("Ratings")))
async def predict(asking: Asking, request: Request) -> JSONResponse:
    """The best that a user has not rated, and which of his ratings raised or lowered each; nothing of them is kept."""
    start = time.perf_counter()
    told = (await json_of(request, Ratings)).ratings
    if len(told) > MOST_RATINGS:
        raise TooLargeError(
            f"there are {len(told)} ratings, and one question may have {MOST_RATINGS}. Send the latest."
        )
    found = await asking.service.for_you.recommender()
    rated = [Rated(one.item, one.rating) for one in told]
    answer = await asking.service.for_you.run(found.recommend, rated)
    return JSONResponse(answer | {"ms": round(1000 * (time.perf_counter() - start), 3)})
