"""Questions that arrive while others are being answered are answered together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Gathers questions of one event loop, and has ``answer`` answer them on ``executor``.

    ``answer`` takes a list and returns as many answers, or errors. A question whose ``size`` would bring a batch beyond
    ``most`` waits for the next. Where others are ``coming``, a batch waits ``window_s`` for them.
    """

    def __init__(
        self,
        answer: Callable[[list[Q]], Sequence[A | Exception]],
        executor: Executor,
        *,
        most: int,
        window_s: float = 0.0,
        size: Callable[[Q], int] = lambda question: 1,
        seen: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.answer, self.executor, self.most, self.window_s, self.size = answer, executor, most, window_s, size
        self.seen = seen
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._running: asyncio.Task[None] | None = None
        self._coming = 0

    @contextlib.contextmanager
    def coming(self) -> Iterator[Callable[[], None]]:
        """Within it a question is on its way; what it gives is called when it is asked."""
        arrived = False

        def arrive() -> None:
            nonlocal arrived
            if not arrived:
                arrived = True
                self._coming -= 1

        self._coming += 1
        try:
            yield arrive
        finally:
            arrive()

    async def ask(self, question: Q) -> A:
        """The answer to ``question``; raises the error that stands in its place."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                if self.window_s and self._coming:
                    await asyncio.sleep(self.window_s)
                await self._batch(self._taken())
        finally:
            self._running = None

    def _taken(self) -> list[tuple[Q, asyncio.Future[A]]]:
        count, room = 0, self.most
        for question, _ in self._waiting:
            room -= self.size(question)
            if room < 0 and count:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    async def _batch(self, taken: list[tuple[Q, asyncio.Future[A]]]) -> None:
        self.seen(len(taken))
        answers: Sequence[A | Exception]
        try:
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(self.executor, self.answer, [question for question, _ in taken])
        except Exception as error:
            answers = [error] * len(taken)
        for (_, future), found in zip(taken, answers, strict=True):
            if future.cancelled():  # whoever asked has gone
                continue
            if isinstance(found, Exception):
                future.set_exception(found)
            else:
                future.set_result(found)
