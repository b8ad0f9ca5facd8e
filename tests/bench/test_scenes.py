"""Drawings go through scenes, and the rows say how well they are told apart afterwards."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from quickstudy.app.cli import main
from quickstudy.bench.scenes import PAGE, SCENES


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_keeps_the_drawing_and_its_chance(scene: str) -> None:
    drawing = Image.new("L", (105, 105), 255)
    ImageDraw.Draw(drawing).line([(30, 30), (70, 80), (75, 30)], fill=0, width=5)
    made, again = (SCENES[scene](drawing, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(made, again)
    light = np.asarray(made)
    assert light.max() - light.min() > 60
    assert scene == "clean" or made.size != drawing.size or not np.array_equal(light, drawing)
    if scene in ("corner", "photographed"):
        assert light.shape == PAGE


def test_rows_are_made_once_and_agree_with_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["bench", "pictures", "--tasks", "glyphs:size=105", "--scenes", "clean,corner", "--at", "5w1s"]
    args += ["--episodes", "3", "--query", "2", "--out", str(tmp_path)]
    assert main(args) == 0
    row = json.loads((tmp_path / "corner-5w1s.json").read_text())
    assert row["mean"] > 0.6
    assert row["scene"] == "corner"
    out = capsys.readouterr().out
    assert f"{100 * row['mean']:.2f}" in out
    (tmp_path / "corner-5w1s.json").write_text(json.dumps(row | {"mean": 0.123}))
    assert main([*args, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["corner-5w1s"]["mean"] == 0.123


def test_what_is_not_right_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "pictures", "--scenes", "clear"]) == 2
    assert "Did you mean clean" in capsys.readouterr().err
    assert main(["bench", "pictures", "--tasks", "sinusoid", "--at", "5s"]) == 2
    assert "has no drawings" in capsys.readouterr().err
