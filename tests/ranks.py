"""Several processes of one training, started as torchrun starts them but without waiting for torch to be imported."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import distributed as dist

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["quickstudy.app.train", "torch._dynamo", "pytest"])  # what else each would import


class Ended(NamedTuple):
    """What became of the ranks."""

    codes: list[int | None]
    out: str
    """All that they printed."""
    err: str


def together(size: int, folder: Path, work: Callable[..., int | None], *args: object) -> Ended:
    """``work(*args)`` on ``size`` ranks in ``folder``; the store is here, as torchrun's is with torchrun."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = [FORK.Process(target=_rank, args=(rank, size, store.port, folder, work, args)) for rank in range(size)]
    for one in ranks:
        one.start()
    for one in ranks:
        one.join(240)
    late = [one for one in ranks if one.is_alive()]
    for one in late:
        one.kill()
    files = [[folder / f"{name}{rank}" for rank in range(size)] for name in ("out", "err")]
    out, err = ("".join(file.read_text() for file in of) for of in files)
    for file in (*files[0], *files[1]):
        file.unlink()
    assert not late, f"{len(late)} ranks hung: {err}"
    return Ended([one.exitcode for one in ranks], out, err)


def _rank(rank: int, size: int, port: int, folder: Path, work: Callable[..., int | None], args: tuple) -> None:
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{name}{rank}", os.O_WRONLY | os.O_CREAT), number)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    torch.set_num_threads(1)
    sys.exit(work(*args))
