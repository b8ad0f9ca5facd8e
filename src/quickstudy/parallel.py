"""Training on several processes and machines: the world that torchrun makes, and what its ranks tell one another.

Meta-gradients are summed explicitly, all of them in one flat all-reduce. A wrapper such as DistributedDataParallel
sees only the calls of its own ``forward``: a functional inner loop goes past it, and gradients silently differ between
ranks. What could differ for any other reason is decided by rank 0 and handed to the others, as tensors or JSON.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor

from quickstudy.errors import UserError

T = TypeVar("T")
SILENCE = timedelta(minutes=10)
"""How long a rank waits for another that says nothing: a machine that lost its power. A killed process is noticed at
once, for its connections close."""
LAST_WORD = timedelta(seconds=10)
"""How long the others stay for what rank 0 has to say at the end: torchrun ends all when one has ended badly."""


class RankLostError(RuntimeError):
    """Another process of the training is gone, so this one cannot go on: what happened, and what to do."""

    def __init__(self, what: str, advice: str = "Start it again.") -> None:
        super().__init__(f"{what} {advice}")
        self.what = what


class World:
    """The processes of one training. A world of one talks to nobody and costs nothing."""

    def __init__(self, rank: int = 0, size: int = 1, local: int = 0, store: Any = None) -> None:
        self.rank, self.size, self.local, self._store = rank, size, local, store

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which decides, writes and prints."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Which of ``count`` things in a row are this rank's; ranks' shares differ by one at most."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def check_enough(self, tasks: int) -> None:
        """UserError where a meta-step of so many tasks would leave a process without any."""
        if tasks < self.size:
            raise UserError(
                f"--tasks-per-step is {tasks}, too few for {self.size} processes. Start fewer, or ask for more tasks "
                f"in a meta-step."
            )

    def sum(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Each of ``tensors`` summed over the ranks, all in one flat all-reduce; equal bits on every rank."""
        if self.size == 1:
            return list(tensors)
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        flat = flat if flat.device.type in ("cpu", "cuda") else flat.cpu()
        self._talk(dist.all_reduce, flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        return [part.view(one.shape).to(one) for part, one in zip(parts, tensors, strict=True)]

    def wait(self) -> None:
        """Until every rank has come here."""
        if self.size > 1:
            self._talk(dist.all_reduce, torch.zeros(1))

    def decide(self, choose: Callable[[], T]) -> T:
        """What ``choose`` says on rank 0, where alone it is called; anything that JSON can hold."""
        if self.size == 1:
            return choose()
        told: T = json.loads(self._bytes(json.dumps(choose()).encode() if self.first else b""))
        return told

    def tensors(self, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of rank 0, on the CPU; those of the others can have other names and shapes, or be none."""
        if self.size == 1:
            return dict(named)
        own = {name: value.detach().cpu().contiguous() for name, value in named.items()} if self.first else {}
        return safetensors.torch.load(self._bytes(safetensors.torch.save(own) if self.first else b""))

    def device(self, device: torch.device) -> torch.device:
        """The device of this rank, of the kind that all ranks have: one CUDA device for each rank of a machine."""
        if self.size == 1:
            return device
        kind = self.decide(lambda: device.type)
        if device.type != kind:
            raise UserError(f"the first process trains on {kind}, this one on {device.type}. Ask for --device cpu.")
        if kind != "cuda":
            return device
        if ":" in str(device):
            raise UserError(f"--device {device} would be that of every process. Ask for cuda: each takes its own.")
        if self.local >= (there := torch.cuda.device_count()):
            raise UserError(
                f"this is process {self.local + 1} of its machine, which has {there} CUDA devices. Start no more than "
                f"that (--nproc-per-node), or ask for --device cpu."
            )
        torch.cuda.set_device(self.local)
        return torch.device("cuda", self.local)

    def last_word(self, code: int, text: str) -> tuple[int, str | None]:
        """The exit code and the words of whichever rank was the first to fail; words for one rank a machine."""
        try:
            code, text = json.loads(self._store.compare_set("quickstudy/end", "", json.dumps([code, text])))
            mine = self._store.add(f"quickstudy/end/{os.environ.get('GROUP_RANK', '0')}", 1) == 1
        except (AttributeError, RuntimeError):  # no store, or it is gone with its machine: each speaks for itself
            return code, text
        return code, text if mine else None

    def close(self) -> None:
        """Leave together: rank 0, which has more to say, leaves first."""
        with contextlib.suppress(RuntimeError):
            if self._store is not None and self.first:
                self._store.set("quickstudy/over", "1")
            elif self._store is not None:
                self._store.wait(["quickstudy/over"], LAST_WORD)

    def _bytes(self, data: bytes) -> bytes:
        """``data`` of rank 0."""
        length = torch.tensor([len(data)])
        self._talk(dist.broadcast, length, src=0)
        buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8) if self.first else torch.empty(0).byte()
        buffer = buffer if self.first else buffer.new_empty(int(length))
        self._talk(dist.broadcast, buffer, src=0)
        return buffer.numpy().tobytes()

    def _talk(self, collective: Callable[..., Any], tensor: Tensor, **options: Any) -> None:
        try:
            work = collective(tensor, async_op=True, **options)
            while tensor.is_cuda and not work.is_completed():
                time.sleep(0)  # here a signal is heard, which it would not be while CUDA waits
            work.wait()
        except RuntimeError as error:
            if isinstance(error, RankLostError):  # raised by a signal
                raise
            # [file and line] what happened [address]:port. Advice
            said = str(error).partition("] ")[2].partition(". ")[0] or str(error)
            raise RankLostError(f"one of the {self.size} processes of this training is gone ({said}).") from error


ALONE = World()


def world() -> World:
    """The world that torchrun made, joined at the first call; ``ALONE`` where it made none."""
    try:
        alone = int(os.environ.get("WORLD_SIZE", "1")) < 2
    except ValueError:
        alone = True
    asked = all(name in os.environ for name in ("RANK", "MASTER_ADDR", "MASTER_PORT")) and not alone
    return _join() if asked else ALONE


@cache
def _join() -> World:
    if not dist.is_available():
        raise UserError("this build of torch cannot train on several processes. Train without torchrun.")
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if dist.is_initialized():  # by the script that calls us
        return World(dist.get_rank(), dist.get_world_size(), local)
    from torch.distributed.rendezvous import rendezvous

    nccl = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        store, rank, size = next(iter(rendezvous("env://", timeout=SILENCE)))
        backend = "cpu:gloo,cuda:nccl" if nccl else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=SILENCE)
        atexit.register(dist.destroy_process_group)  # torch aborts now and then where this is left to it
    except (RuntimeError, ValueError) as error:
        raise UserError(f"the processes that torchrun started cannot reach one another: {error}") from error
    return World(rank, size, local, store)
