"""Runs of this machine, for the page: what is below the runs folder, read-only, while nobody else is served."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from quickstudy import locks, runs
from quickstudy.errors import UserError
from quickstudy.server.refusals import NotThereError
from quickstudy.server.routes.common import ERRORS

router = APIRouter(prefix="/v1/runs", tags=["playground"], responses=ERRORS)
MOST_POINTS = 1000
"""Lines of metrics in one answer; of more, every second one or fewer are told."""
MOST_FILES, MOST_BYTES = 200, 2_000_000
"""JSON files that are looked at for evaluations, and how large one may be."""
QUIET_S = 900
"""A training that has written nothing for so long has been cut off."""
TAIL = 8192
"""Bytes at the end of a file in which its last line is."""
SHUT = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
"""What a page that was found may do: be looked at."""
TOLD = ("metric", "mean", "ci95", "tasks", "split", "way", "shot", "episodes", "learner", "run")

Row = dict[str, Any]


def _local(request: Request) -> bool:
    """Whether files of this machine may be shown: without keys, whoever asks is at it."""
    service = request.app.state.service
    return bool(service.keyring.keyless and service.settings.local)


def _folder(request: Request) -> Path:
    if not _local(request):
        raise NotThereError("runs are shown only where there are no keys, to whoever is at the machine.")
    return Path(request.app.state.service.settings.runs).expanduser().resolve()


Local = Annotated[bool, Depends(_local)]
Folder = Annotated[Path, Depends(_folder)]
Name = Annotated[str, Query(max_length=500, description="the name that GET /v1/runs tells")]


@router.get("")
def all_runs(request: Request, local: Local) -> Row:
    """Runs, evaluations and pages of comparisons; ``local`` says whether any are shown."""
    if not local:
        return {"local": False, "folder": "", "runs": [], "evaluations": [], "pages": []}
    root = _folder(request)
    found = sorted((described(root, path) for path in run_folders(root)), key=lambda row: row["updated"], reverse=True)
    pages = [{"name": _name(root, path), "updated": path.stat().st_mtime} for path in _files(root, "html")]
    return {"local": True, "folder": str(root), "runs": found, "evaluations": evaluations(root), "pages": pages}


@router.get("/metrics")
def metrics(folder: Folder, name: Name, after: Annotated[int, Query(ge=0)] = 0) -> Row:
    """The metrics of a run from line ``after`` on, none where it has none; ``next`` is where to go on."""
    inside(folder, name, runs.CARD)
    if not (folder / name / runs.METRICS).exists():  # as in a packed run
        return {"lines": [], "next": after}
    path = inside(folder, name, runs.METRICS)
    lines = _lines(path.read_bytes())
    fresh = lines[after:]
    stride = max(1, -(-len(fresh) // MOST_POINTS))
    kept = [one for number, one in enumerate(fresh) if number % stride == 0 or _validates(one) or one is fresh[-1]]
    return {"lines": kept, "next": max(after, len(lines))}


@router.get("/page", response_class=HTMLResponse)
def page(folder: Folder, name: Name) -> HTMLResponse:
    """A page that ``quickstudy compare`` or ``demo`` wrote."""
    path = inside(folder, name)
    if path.suffix != ".html":
        raise NotThereError(f"{name} is no page.")
    return HTMLResponse(path.read_text(encoding="utf-8", errors="replace"), headers=SHUT)


def inside(root: Path, name: str, file: str = "") -> Path:
    """The file below ``root``; NotThereError for what is elsewhere, links included, or not there."""
    try:
        path = (root / name / file).resolve()
        there = path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        raise NotThereError(f"there is no {name[:200]!r} below the runs folder. GET /v1/runs lists what there is.")
    return path


def run_folders(root: Path) -> Iterator[Path]:
    """Folders of runs: those in ``root``, and those one deeper, as the demo makes them."""
    for pattern in (f"*/{runs.CARD}", f"*/*/{runs.CARD}"):
        for card in sorted(root.glob(pattern)):
            if card.resolve().is_relative_to(root):
                yield card.parent


def described(root: Path, path: Path) -> Row:
    """A run as a row; one that cannot be read says why."""
    row: Row = {"name": _name(root, path), "updated": _touched(path), "state": "damaged", "error": None}
    try:
        run = runs.load(path)
    except UserError as error:
        return row | {"error": str(error)}
    return row | {
        "learner": run.learner_name,
        "tasks": run.spec.name,
        "metric": run.spec.metric,
        "steps": run.training.get("steps"),
        "step": _last_step(path / runs.METRICS),
        "state": _state(path),
        "curve": (path / runs.METRICS).is_file(),
    }


def _state(path: Path) -> str:
    if (path / locks.NAME).exists() and time.time() - _touched(path) < QUIET_S:
        return "training"
    return "finished" if (path / runs.WEIGHTS).exists() else "stopped"


def _touched(path: Path) -> float:
    """When the run was last written to, in seconds since 1970."""
    times = [0.0]
    for name in (runs.CARD, runs.METRICS, runs.WEIGHTS):
        try:
            times.append((path / name).stat().st_mtime)
        except OSError:
            continue
    return max(times)


def _last_step(path: Path) -> int:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            lines = _lines(file.read())
    except OSError:
        return 0
    return int(lines[-1]["step"]) if lines else 0


def _lines(content: bytes) -> list[Row]:
    """Whole lines of metrics; what a training is just writing is not one yet, and comes next time."""
    found = []
    for line in content.split(b"\n"):
        try:
            one = json.loads(line, parse_constant=lambda word: None)
        except ValueError:
            continue
        if isinstance(one, dict) and isinstance(one.get("step"), int):
            found.append(one)
    return found


def _validates(line: Row) -> bool:
    return any(name.startswith("val_") for name in line)


def evaluations(root: Path) -> list[Row]:
    """What ``quickstudy evaluate --json`` printed into files below ``root``."""
    found: list[Row] = []
    for path in list(_files(root, "json"))[:MOST_FILES]:
        try:
            value = json.loads(path.read_bytes(), parse_constant=lambda word: None)
        except (ValueError, OSError):
            continue
        rows = value.get("rows", [value]) if isinstance(value, dict) else []
        for one in rows if isinstance(rows, list) else []:
            if isinstance(one, dict) and {"metric", "ci95"} <= one.keys() and type(one.get("mean")) in (int, float):
                found.append({"file": _name(root, path)} | {key: one.get(key) for key in TOLD})
    return found


def _files(root: Path, suffix: str) -> Iterator[Path]:
    """Files in ``root`` and in its folders that are of ``root`` itself, not links to elsewhere."""
    for pattern in (f"*.{suffix}", f"*/*.{suffix}"):
        for path in sorted(root.glob(pattern)):
            own = path.name != runs.CARD and path.resolve().is_relative_to(root) and path.is_file()
            if own and (suffix == "html" or path.stat().st_size <= MOST_BYTES):
                yield path


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
