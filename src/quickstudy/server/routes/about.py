"""Whether the server is well, and what it offers."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

import quickstudy
from quickstudy.server.routes.common import ERRORS, Asking
from quickstudy.server.shapes import Health, Offer

router = APIRouter(prefix="/v1", tags=["server"], responses=ERRORS)


@router.head("/health", include_in_schema=False)
@router.get("/health", response_model=Health)
async def health(asking: Asking) -> dict[str, Any]:
    """Whether the server answers; needs no key."""
    uptime = time.monotonic() - asking.service.started
    return {"status": "ok", "version": quickstudy.__version__, "uptime_s": round(uptime, 3)}


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(asking: Asking) -> PlainTextResponse:
    """Counts and times for Prometheus."""
    service = asking.service
    models, examples = await service.on_database(service.store.count)
    gauges = {
        "quickstudy_models": ("Models in the store.", models),
        "quickstudy_examples": ("Examples in the store.", examples),
        "quickstudy_states_bytes": ("Adapted models at hand.", service.states.bytes),
        "quickstudy_supports_bytes": ("Examples at hand.", service.supports.bytes),
    }
    return PlainTextResponse(service.metrics.text(gauges), media_type="text/plain; version=0.0.4")


@router.get("/learners", response_model=list[Offer])
async def learners(asking: Asking) -> list[dict[str, Any]]:
    """What a model can be made from."""
    return asking.service.catalogue.describe()
