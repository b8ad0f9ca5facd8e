"""The commands of docs/people.md run, one after the other, on files such as the page describes."""

import json
import math
import re
import shlex
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from quickstudy.app.cli import main
from quickstudy.tasks import load

PAGE = (Path(__file__).parent.parent / "docs/people.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines() if line.strip()]


def packet(names: tuple[str, ...], row: list[float], **more: Any) -> str:
    """A phenopacket of a patient."""
    told = [
        {"type": {"id": name.partition(" ")[0]}, "excluded": value < 0}
        for name, value in zip(names, row, strict=True)
        if value
    ]
    return json.dumps({"phenotypicFeatures": told} | more)


def files(folder: Path) -> None:
    """Patients of two diseases and a new one, a newborn's doses, a day and a half of glucose, a user's films."""
    family = load("phenotypes:simulated=true")
    task = family.sample("test", torch.arange(1), way=2, shot=2, query=1, seed=0)
    (folder / "cases").mkdir()
    for number, (row, y) in enumerate(zip(task.support.x[0].tolist(), task.support.y[0].tolist(), strict=True)):
        disease = [{"term": {"id": f"OMIM:{int(y[1])}"}}]
        (folder / f"cases/{number}.json").write_text(packet(family.spec.names, row, id=f"p{number}", diseases=disease))
    (folder / "patient.json").write_text(packet(family.spec.names, task.query.x[0, 0].tolist(), id="new"))
    (folder / "anna.csv").write_text(
        "id,time,dose,level,weight,apgar\nanna,0,25,,1.4,7\nanna,2,,17.3,1.4,7\nanna,12.5,3.5,,1.4,7\nanna,60,,?,1.4,7\n"
    )
    lines, start = ["time,glucose,carbs,insulin"], datetime(2026, 5, 1, 7)
    for step in range(12 * 30):
        meal = "45,4" if step % 72 == 3 else ","
        lines.append(f"{start + timedelta(minutes=5 * step)},{130 + 40 * math.sin(step / 30):.0f},{meal}")
    (folder / "ada.csv").write_text("\n".join(lines))
    (folder / "mine.csv").write_text("title,rating\ndrama 1,5\ncomedy 2,2\nhorror 3,4.5\n")


def test_the_commands_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    files(tmp_path)
    assert len(COMMANDS) > 15
    for command in COMMANDS:
        assert command.startswith("quickstudy "), command
        assert main(shlex.split(command)[1:]) == 0, (command, capsys.readouterr().err)
    told = capsys.readouterr()
    for words in ("OMIM:", "level, mg/L", "glucose in 60 min, mg/dL", "rating"):
        assert words in told.out
    assert "makes no diagnosis" in told.err
    assert "not for decisions about a patient" in told.err
