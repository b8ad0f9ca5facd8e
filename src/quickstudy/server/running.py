"""Listening until somebody says stop: requests that are under way are answered first."""

from __future__ import annotations

import gc
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from quickstudy.errors import UserError, reason

PATIENCE_S = 10
"""Seconds that requests under way have when the server is told to stop."""
IDLE_S = 30
"""Seconds after which a connection that nobody uses is closed."""
SWITCH_S = 0.0005
"""How long one thread may keep others from running Python. Arithmetic asks for that between all its operators: with the
usual 5 ms each batch would wait longer than it takes."""


def listen(host: str, port: int) -> socket.socket:
    """A socket at ``host`` and ``port``, 0 for any that is free; UserError where it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # said to be TCP, so that asyncio sends answers at once (TCP_NODELAY): otherwise their ends wait for 40 ms
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise _taken(host, port, error) from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(2048)
    except OSError as error:
        made.close()
        raise _taken(host, port, error) from error
    return made


def _taken(host: str, port: int, error: Exception) -> UserError:
    return UserError(
        f"cannot listen at {host}:{port} ({reason(error)}). Give another --port, or --port 0 for any that is free."
    )


def address(listening: socket.socket) -> str:
    """The URL of a socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()


def run(app: FastAPI, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve ``app`` until SIGTERM or SIGINT; ``ready`` is called when requests are answered."""

    def stopped(number: int, frame: FrameType | None) -> None:
        """uvicorn raises the signal once more after it has stopped: that is all there is to do then."""

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()  # what is loaded stays: looking through it again and again would stop everything for 0.2 s each time
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=PATIENCE_S,
    )
    _Server(config, ready).run(sockets=[listening])
