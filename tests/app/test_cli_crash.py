"""Trainings that are killed or interrupted, as processes of their own, and what --resume makes of them."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from quickstudy import runs
from quickstudy.app.cli import main
from quickstudy.training import CLOCKS

SETTINGS = (
    *("maml", "--tasks", "glyphs:classes=20:size=16", "--steps", "60", "--batching", "loop", "--way", "2"),
    *("--width", "4", "--inner-steps", "1", "--query", "2", "--tasks-per-step", "2"),
    *("--validate-every", "4", "--validate-episodes", "4"),
)
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def start(*args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "quickstudy.app.cli", "train", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


def wait_for_lines(path: Path, count: int) -> None:
    """Until the metrics have so many lines."""
    end = time.monotonic() + 60
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < end
        time.sleep(0.005)


def metrics(path: Path) -> list[str]:
    """Lines of metrics as they are, but for their clocks."""
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [json.dumps({name: value for name, value in line.items() if name not in CLOCKS}) for line in lines]


def check_equal(one: Path, other: Path) -> None:
    assert metrics(one) == metrics(other)
    for file in ("weights.safetensors", "checkpoint.safetensors"):
        mine, theirs = (runs.read_tensors(path / file)[0] for path in (one, other))
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.slow
def test_kill_and_ctrl_c_at_random_moments_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """kill -9, --resume, Ctrl-C, --resume: equal byte for byte to a training that nobody disturbed.

    The last two, to which nothing is done, run in this process.
    """
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    one = start(*SETTINGS, "--out", str(cut))
    wait_for_lines(cut / "metrics.jsonl", random.randint(1, 4))
    time.sleep(random.uniform(0, 0.1))
    one.kill()
    one.communicate()
    assert one.returncode == -signal.SIGKILL
    assert not (cut / "weights.safetensors").exists()

    seen = len((cut / "metrics.jsonl").read_text().splitlines())
    one = start("--resume", str(cut))
    wait_for_lines(cut / "metrics.jsonl", seen + random.randint(1, 4))
    one.send_signal(signal.SIGINT)
    out, err = one.communicate(timeout=60)
    assert (one.returncode, out) == (1, "")
    step = runs.read_tensors(cut / "checkpoint.safetensors")[1]["step"]
    assert err.endswith(f"stopped at step {step}; go on with: quickstudy train --resume {cut}\n")
    assert "Traceback" not in err

    assert main(["train", "--resume", str(cut)]) == 0
    assert main(["train", *SETTINGS, "--out", str(whole)]) == 0
    assert capsys.readouterr().out == f"{cut}\n{whole}\n"
    check_equal(whole, cut)
    assert not list(tmp_path.rglob("*.tmp"))
