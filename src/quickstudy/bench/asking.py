"""The other end of a server's load: users who ask at times of their own, in a process of their own.

``python -m quickstudy.bench.asking PLAN`` reads a JSON plan and prints JSON. Users do not wait for one another, and an
answer's time counts from when it was due to be asked, so that a server that stalls is not asked less.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Found:
    """What users met."""

    seconds: list[float] = field(default_factory=list)
    """From when it was due to when the answer was there, one a question."""
    right: int = 0
    """Answers whose label is that of the picture's class."""
    errors: list[str] = field(default_factory=list)
    """Answers that are none."""
    late: float = 0.0
    """The longest, in seconds, that this process itself was kept from running."""


class Connection:
    """A connection that is kept open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)

    async def post(self, path: str, key: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; a connection that was idle so long that it was closed is opened anew."""
        try:
            return await self._post(path, key, body)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.open()
            return await self._post(path, key, body)

    async def _post(self, path: str, key: str, body: bytes) -> tuple[int, bytes]:
        head = f"POST {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: application/json\r\n"
        auth = f"Authorization: Bearer {key}\r\n" if key else ""
        self.writer.write(f"{head}{auth}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return int(answer[9:12]), await self.reader.readexactly(int(length))


async def crowd(plan: dict[str, Any]) -> Found:
    """All users of ``plan`` for so many seconds."""
    found, draw = Found(), random.Random(plan["seed"])
    pictures = [(label, json.dumps({"image": image}).encode()) for label, image in plan["pictures"]]
    start = time.perf_counter() + 1.0
    users = [_user(plan, user, pictures, random.Random(draw.random()), start, found) for user in plan["users"]]
    watch = asyncio.create_task(_watch(found))
    await asyncio.gather(*users)
    watch.cancel()
    return found


async def _watch(found: Found) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.02)
        found.late = max(found.late, time.perf_counter() - before - 0.02)


async def _user(
    plan: dict[str, Any],
    user: dict[str, Any],
    pictures: list[tuple[str, bytes]],
    draw: random.Random,
    start: float,
    found: Found,
) -> None:
    connection = Connection(plan["url"])
    await connection.open()
    each = len(plan["users"]) / plan["rate"]
    due = start + draw.uniform(0, each)
    while due < start + plan["seconds"]:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        label, body = draw.choice(pictures)
        model = draw.choice(user["models"])
        status, answer = await connection.post(f"/v1/models/{model}/predict", user["key"], body)
        found.seconds.append(time.perf_counter() - due)
        if status == 200:
            found.right += json.loads(answer)["predictions"][0]["label"] == label
        else:
            found.errors.append(f"{status} {answer[:200].decode(errors='replace')}")
        due += draw.expovariate(1 / each)


async def alone(plan: dict[str, Any]) -> Found:
    """One user who adds an example and asks again, over and over: the time of both together."""
    found, draw = Found(), random.Random(plan["seed"])
    connection, user = Connection(plan["url"]), plan["users"][0]
    await connection.open()
    await connection.post("/v1/models", user["key"], json.dumps({"id": plan["alone"]}).encode())
    place = f"/v1/models/{plan['alone']}"
    for _ in range(plan["times"]):
        label, image = draw.choice(plan["pictures"])
        example = json.dumps({"examples": [{"label": label, "image": image}]}).encode()
        question = json.dumps({"image": draw.choice(plan["pictures"])[1]}).encode()
        start = time.perf_counter()
        added, said = await connection.post(f"{place}/examples", user["key"], example)
        status, answer = await connection.post(f"{place}/predict", user["key"], question)
        found.seconds.append(time.perf_counter() - start)
        if (added, status) != (201, 200):
            found.errors.append(f"{added} {said[:200]!r} {status} {answer[:200]!r}")
    return found


def main(path: str) -> None:
    """Do what the plan at ``path`` says."""
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    found = asyncio.run(alone(plan) if "alone" in plan else crowd(plan))
    print(json.dumps(vars(found) | {"cpu_s": time.process_time()}))


if __name__ == "__main__":
    main(sys.argv[1])
