"""Every command and snippet of the README and of docs/results.md runs, and results are those under results/."""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from test_people import files as people

from quickstudy.app.cli import main
from quickstudy.learners import LEARNERS
from quickstudy.tasks import FAMILIES, load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs/results.md").read_text(encoding="utf-8").replace("](../results/", "](results/")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.S)
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README + RESULTS, re.S)
    for line in block.replace("\\\n", " ").splitlines()
    if line.partition("#")[0].strip()
]


def is_recipe(command: str) -> bool:
    """Whether a command makes a row of the results table, which takes minutes to an hour."""
    words = ("omniglot", "tiny_imagenet", "runs/sine", "runs/functions", "runs/glyphs", "runs/folds")
    return any(word in command for word in words)


BENCHMARKS = {
    "run": "--learners nearest",
    "speed": "--works sine-1 --rounds 1",
    "ways": "--works sine-1 --rounds 1 --choices 1 --eager",
    "ladder": "--episodes 2 --learners nearest",
    "tables": "--tables iris --shots 5 --episodes 2",
    "trials": "--tasks strides:simulated=true --partitions 0 --tries 2 --learners averagemap --against averagemap",
    "grips": "--simulated --partitions 0 --learners maxgrip --against maxgrip",
    "strides": "--bodies cheetah --strides 16 --rounds 1",
    "returns": "--tasks dynamics:small=true --partitions 0 --bodies 2 --seeds 1 --steps 3 --learners grandmean",
    "pictures": "--tasks glyphs:size=105 --scenes clean --at 5w1s --episodes 2 --query 1",
}
"""How each is made short."""
SLOW = 1
"""The snippet that trains for a minute."""


def draw(folder: Path) -> None:
    """Two drawings each of two characters, and one more."""
    glyphs = load("glyphs").sample("test", torch.tensor([0]), way=2, shot=2, query=1, seed=0)
    pixels = (255 - 255 * torch.cat([glyphs.support.x[0], glyphs.query.x[0]])[:, 0]).byte().numpy()
    for name, drawing in zip(("alif/1", "alif/2", "ba/1", "ba/2", "../new"), pixels, strict=False):
        path = folder / "drawings" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawing).save(path)


@pytest.mark.parametrize(
    "number", [pytest.param(at, marks=pytest.mark.slow) if at == SLOW else at for at in range(len(SNIPPETS))]
)
def test_snippets_run(number: int, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SNIPPETS[number])
    if '"drawings"' in SNIPPETS[number]:
        draw(tmp_path)
    ran = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    if "PixelMean" in SNIPPETS[number]:
        command = [sys.executable, "-m", "quickstudy.app.cli", "evaluate", "runs/pixelmean-glyphs-1", "--episodes", "2"]
        again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path)
    people(tmp_path)
    ours = [command for command in COMMANDS if command.startswith("quickstudy") and not is_recipe(command)]
    assert len(ours) >= 5
    for command in ours:
        assert main(shortened(command) if "bench" in command else shlex.split(command)[1:]) == 0, command
    assert "protonet" in capsys.readouterr().out


def test_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in COMMANDS:
        if command.startswith("make "):
            assert re.search(rf"^{command.split()[1]}:", makefile, re.M), command
        else:
            assert command.startswith("quickstudy "), command


def shortened(command: str) -> list[str]:
    """The arguments of a recipe, with one meta-step of a narrow net, with two episodes, or without any training."""
    arguments = shlex.split(command)[1:]
    if arguments[0] == "evaluate":
        return [*arguments, "--episodes", "2"]
    if arguments[:2] == ["bench", "folds"]:
        told = dict(zip(arguments[2::2], arguments[3::2], strict=True))
        first = told["--learners"].partition(",")[0]
        short = {"--tasks": told["--tasks"] + ":simulated=true", "--learners": first, "--against": first}
        at = told["--at"].partition(",")[0].replace("240w", "20w").replace("168s", "24s")  # as much as the twins have
        short |= {"--at": at, "--partitions": "0", "--episodes": "2"}
        short |= {"--budget": "1"} if "--budget" in told else {}
        return ["bench", "folds", *itertools.chain(*(told | short | {"--query": "2"}).items())]
    if arguments[0] == "bench":
        return [*arguments, *BENCHMARKS[arguments[1]].split()]
    small = {"--steps": 1, "--width": 4, "--budget": 1}
    pairs = zip(["", *arguments], arguments, strict=False)
    return [str(min(int(word), small[flag])) if flag in small else word for flag, word in pairs]


@pytest.mark.parametrize("tasks", ["sine", pytest.param("omniglot", marks=pytest.mark.slow)])
def test_recipes_run(tasks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand there but for their length, and in order, for one leaves the run that the next one judges."""
    if tasks == "omniglot" and not os.environ.get("QUICKSTUDY_DATA"):
        pytest.skip("the real drawings are needed: set QUICKSTUDY_DATA to their folder")
    monkeypatch.chdir(tmp_path)
    recipes = [command for command in COMMANDS if is_recipe(command) and ("runs/sine" in command) == (tasks == "sine")]
    assert len(recipes) >= 3
    for command in recipes:
        assert main(shortened(command)) == 0, command


def test_tables_name_every_learner_and_family() -> None:
    for name in (*LEARNERS, *FAMILIES):
        assert f"| `{name}` |" in README, name


def test_pictures_and_files_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_results_are_those_recorded() -> None:
    """Each figure with an interval in the results tables is the rounded figure of the row that it links to."""
    found = re.findall(r"\[([\d.]+) ± ([\d.]+)\]\((results/[\w./-]+\.json)\)", README + RESULTS)
    assert len(found) >= 50
    for mean, ci95, path in found:
        row = json.loads((ROOT / path).read_text())
        if "partitions" in row:
            assert is_told(row, mean, ci95), path
            continue
        scale, digits = (100, 2) if row["metric"] == "accuracy" else (1, 3)
        assert mean == f"{row['mean'] * scale:.{digits}f}", path
        assert ci95 == f"{row['ci95'] * scale:.{digits}f}", path
        assert row["episodes"] >= (200 if "/characters/" in path else 600), path
        assert not row["transductive"], path


def is_told(row: dict[str, Any], mean: str, ci95: str) -> bool:
    """Whether some metric of a row over partitions, or its oracle, is ``mean`` ± ``ci95``, as it is or in percent."""
    few = 3 if row["tasks"] == "heart" else 5  # hospitals are four, one with 8 healthy
    assert len(row["partitions"]) >= few
    digits = len(mean.partition(".")[2])
    told = [
        tuple(f"{scale * cell[name]:.{digits}f}" for name in ("mean", "ci95"))
        for cell in [*row["scores"].values(), row.get("oracle")]
        if cell and cell["mean"] is not None
        for scale in (1, 100)
    ]
    return (mean, ci95) in told


def test_differences_over_partitions_are_those_recorded() -> None:
    """The cell after a score is its paired difference from the learner that the table names."""
    tables = re.findall(r"\n\n((?:\|[^\n]*minus `[^\n]*\|\n)(?:\|[^\n]*\|\n)+)", RESULTS)
    assert len(tables) >= 4
    count = 0
    for table in tables:
        heading, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        for line in lines:
            path = ""
            for title, cell in zip(heading, line, strict=True):
                if found := re.search(r"\]\((results/[\w./-]+\.json)\)", cell):
                    path = found[1]
                elif title.startswith("minus `") and cell:
                    other = json.loads((ROOT / path).read_text())["minus"][title.split("`")[1]]
                    assert is_difference(other, cell.replace("−", "-")), (path, cell)  # noqa: RUF001 - the sign that the tables have
                    count += 1
    assert count >= 20


def test_shares_of_what_the_cross_entropy_method_finds_are_those_recorded() -> None:
    """The cell "of CEM's" is the ratio of two means over grounds, of the row that is linked to beside it."""
    tables = re.findall(r"\n((?:\|[^\n]*of CEM's[^\n]*\|\n)(?:\|[^\n]*\|\n)+)", RESULTS)
    assert len(tables) == 3
    for table in tables:
        heading, _, *lines = table.splitlines()
        at = heading.split("|").index(" of CEM's ")
        for line in lines:
            scores = json.loads((ROOT / re.findall(r"\]\((results/[\w./-]+\.json)\)", line)[0]).read_text())["scores"]
            share = scores["best of 10"]["mean"] / scores["cem"]["mean"]
            assert line.split("|")[at].strip() == f"{100 * share:.1f} %"


def is_difference(minus: dict[str, Any], told: str) -> bool:
    """Whether it is that of some metric, as it is or in percent."""
    digits = len(told.partition(" ")[0].partition(".")[2])
    every = [
        f"{scale * cell['mean']:+.{digits}f} ± {scale * cell['ci95']:.{digits}f}"
        for cell in minus.values()
        for scale in (1, 100)
    ]
    return told in every


def test_scores_of_small_tables_are_those_recorded() -> None:
    """All models of a row, and how far ahead ours is."""
    found = re.findall(r"\| \[([\w-]+)\]\((results/tables/\S+\.json)\) \| (\d+) \| (.*) \|\n", RESULTS)
    assert len(found) >= 15
    for name, path, shot, cells in found:
        row = json.loads((ROOT / path).read_text())
        assert (row["table"], row["shot"]) == (name, int(shot))
        assert row["episodes"] >= 100
        row["scores"].pop("elsewhere", None)  # which the table of hospitals has
        scores = [f"{100 * one['mean']:.1f} ± {100 * one['ci95']:.1f}" for one in row["scores"].values()]
        ahead = row["ahead_of"]["logistic regression"]
        assert cells.replace("*", "").split(" | ") == [
            *scores,
            f"{100 * ahead['mean']:+.1f} ± {100 * ahead['ci95']:.1f}",
        ]


def test_ratios_are_those_recorded() -> None:
    """How many times faster, as the rows of the speed table that they link to."""
    found = re.findall(r"\[([\d.]+)\]\((results/speed/[\w-]+\.json)\)", README)
    assert len(found) >= 4
    for ratio, path in found:
        assert ratio == f"{json.loads((ROOT / path).read_text())['ratio']['median']:.1f}", path
