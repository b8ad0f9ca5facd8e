"""One library in a process of its own, which does what it is told line by line and otherwise waits.

    python -m quickstudy.bench.worker LIBRARY WORK EPISODES SEED THREADS DEVICE

A request is a line of JSON with ``do`` and what that needs; the answer is one line. What cannot be done is answered
with ``failed``, a library that cannot be imported with ``missing``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from quickstudy.bench import episodes, libraries, measure, peak
from quickstudy.bench.job import Way
from quickstudy.bench.works import WORKS

CHECKED = 2
"""Tasks that the check in float64 is made on."""


def main(arguments: Sequence[str]) -> None:
    """Answer until the other side closes its end."""
    # a library may print: only answers go where answers are expected
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    worker = Worker(*arguments)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, f"do_{request.pop('do')}")(**request)
        except Exception as error:  # of a library: to be reported, whatever it is
            traceback.print_exc()
            answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(answer), file=answers, flush=True)


class Worker:
    """What can be asked; every answer is a dict."""

    def __init__(self, library: str, work: str, path: str, seed: str, threads: str, device: str) -> None:
        torch.set_num_threads(int(threads))
        self.library, self.device = library, torch.device(device)
        torch.backends.cudnn.allow_tf32 = False  # on a GPU: all compute with what they are checked for
        self.job = episodes.read(WORKS[work], int(seed), Path(path), self.device)
        self.ways: dict[str, Way] = {}

    def do_open(self) -> dict[str, Any]:
        """Import the library: the names of its ways."""
        try:
            self.ways = libraries.ways(self.library, self.job)
        except ImportError as error:
            return {"missing": str(error)}
        return {"ways": list(self.ways)}

    def do_gradients(self, way: str, path: str) -> dict[str, Any]:
        """Write the gradients of ``CHECKED`` tasks in float64 and of all tasks as they are timed."""
        few = self.job.doubled(CHECKED)
        found = {"float64": joined(libraries.ways(self.library, few)[way]()), "float32": joined(self.ways[way]())}
        safetensors.torch.save_file(found, path)
        return {}

    def do_check(self, way: str, reference: str, tolerance: float) -> dict[str, Any]:
        """How far both are from those in the file ``reference``: relative 2-norms of the difference.

        What is wrong in float64 is not looked at in float32.
        """
        right = safetensors.torch.load_file(reference)
        few = libraries.ways(self.library, self.job.doubled(CHECKED))[way]
        error = distance(joined(few()), right["float64"])
        if not error <= tolerance:
            return {"error": error}
        return {"error": error, "error_float32": distance(joined(self.ways[way]()), right["float32"])}

    def do_repeats(self, way: str) -> dict[str, Any]:
        """How often the way, which is warm from its check, has to be repeated for a measurement."""
        repeats, seconds = measure.repeats_of(self.ways[way], self.device)
        return {"repeats": repeats, "seconds": seconds}

    def do_time(self, way: str, repeats: int) -> dict[str, Any]:
        """Seconds of one meta-gradient."""
        return {"seconds": measure.timed(self.ways[way], repeats, self.device)}

    def do_memory(self, way: str) -> dict[str, Any]:
        """Bytes by which a meta-gradient lets the peak grow, after one with a single step."""
        libraries.ways(self.library, dataclasses.replace(self.job, steps=1))[way]()
        self.job.fresh()
        return {"bytes": measure.growth(self.ways[way], self.device)}

    def do_peak(self) -> dict[str, Any]:
        """This machine's best rates in FLOP a second."""
        return {"rates": peak.rates(self.device)}

    def do_flops(self) -> dict[str, Any]:
        """Of one meta-gradient."""
        return {"flops": peak.flops(self.job)}


def joined(gradients: Sequence[Tensor]) -> Tensor:
    """[all] float64."""
    return torch.cat([value.detach().flatten().double().cpu() for value in gradients])


def distance(found: Tensor, right: Tensor) -> float:
    """Relative 2-norm of the difference; infinite where there are too few gradients."""
    if found.shape != right.shape:
        return float("inf")
    return float((found - right).norm() / right.norm())


if __name__ == "__main__":
    main(sys.argv[1:])
