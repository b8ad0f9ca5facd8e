"""Every error in docs/faq.md is what the command above it says, word by word."""

import re
import shlex
from pathlib import Path

import pytest
from pages import ROOT, blocks, stage

from quickstudy.app.cli import main

PAGE = ROOT / "docs/faq.md"
HOME = "/home/ada"
"""The folder that the page speaks of."""


@pytest.mark.slow
def test_the_errors_of_the_page_are_those_that_people_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QUICKSTUDY_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    stage(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "wine.csv").write_text("alcohol,grape\n13.2,barolo\n12.1,barbera\n")
    console = blocks(PAGE, "console")
    assert len(console) > 20
    for block in console:
        *asked, said = block.strip().splitlines()
        assert all(line.startswith("$ quickstudy ") for line in asked), block
        codes = [main(shlex.split(line)[2:]) for line in asked]
        assert codes == [0] * (len(asked) - 1) + [2], block
        found = capsys.readouterr().err.rstrip().splitlines()[-1].replace(str(tmp_path), HOME)
        assert found == said or (said.endswith(", ...") and found.startswith(said.removesuffix("...")))


def test_no_command_of_the_page_is_without_its_error() -> None:
    assert not re.search(r"```console\n(\$ .*\n)+```", PAGE.read_text(encoding="utf-8"))
