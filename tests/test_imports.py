"""Imports inside the package point one way."""

import ast
from pathlib import Path

import quickstudy

ROOT = Path(quickstudy.__file__).parent
LAYERS = [
    {"errors"},
    {"devices", "locks", "settings", "sim", "weights"},
    {"nets", "tasks"},
    {"inner"},
    {"learners"},
    {"runs", "cost", "intervals", "parallel", "plan", "calibration", "embedding"},
    {"scoring", "sampler"},
    {"evaluation", "moved", "training", "typicality"},
    {"contender", "recorder", "confidence"},
    {"trainer", "comparison", "packing"},
    {"estimator", "control"},
    {"server"},
    {"bench", "challenge", "course"},
    {"app"},
    {"__main__"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def imported(path: Path) -> set[str]:
    """Rooms of the package that a file imports."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "quickstudy":
            names = node.module.split(".")[1:]
            rooms |= {names[0]} if names else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("quickstudy.")}
    return rooms


def test_every_file_imports_only_from_rooms_before_its_own() -> None:
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for other in imported(path) - {room}:
            if RANK[other] >= RANK[room]:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert not wrong, wrong


def test_nothing_imports_torchvision_or_pickle() -> None:
    for path in ROOT.rglob("*.py"):
        text = path.read_text()
        assert "torchvision" not in text, path
        assert "import pickle" not in text, path
