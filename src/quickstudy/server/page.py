"""The page at /, and its files below /static/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response

WEB = Path(__file__).parent / "web"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # asked for again each time, and answered with 304 where nothing changed: files of two versions do not mix
    "Cache-Control": "no-cache",
}


class _Files(StaticFiles):
    def file_response(self, *args: Any) -> Response:
        response = super().file_response(*args)
        response.headers.update(HEADERS)
        return response


def add_page(app: FastAPI) -> None:
    """Serve the page from ``app``."""
    app.mount("/static", _Files(directory=WEB), name="static")

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(WEB / "index.html", headers=HEADERS)
