"""Every library's gradient is the plain loop's, and the plain loop's is right."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from quickstudy.bench import episodes, libraries, loop, nets
from quickstudy.bench.job import Job
from quickstudy.bench.libraries import LIBRARIES, OURS
from quickstudy.bench.worker import distance, joined
from quickstudy.bench.works import WORKS, Work

FEW = {"tasks": 2, "shot": 1, "query": 2}
PICTURES = {"way": 2, "images": (1, 16)}
SMALL = {
    "sine-1": replace(WORKS["sine-1"], **FEW),
    "sine-5": replace(WORKS["sine-5"], **FEW),
    "omniglot-1": replace(WORKS["omniglot-1"], net=partial(nets.conv4, 1, 8, 16, 2), **FEW, **PICTURES),
    "first-order": replace(
        WORKS["omniglot-5-first-order"], steps=2, net=partial(nets.conv4, 1, 8, 16, 2), **FEW, **PICTURES
    ),
    "protonet": replace(WORKS["protonet"], net=partial(nets.conv4, 1, 8, 16, None), **FEW, **PICTURES),
}


def job(work: Work, folder: Path) -> Job:
    """In float64, so that nothing but mistakes is far from the truth."""
    path = folder / "episodes.safetensors"
    episodes.write(work, 0, path)
    return episodes.read(work, 0, path, torch.device("cpu")).doubled(work.tasks)


@pytest.mark.parametrize(
    "name", [pytest.param("sine-5", marks=pytest.mark.slow), "omniglot-1", "first-order", "protonet"]
)
def test_ours_is_the_loop(name: str, tmp_path: Path) -> None:
    one = job(SMALL[name], tmp_path)
    (reference,) = loop.ways(one).values()
    right = joined(reference())
    for way in libraries.ways(OURS, one).values():
        assert distance(joined(way()), right) < 1e-9


def test_the_loop_agrees_with_finite_differences(tmp_path: Path) -> None:
    work = replace(
        SMALL["sine-1"],
        rate=0.05,
        net=lambda: torch.nn.Sequential(torch.nn.Linear(1, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)),
    )
    one = job(work, tmp_path)
    found = joined(loop.maml(one))
    params, eps = list(one.net.parameters()), 1e-6
    numeric = []
    for param in params:
        for at in range(param.numel()):
            sides = []
            for step in (eps, -eps):
                with torch.no_grad():
                    param.view(-1)[at] += step
                sides.append(sum(loop.adapted_loss(one, *task).item() for task in one.tasks) / len(one.tasks))
                with torch.no_grad():
                    param.view(-1)[at] -= step
            numeric.append((sides[0] - sides[1]) / (2 * eps))
    assert distance(torch.tensor(numeric, dtype=torch.float64), found) < 1e-6


@pytest.mark.parametrize(
    "name", [pytest.param("sine-5", marks=pytest.mark.slow), "omniglot-1", "first-order", "protonet"]
)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_has_a_way_that_is_right(library: str, name: str, tmp_path: Path) -> None:
    one = job(SMALL[name], tmp_path)
    if LIBRARIES[library].learns != SMALL[name].learns:
        pytest.skip(f"{library} is not compared in {name}")
    try:
        made = libraries.ways(library, one)
    except ImportError as error:
        pytest.skip(f"{library} cannot be imported: {error}")
    right = joined(next(iter(loop.ways(one).values()))())
    assert min(distance(joined(way()), right) for way in made.values()) < 1e-6
