"""The example script: alarms of people never met, and the next hour of a record."""

import importlib.util
import math
from pathlib import Path

import pytest

import quickstudy as qs

PATH = Path(__file__).parents[2] / "examples" / "glucose.py"


def test_it_tells_of_lows_and_of_the_next_hour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("example", PATH)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    run = qs.train("arx", tasks="glucose:simulated=true", out=tmp_path / "run", config=qs.TrainConfig(device="cpu"))
    found = example.alarms(run)
    assert 0 <= found.sensitivity <= 1
    assert found.false_a_day <= 1
    lines = [f"2026-03-14T{h:02d}:{m:02d},{120 + 30 * math.sin(h)}" for h in range(20) for m in range(0, 60, 5)]
    (tmp_path / "ada.csv").write_text("\n".join(["time,glucose (mg/dL)", *lines]))
    said = example.next_hour(run, tmp_path / "ada.csv")
    assert said.mean.shape == (1, 2)
    out = capsys.readouterr().out
    assert "lows warned of" in out
    assert f"now {120 + 30 * math.sin(19):.0f} mg/dL" in out
    assert "in 60 minutes" in out
    lines = [
        f"2026-03-14T{h:02d}:{m:02d},{(120 + 30 * math.sin(h)) / 18.016}" for h in range(20) for m in range(0, 60, 5)
    ]
    (tmp_path / "ada.csv").write_text("\n".join(["time,glucose (mmol/L)", *lines]))
    example.next_hour(run, tmp_path / "ada.csv")
    out = capsys.readouterr().out
    assert f"now {(120 + 30 * math.sin(19)) / 18.016:.1f} mmol/L" in out
    assert "mg/dL" not in out
