"""``quickstudy doctor``: what there is on this machine, measured and looked up without downloading anything."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import tyro

import quickstudy
from quickstudy import learners
from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.devices import memory_bytes, pick_device
from quickstudy.errors import UserError
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.places import cache_folder, data_folder
from quickstudy.tasks.vision import omniglot_files
from quickstudy.training import TrainConfig, Training, resolve

PACKAGES = ("torch", "numpy", "safetensors", "pillow", "matplotlib", "rich", "tyro", "platformdirs", "scikit-learn")
NETS = {"conv4": "glyphs", "mlp": "sinusoid"}
"""Backbones whose fastest batching is measured under MAML, and on which tasks."""
STEPS = 5000
"""Of the training that it is measured for: enough to try a recording, too few to compile it."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """How to answer."""

    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object."""


def main(args: list[str]) -> int:
    """Run the verb."""
    description = "Versions, devices, memory, data and caches, and which way of batching tasks is fastest here."
    flags = parse(Flags, args, prog="quickstudy doctor", description=description)
    print("measuring ways of batching, some seconds ...", file=sys.stderr)
    found = examine()
    if flags.json:
        output.print_json(found)
        return 0
    for room, facts in found.items():
        output.print_table((room, ""), [(name, "-" if fact is None else str(fact)) for name, fact in facts.items()])
        print()
    return 0


def examine() -> dict[str, dict[str, Any]]:
    """Everything that the verb tells."""
    return {"versions": versions(), "machine": machine(), "data": data(), "fastest batching for MAML": batching()}


def versions() -> dict[str, Any]:
    """Of Python and of each package; None for one that is absent."""
    found: dict[str, Any] = {"python": platform.python_version(), "quickstudy": quickstudy.__version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def machine() -> dict[str, Any]:
    """System, cores, threads, memory and devices."""
    found: dict[str, Any] = {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(memory_bytes() / 1e9, 1),
        "device": str(pick_device("auto")),
    }
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        found[f"cuda:{number}"] = f"{card.name}, {card.total_memory / 1e9:.1f} GB"
    return found


def data() -> dict[str, Any]:
    """Where data are looked for, and where Omniglot was found."""
    cache = cache_folder()
    try:
        own, problem = data_folder(), None
    except UserError as error:
        own, problem = None, str(error)
    return {
        "QUICKSTUDY_DATA": str(own) if own else problem or "not set",
        "cache": str(cache),
        "cache_used_mb": round(used(cache) / 1e6, 1),
        "cache_free_gb": round(shutil.disk_usage(existing(cache)).free / 1e9, 1),
        "omniglot": omniglot(cache, own),
    }


def used(folder: Path) -> int:
    """Bytes of all files below ``folder``."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).stat().st_size
            except OSError:
                continue
    return total


def existing(folder: Path) -> Path:
    """``folder``, or the nearest folder above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def omniglot(cache: Path, own: Path | None) -> str:
    """Where Omniglot is, in words."""
    folder = cache / "omniglot"
    decoded = sorted(file.name for file in folder.glob("drawings-*.safetensors")) if folder.is_dir() else []
    places = {place.parent for part in omniglot_files.PARTS if (place := omniglot_files.held(part, folder, own))}
    said = [f"decoded in {folder} ({', '.join(decoded)})"] if decoded else []
    said += [f"originals in {place}" for place in sorted(places)]
    return "; ".join(said) or "not found; it is downloaded (16 MB) when it is first needed"


def batching() -> dict[str, Any]:
    """For each of ``NETS``, what ``batching=auto`` chooses here."""
    device = pick_device("auto")
    return {f"{net} on {tasks}": choice(net, tasks, device) for net, tasks in NETS.items()}


def choice(net: str, tasks: str, device: torch.device) -> str:
    """The way of batching that a training of MAML in ``STEPS`` meta-steps would take."""
    family = load_tasks(tasks)
    config = resolve(TrainConfig(steps=STEPS), "maml", family.spec)
    learner = learners.build("maml", family.spec, learners.configure("maml", {"backbone": net}), seed=0)
    training = Training(learner, family, config, device)
    training.choose_batching()
    return training.how
