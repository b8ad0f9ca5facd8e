"""Whether the server is well, and what it offers."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter

import quickstudy

router = APIRouter(prefix="/v1", tags=["server"])
STARTED = time.monotonic()


@router.get("/health")
async def health() -> dict[str, Any]:
    """Whether the server answers."""
    return {"status": "ok", "version": quickstudy.__version__, "uptime_s": round(time.monotonic() - STARTED, 3)}
