"""The question that is asked all the time, answered without what the framework does around a route.

Routing, dependencies and their clean-up take the framework longer than a prediction takes otherwise. The route
of the same address in ``routes/questions.py`` documents it, and answers what is not plain.
"""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from quickstudy.errors import UserError
from quickstudy.server.answers import failed, said
from quickstudy.server.routes.common import Asker
from quickstudy.server.routes.questions import predicted
from quickstudy.server.settings import ID

PREDICT = re.compile(rf"/v1/models/({ID.pattern})/predict")
ROUTE = "/v1/models/{id}/predict"


def quick(scope: Scope) -> ASGIApp | None:
    """What answers the request at once; None where the application has to."""
    if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
        return None
    found = PREDICT.fullmatch(scope["path"])
    if found is None or (b"content-type", b"application/json") not in scope["headers"]:
        return None
    scope["state"] |= {"route": ROUTE, "id": found[1]}
    return _predict


async def _predict(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    try:
        answer = await predicted(Asker(request), request, scope["state"]["id"])
    except UserError as error:
        answer = said(error)
    except (ClientDisconnect, HTTPException):  # nobody is there to be told
        return
    except Exception as error:
        answer = failed(request, error)
    await answer(scope, receive, send)
