"""easyfsl: ``PrototypicalNetworks``, one task after the other, as in its notebook on episodic training."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from quickstudy.bench.job import Job, Way


def ways(job: Job, easyfsl: Any) -> dict[str, Way]:
    """The loop over tasks."""
    model = prototypical_networks(easyfsl)(job.net)

    def once() -> list[Tensor]:
        job.fresh()
        tasks = job.tasks
        for (x, y), (x_query, y_query) in tasks:
            model.process_support_set(x, y)
            (F.cross_entropy(model(x_query), y_query) / len(tasks)).backward()
        return job.gradients()

    return {"PrototypicalNetworks": once}


def prototypical_networks(easyfsl: Any) -> Any:
    """The class of that name.

    ``easyfsl.methods`` imports every method there is, with networks that need packages which may be absent; the file
    of this one, and the two that it imports, need only torch. Where the whole does not import, they are imported alone:
    one that was built for another torch raises RuntimeError.
    """
    try:
        importlib.import_module("easyfsl.methods")
    except (ImportError, RuntimeError):
        alone = ModuleType("easyfsl.methods")
        alone.__path__ = [f"{folder}/methods" for folder in easyfsl.__path__]
        sys.modules["easyfsl.methods"] = alone
    return importlib.import_module("easyfsl.methods.prototypical_networks").PrototypicalNetworks
