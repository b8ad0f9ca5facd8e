"""Training on several processes: equal to one process, and no less clear when something goes wrong."""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch
from ranks import together
from torch import Tensor

import quickstudy as qs
from quickstudy import learners, locks, parallel, runs
from quickstudy.app.cli import main
from quickstudy.errors import UserError
from quickstudy.tasks.base import Split, Task
from quickstudy.tasks.sinusoid import Sinusoid
from quickstudy.training import CLOCKS, TrainConfig, Training, resolve

PAGE = Path(__file__).parent.parent / "docs" / "several-machines.md"
SMALL = ("maml", "--tasks", "sinusoid", "--width", "4", "--tasks-per-step", "5", "--batching", "loop", "--query", "2")


class Exact(Sinusoid):
    """Waves in float64."""

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        task = super().sample(split, index, way=way, shot=shot, query=query, seed=seed)
        return task._replace(support=double(task.support), query=double(task.query))


def double(part: qs.Examples) -> qs.Examples:
    return part._replace(x=part.x.double(), y=part.y.double())


def train_alike(exact: bool, tasks: int, name: str) -> None:
    """Twenty meta-steps; the weights of each rank go to the file ``name``-rank."""
    world = parallel.world()
    family = Exact() if exact else Sinusoid()
    config = resolve(TrainConfig(tasks_per_step=tasks, steps=20, rate=0.01, batching="loop"), "maml", family.spec)
    learner = learners.build("maml", family.spec, learners.configure("maml", {"width": 8}), seed=world.rank)
    training = Training(learner.double() if exact else learner, family, config, torch.device("cpu"), world)
    if world.rank == 0:  # others begin with weights of their own, which must not count
        learner.load_state_dict(begin(exact))
    training.unite()
    training.choose_batching()
    while not training.finished():
        training.meta_step()
    safetensors.torch.save_file(
        {name: value.detach() for name, value in training.params.items()}, f"{name}{world.rank}"
    )


def begin(exact: bool) -> dict[str, Tensor]:
    learner = learners.build("maml", Sinusoid().spec, learners.configure("maml", {"width": 8}), seed=5)
    return (learner.double() if exact else learner).state_dict()


@pytest.mark.parametrize(
    ("exact", "size", "tasks", "rounding"),
    [(True, 2, 8, 1e-12), (True, 3, 4, 1e-12), (False, 3, 8, 1e-4)],
    ids=["float64", "an uneven meta-batch", "float32"],
)
def test_ranks_together_take_the_steps_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact: bool, size: int, tasks: int, rounding: float
) -> None:
    """Every weight to ``rounding`` of the largest of its tensor, and on all ranks to the bit."""
    monkeypatch.chdir(tmp_path)
    train_alike(exact, tasks, "alone")
    ended = together(size, tmp_path, train_alike, exact, tasks, "rank")
    assert ended.codes == [0] * size, ended.err
    alone, first = (safetensors.torch.load_file(file) for file in ("alone0", "rank0"))
    for name, value in alone.items():
        assert (value - first[name]).abs().max() <= rounding * value.abs().max(), name
        assert not torch.equal(value, begin(exact)[name]) or not value.any()
    for rank in range(1, size):
        own = safetensors.torch.load_file(f"rank{rank}")
        assert all(torch.equal(value, own[name]) for name, value in first.items())


def train_with_moments(out: str) -> None:
    """At rate 0, for where a gradient is zero but for rounding Adam makes a whole step of the rounding."""
    steps = {"steps": 6, "rate": 0.0, "validate_every": 3, "validate_episodes": 7}
    config = TrainConfig(way=3, query=2, tasks_per_step=3, batching="loop", **steps)
    qs.train("protonet", "glyphs:classes=20", config, settings={"width": 4, "norm": "batch"}, out=out)


def test_validations_moments_and_the_run_are_those_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a script that calls ``train`` ends on every rank."""
    monkeypatch.chdir(tmp_path)
    train_with_moments("alone")
    ended = together(2, tmp_path, train_with_moments, "two")
    assert ended.codes == [0, 0], ended.err
    check_same(Path("alone"), Path("two"), 1e-5)


def check_same(one: Path, other: Path, rounding: float) -> None:
    """Weights, checkpoints, and metrics but for their clocks, to ``rounding``."""
    for file in (runs.WEIGHTS, runs.CHECKPOINT):
        mine, theirs = (runs.read_tensors(path / file)[0] for path in (one, other))
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            torch.testing.assert_close(theirs[name], value, rtol=rounding, atol=rounding, msg=f"{file}: {name}")
    mine, theirs = ((path / runs.METRICS).read_text().splitlines() for path in (one, other))
    for line, found in zip(map(json.loads, mine), map(json.loads, theirs), strict=True):
        for clock in CLOCKS:
            del line[clock], found[clock]
        assert found == pytest.approx(line, rel=rounding, abs=rounding)


def torchrun(size: int, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(size), "-m", "quickstudy", *args]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for_lines(path: Path, count: int) -> None:
    end = time.monotonic() + 240
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < end
        time.sleep(0.005)


def words(err: str) -> list[str]:
    """What we said in the end, between the lines of torchrun."""
    return [line for line in err.splitlines() if line.startswith(("error:", "stopped"))]


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds torchrun's processes in /proc")
@pytest.mark.slow
def test_a_killed_rank_ends_the_run_which_goes_on_with_any_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = (*SMALL, "--steps", "50", "--validate-every", "5", "--validate-episodes", "4")
    one = torchrun(2, "train", *settings, "--out", "cut")
    assert main(["train", *settings, "--out", "whole"]) == 0
    wait_for_lines(Path("cut/metrics.jsonl"), 2)
    ranks = Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split()
    os.kill(int(random.choice(ranks)), signal.SIGKILL)
    start = time.monotonic()
    out, err = one.communicate(timeout=120)
    assert time.monotonic() - start < 25
    assert (one.returncode, out) == (1, "")
    (said,) = words(err)
    assert said.endswith("Go on from the last checkpoint with: quickstudy train --resume cut"), said
    assert not Path("cut", runs.WEIGHTS).exists()

    for size in (1, 2, 3):
        shutil.copytree("cut", f"cut{size}")
        ended = together(size, tmp_path, main, ["train", "--resume", f"cut{size}"])
        assert (ended.codes, ended.out) == ([0] * size, f"cut{size}\n"), ended.err
        check_same(Path("whole"), Path(f"cut{size}"), 1e-4)
        assert not Path(f"cut{size}", locks.NAME).exists()


def on_rank(rank: int, wrong: list[str], right: list[str]) -> int:
    return main(wrong if parallel.world().rank == rank else right)


RIGHT = ["train", *SMALL, "--steps", "3", "--out", "run"]
WRONG = [
    (main, [["train", "maml", "--tasks", "sinusoidd"]], "Did you mean sinusoid?"),
    (main, [[*RIGHT, "--tasks-per-step", "1"]], "--tasks-per-step is 1, too few for 2 processes"),
    (main, [[*RIGHT, "--init", "nowhere"]], "nowhere is not a run folder"),
    (main, [["train", "--resume", "nowhere"]], "nowhere is not a run folder"),
    (on_rank, [1, [*RIGHT, "--device", "tpu"], RIGHT], "device 'tpu' is not there"),
    (on_rank, [0, [*RIGHT, "--device", "tpu"], RIGHT], "device 'tpu' is not there"),
]


@pytest.mark.parametrize(("work", "args", "said"), WRONG)
def test_what_is_wrong_is_said_once_and_leaves_nothing(tmp_path: Path, work: object, args: list, said: str) -> None:
    """Whether every rank finds it, or one alone."""
    ended = together(2, tmp_path, work, *args)  # type: ignore[arg-type]
    assert ended.codes == [2, 2]
    assert ended.out == ""
    (line,) = words(ended.err)
    assert said in line
    assert "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == []


def interrupted(args: list[str]) -> int:
    if parallel.world().rank == 1:  # one rank alone, and in the middle
        step = Training.meta_step

        def meta_step(training: Training) -> None:
            step(training)
            if training.step == 3:
                os.kill(os.getpid(), signal.SIGINT)

        Training.meta_step = meta_step  # type: ignore[method-assign]
    return main(args)


def test_ctrl_c_leaves_a_checkpoint_of_one_step(tmp_path: Path) -> None:
    ended = together(2, tmp_path, interrupted, ["train", *SMALL, "--steps", "50", "--out", "run"])
    assert (ended.codes, ended.out) == ([1, 1], "")
    assert words(ended.err) == ["stopped at step 4; go on with: quickstudy train --resume run"]
    assert runs.read_tensors(tmp_path / "run" / runs.CHECKPOINT)[1]["step"] == 4
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [runs.CHECKPOINT, runs.METRICS, runs.CARD]


def drifting(args: list[str]) -> int:
    if parallel.world().rank == 1:
        sum_over = parallel.World.sum

        def wrong(world: parallel.World, tensors: list[Tensor]) -> list[Tensor]:
            return [value + own for value, own in zip(sum_over(world, tensors), tensors, strict=True)]

        parallel.World.sum = wrong  # type: ignore[method-assign,assignment]
    return main(args)


def test_ranks_whose_weights_come_apart_are_found(tmp_path: Path) -> None:
    settings = ("--steps", "6", "--validate-every", "3", "--validate-episodes", "2")
    ended = together(2, tmp_path, drifting, ["train", *SMALL, *settings, "--out", "run"])
    assert ended.codes == [2, 2]
    (line,) = words(ended.err)
    assert "process 2 of 2 no longer has the weights of the first one" in line
    assert not (tmp_path / "run" / runs.WEIGHTS).exists()


def test_a_second_training_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """A new one and a resumed one; what the first has written stays."""
    config = TrainConfig(steps=2, tasks_per_step=2, query=2, validate_every=0, batching="loop")

    def again(training: Training, _: dict[str, object]) -> None:
        before = sorted(path.name for path in (tmp_path / "run").iterdir())
        with pytest.raises(UserError, match=re.escape(f"{tmp_path / 'run'} is in use")):
            qs.resume(tmp_path / "run")
        with pytest.raises(UserError, match="is a run already"):
            qs.train("maml", "sinusoid", config, settings={"width": 4}, out=tmp_path / "run")
        assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before

    qs.train("maml", "sinusoid", config, settings={"width": 4}, out=tmp_path / "run", progress=again)
    with locks.held(tmp_path / "new"), pytest.raises(UserError, match="is in use"):
        qs.train("maml", "sinusoid", config, settings={"width": 4}, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_shares_cover_everything_once() -> None:
    for size in range(1, 6):
        for count in range(12):
            shares = [parallel.World(rank, size).share(count) for rank in range(size)]
            assert [one for share in shares for one in share] == list(range(count))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_package_is_a_command_that_asks_for_help_without_torch() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "quickstudy", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.startswith("usage: quickstudy COMMAND")
    assert "| torch" not in said.stderr


SHORT = ("--width", "4", "--way", "2", "--query", "2", "--validate-episodes", "4", "--batching", "loop")


def test_commands_of_the_page_run(tmp_path: Path) -> None:
    """Those for one machine: two steps of a narrow net, each as one of its processes would run it."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    commands = [shlex.split(line) for line in lines if "--nnodes" not in line and "quickstudy train" in line]
    assert len(commands) >= 2
    for words in commands:
        size = int(words[words.index("--nproc-per-node") + 1]) if words[0] == "torchrun" else 1
        args = words[words.index("quickstudy") + 1 :]
        args = ["2" if flag == "--steps" else word for flag, word in zip(["", *args], args, strict=False)]
        ended = together(size, tmp_path, main, args if "--resume" in args else [*args, *SHORT])
        assert ended.codes == [0] * size, ended.err


def script() -> None:
    """The Python of the page, on a rank."""
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)), {})


def test_the_script_of_the_page_says_its_score_once(tmp_path: Path) -> None:
    ended = together(2, tmp_path, script)
    assert ended.codes == [0, 0], ended.err
    assert re.fullmatch(r"\d+\.\d+\n", ended.out)
