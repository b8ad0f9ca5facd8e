"""Errors as JSON: ``{"error": "a sentence"}``, whatever goes wrong."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from quickstudy.errors import UserError
from quickstudy.server.refusals import NoKeyError, RefusedError, TooManyError

LOG = logging.getLogger("quickstudy.server")
PLAIN = {
    404: "there is nothing at this address. /docs lists what there is.",
    405: "this address does not take that method. /docs lists what it takes.",
}


def add_errors(app: FastAPI) -> None:
    """Answer every error of ``app`` with a sentence."""
    app.add_exception_handler(UserError, _said)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _failed)


def said(error: UserError) -> JSONResponse:
    """The answer to a request that was refused."""
    status = error.status if isinstance(error, RefusedError) else 400
    more: dict[type[UserError], dict[str, str]] = {
        NoKeyError: {"WWW-Authenticate": "Bearer"},
        TooManyError: {"Retry-After": "1"},
    }
    return JSONResponse({"error": str(error)}, status, more.get(type(error)))


async def _said(request: Request, error: Exception) -> Response:
    assert isinstance(error, UserError)
    return said(error)


async def _wrong_parameter(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:])
    return JSONResponse({"error": f"{name} is {first['input']!r:.80}: {first['msg']}."}, 400)


async def _plain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = PLAIN.get(error.status_code, str(error.detail))
    return JSONResponse({"error": sentence}, error.status_code, error.headers)


async def _gone(request: Request, error: Exception) -> Response:
    """For nobody: whoever asked has hung up."""
    return JSONResponse({"error": "the request ended before its body did."}, 400)


async def _failed(request: Request, error: Exception) -> Response:
    return failed(request, error)


def failed(request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that ran into a mistake of ours."""
    LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"error": "the server failed; its log says where. Nothing was changed."}, 500)
