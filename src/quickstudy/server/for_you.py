"""The learner of ratings of a server, on a thread of its own: loaded when it is first asked for, or trained here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch

from quickstudy.errors import UserError
from quickstudy.server import recommender
from quickstudy.server.recommender import Recommender
from quickstudy.server.refusals import ClashError

LOG = logging.getLogger("quickstudy.server")
T = TypeVar("T")


class _StoppedError(Exception):
    """The server ends, and so does a training."""


class ForYou:
    """Who recommends; nothing in it is of a user. ``weights`` are a name and the place of its run, or nothing."""

    def __init__(self, weights: Mapping[str, str]) -> None:
        self._given = next(iter(weights.items()), None)
        self._pool = ThreadPoolExecutor(1, "for you", partial(torch.set_num_threads, 1))
        self._found: Recommender | None = None
        self._training: dict[str, int] | None = None
        self._error: str | None = None
        self._closing = False

    async def recommender(self) -> Recommender:
        """It; ClashError where there is none yet, UserError where the run that was given cannot be used."""
        if self._found is None and self._given is not None:
            await self.run(self._load)
        if self._found is None:
            raise ClashError(
                "nobody has learnt what people like yet. POST /v1/for-you/train does so in seconds, or start the "
                "server with --weights NAME=PATH of a run of ratings."
            )
        return self._found

    async def state(self) -> dict[str, Any]:
        """What there is, how far a training has come, and what one would learn from."""
        found = await self.recommender() if self._given is not None else self._found
        return {
            "recommender": found.about() if found else None,
            "training": self._training,
            "error": self._error,
            "invented": None if found else recommender.tasks_here() == recommender.INVENTED,
        }

    def train(self) -> None:
        """Begin to train one; ClashError where there is one, or will be."""
        if self._training is not None:
            raise ClashError("it is being trained already. GET /v1/for-you says how far it has come.")
        if self._found is not None or self._given is not None:
            raise ClashError("there is one already. Restart the server to train another.")
        tasks = recommender.tasks_here()
        self._training, self._error = {"step": 0, "steps": 0}, None
        self._pool.submit(self._train, tasks)

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """``work`` on its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args))

    def close(self) -> None:
        """End what is under way."""
        self._closing = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _load(self) -> None:
        if self._found is None:
            assert self._given is not None
            self._found = recommender.given(*self._given)

    def _train(self, tasks: str) -> None:
        def heard(step: int, steps: int) -> None:
            self._training = {"step": step, "steps": steps}
            if self._closing:
                raise _StoppedError

        try:
            self._found = recommender.trained(tasks, heard)
        except _StoppedError:
            pass
        except UserError as error:
            self._error = str(error)
        except Exception:
            LOG.exception("training a learner of ratings failed")
            self._error = "the training failed; the server's log says where."
        finally:
            self._training = None
