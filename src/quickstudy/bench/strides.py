"""How many strides of a second one core simulates in a CPU second: what a library of gaits on many grounds costs."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np

import quickstudy
from quickstudy.devices import processor
from quickstudy.sim.bodies import Body, Condition, needs
from quickstudy.sim.strides import Ground


def measure(body: Body, *, strides: int, rounds: int, seed: int) -> dict[str, Any]:
    """A row: ``rounds`` times the same ``strides`` random gaits of ``body`` on flat ground, in one thread.

    Seconds are CPU seconds of this process, which waiting for the processor does not lengthen. Other work does, where
    it shares the core or its caches; so a busy machine has fewer strides.
    """
    ground = Ground(body, Condition(), threads=1)
    gaits = np.random.default_rng(seed).uniform(-1, 1, (strides, len(body.gait.names)))
    felt = ground.walk(gaits)  # what is done once is not what is measured
    cpu = []
    for _ in range(rounds):
        begin = time.process_time()
        ground.walk(gaits)
        cpu.append(time.process_time() - begin)
    return {
        "body": body.name,
        "strides": strides,
        "rounds": rounds,
        "seed": seed,
        "fell": int(felt.fell.sum()),
        "blew_up": felt.blew_up,
        "cpu_s": cpu,
        "per_cpu_s": {"median": strides / median(cpu), "min": strides / max(cpu), "max": strides / min(cpu)},
        "processor": processor(),
        "mujoco": needs("mujoco").__version__,
        "version": quickstudy.__version__,
    }
