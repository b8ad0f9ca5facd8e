"""Episodes of a work, drawn once and read by every library's process, so that all have the same."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from quickstudy import tasks
from quickstudy.bench.job import Batch, Job
from quickstudy.bench.works import Work
from quickstudy.tasks.base import Examples
from quickstudy.tasks.places import cache_folder, data_folder
from quickstudy.tasks.vision import omniglot_files

SOLID = 0.5
"""How much of its colour a drawing of the least strong colour keeps."""


def source(work: Work) -> str:
    """The name of the task family: Omniglot where it is on this machine already, else glyphs."""
    if work.images is None:
        return "sinusoid"
    folder = cache_folder() / "omniglot"
    there = all(omniglot_files.held(part, folder, data_folder()) for part in omniglot_files.PARTS)
    return f"omniglot:size={work.images[1]}" if there else f"glyphs:size={work.images[1]}"


def draw(work: Work, seed: int) -> dict[str, Tensor]:
    """Supports and queries: x [T, n, ...], and y [T, n] labels or [T, n, 1] numbers."""
    family = tasks.load(source(work))
    index = torch.arange(work.tasks)
    drawn = family.sample("train", index, way=work.way, shot=work.shot, query=work.query, seed=seed)
    parts = {"support": drawn.support, "query": drawn.query}
    colours = tints(work, seed)
    found = {f"{name}_x": coloured(part, colours) for name, part in parts.items()}
    return found | {f"{name}_y": part.y.argmax(-1) if work.way else part.y for name, part in parts.items()}


def tints(work: Work, seed: int) -> Tensor | None:
    """[T, way, channels] a colour for each class of each task; None where images have one channel or there are none."""
    if work.images is None or work.images[0] == 1:
        return None
    generator = torch.Generator().manual_seed(seed)
    return SOLID + (1 - SOLID) * torch.rand(work.tasks, work.way, work.images[0], generator=generator)


def coloured(part: Examples, colours: Tensor | None) -> Tensor:
    """Images [T, n, 1, h, w] times the colour of their class -> [T, n, channels, h, w]."""
    if colours is None:
        return part.x
    return part.x * torch.einsum("tnk,tkc->tnc", part.y, colours)[..., None, None]


def write(work: Work, seed: int, path: Path) -> None:
    """``draw`` into a file."""
    safetensors.torch.save_file({name: value.contiguous() for name, value in draw(work, seed).items()}, path)


def read(work: Work, seed: int, path: Path, device: torch.device) -> Job:
    """The job: episodes of the file at ``path``, and the work's net with initial weights of ``seed``."""
    found = {name: value.to(device) for name, value in safetensors.torch.load_file(path).items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = work.net().to(device)

    def part(name: str) -> Batch:
        return found[f"{name}_x"], found[f"{name}_y"]

    return Job(
        net=net,
        loss=work.loss,
        supports=part("support"),
        queries=part("query"),
        rate=work.rate,
        steps=work.steps,
        first_order=work.first_order,
        way=work.way,
    )
