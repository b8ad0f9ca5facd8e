"""Who comes in, how often, and with how much: decided before any route is looked at.

Without keys only this machine may ask, by a name that only this machine has: a page of another site that a browser was
led to believe is here (DNS rebinding) is told apart by the Host and the Origin that the browser then sends.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quickstudy.errors import UserError
from quickstudy.server.answers import said
from quickstudy.server.refusals import ForbiddenError, NoKeyError, TooLargeError, TooManyError
from quickstudy.server.service import Service
from quickstudy.server.settings import LOCAL
from quickstudy.server.tables import NOBODY

OPEN = ("/v1/health",)
"""What needs no key."""
HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:\[\]]+)(?::\d+)?")
BURST = 2.0
"""Seconds of requests that may come at once."""
FORGET = 10_000
"""Askers whose rates are remembered."""


class Door:
    """ASGI middleware in front of ``app``; ``quick`` answers some requests without it, if it says so."""

    def __init__(self, app: ASGIApp, service: Service, quick: Callable[[Scope], ASGIApp | None]) -> None:
        self.app, self.service, self.quick = app, service, quick
        self.rates = Rates(service.limits.requests_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            scope.setdefault("state", {})["owner"] = await self._owner(scope)
            entered = _bounded(scope, receive, self._most_bytes(scope))
        except UserError as error:
            await _turned_away(scope, receive, noted, error)
        else:
            await (self.quick(scope) or self.app)(scope, entered, noted)
        if scope["type"] == "http":
            route = getattr(scope.get("route"), "path", None) or scope["state"].get("route", "other")
            self.service.metrics.request(scope["method"], route, status, time.perf_counter() - start)

    async def _owner(self, scope: Scope) -> int:
        """Whose models are asked for; RefusedError for somebody who may not ask."""
        ring, headers, path = self.service.keyring, Headers(scope=scope), scope["path"]
        if ring.stale:
            await self.service.on_database(ring.refresh)
        if ring.keyless:
            check_local(headers, self.service.settings.local)
            self.rates.check(NOBODY)
            return NOBODY
        if not path.startswith("/v1/") or path in OPEN:
            return NOBODY
        word, _, token = headers.get("authorization", "").partition(" ")
        owner = ring.owner(token.strip()) if word.lower() == "bearer" else None
        if owner is None:
            raise NoKeyError("the request has no key that is known here. Send the header Authorization: Bearer KEY.")
        self.rates.check(owner)
        return owner

    def _most_bytes(self, scope: Scope) -> int:
        limits = self.service.limits
        megabytes = limits.file_mb if scope["path"] == "/v1/models/import" else limits.body_mb
        return int(megabytes * 1e6)


class Rates:
    """A bucket of requests for each asker, which fills with time."""

    def __init__(self, each_second: float) -> None:
        self.each_second = each_second
        self._left: dict[int, tuple[float, float]] = {}

    def check(self, owner: int) -> None:
        """Count a request; TooManyError where there is no room for it."""
        now, most = time.monotonic(), max(BURST * self.each_second, 1.0)
        left, when = self._left.pop(owner, (most, now))
        left = min(most, left + (now - when) * self.each_second)
        self._left[owner] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if len(self._left) > FORGET:
            del self._left[next(iter(self._left))]
        if left < 1:
            raise TooManyError(f"there are more than {self.each_second:g} requests a second. Ask more slowly.")


def check_local(headers: Mapping[str, str], local: bool) -> None:
    """ForbiddenError unless a server without keys is asked by this machine, under one of its own names."""
    if not local:
        raise ForbiddenError(
            "the server has no keys, and can be reached from elsewhere. Make one: quickstudy keys add NAME."
        )
    host = headers.get("host", "")
    if not _is_local(host):
        raise ForbiddenError(f"the request is for the host {host[:80]!r}; without keys only localhost is served.")
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        raise ForbiddenError(
            f"the request comes from a page of {origin[:80]}; without keys only this server's own may ask."
        )


def _is_local(host: str) -> bool:
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].strip("[]").lower()
    if name in LOCAL:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _bounded(scope: Scope, receive: Receive, most: int) -> Receive:
    """``receive``, which raises TooLargeError for a body of more than ``most`` bytes."""
    error = TooLargeError(f"the body has more than {most:,} bytes. Send less at once.")
    told = Headers(scope=scope).get("content-length", "")
    if told.isdecimal() and int(told) > most:
        raise error
    got = 0

    async def counted() -> Message:
        nonlocal got
        message = await receive()
        if message["type"] == "http.request":
            got += len(message.get("body", b""))
            if got > most:
                raise error
        return message

    return counted


async def _turned_away(scope: Scope, receive: Receive, send: Send, error: UserError) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": str(error)[:100]})
        return
    await said(error)(scope, receive, send)
