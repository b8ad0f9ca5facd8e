"""``train``: flags, what is said, resume, and every way in which the input can be wrong."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import quickstudy as qs
from quickstudy import learners, runs, tasks, trainer
from quickstudy.app import flags
from quickstudy.app.train import Place, settings_type
from quickstudy.tasks.base import Split, Task
from quickstudy.tasks.sinusoid import Sinusoid
from quickstudy.training import TrainConfig

Cli = Callable[..., Any]


@pytest.mark.parametrize("name", learners.LEARNERS)
def test_help_shows_the_flags_of_one_learner(cli: Cli, name: str) -> None:
    answer = cli("train", name, "--help")
    assert answer.code == 0
    assert all(flag in answer.out for flag in ("--tasks", "--resume", "--tasks-per-step"))
    own = {f"--{field.replace('_', '-')}" for field in learners.learner_class(name).Config.__dataclass_fields__}
    assert all(flag in answer.out for flag in own)
    assert own <= flags.names(settings_type(name))
    assert not own & (flags.names(TrainConfig) | flags.names(Place)), "two settings would have the same flag"


def test_help_without_a_learner_lists_them(cli: Cli) -> None:
    for args in ([], ["--help"]):
        answer = cli("train", *args)
        assert answer.code == 0
        assert all(name in answer.out for name in learners.LEARNERS)


def test_a_training_says_what_it_does_and_ends_with_its_path(cli: Cli, tiny: tuple[str, ...]) -> None:
    answer = cli("train", "protonet", "--tasks", "glyphs:classes=20", "--steps", "2", "--distance", "cosine", *tiny)
    assert answer.code == 0
    assert answer.out == "runs/protonet-glyphs-classes20-1\n"
    assert "2 steps of 1 task, 2-way 1-shot, 2 queries of each class\non cpu, into runs/" in answer.err
    assert "batching of tasks: " in answer.err
    run = qs.load_run(answer.out.strip())
    assert (run.config.distance, run.config.width, run.training["way"]) == ("cosine", 4, 2)


def test_a_learner_without_parameters_trains_in_no_steps(cli: Cli) -> None:
    answer = cli("train", "nearest", "--k", "3", "--out", "near")
    assert (answer.code, answer.out) == (0, "near\n")
    assert cli("evaluate", "near", "--episodes", "4").code == 0


def test_a_training_that_was_cut_off_before_its_first_checkpoint_starts_again(cli: Cli, run: Path) -> None:
    for name in (runs.WEIGHTS, runs.CHECKPOINT):
        (run / name).unlink()
    answer = cli("train", "--resume", "small")
    assert answer.code == 0
    assert "going on from step 0, for it has no checkpoint, with protonet" in answer.err
    assert (run / runs.WEIGHTS).exists()


def test_a_warm_start(cli: Cli, run: Path, tiny: tuple[str, ...]) -> None:
    answer = cli("train", "matching", "--steps", "0", "--init", str(run), "--out", "warm", *tiny)
    assert answer.code == 0
    mine, theirs = (runs.read_tensors(path / "weights.safetensors")[0] for path in (Path("warm"), run))
    assert torch.equal(mine["net.blocks.0.conv.weight"], theirs["net.blocks.0.conv.weight"])


SMALL = "train protonet --steps 2 --width 4 --way 2 --query 2"
WRONG = [
    ("train protonets", ["unknown learner 'protonets'", "Did you mean protonet "]),
    ("train --tasks glyphs", ["learner comes first", "quickstudy train protonet --tasks glyphs"]),
    ("train --tasks glyphs maml", ["learner comes first", "quickstudy train maml --tasks glyphs"]),
    (f"{SMALL} --tasks omniglott", ["unknown task family 'omniglott'", "Did you mean omniglot?"]),
    (f"{SMALL} --tasks glyphs:siez=28", ["unknown option of glyphs 'siez'", "Did you mean size?"]),
    (f"{SMALL} --tasks glyphs,sinusoid", ["cannot be mixed"]),
    (f"{SMALL} --tasks sinusoid", ["protonet does not do regression", "maml"]),
    (f"{SMALL} --wya 5", ["unknown flag '--wya'", "--way"]),
    (f"{SMALL} --shot five", ["--shot", "expected INT, found 'five'"]),
    (f"{SMALL} --shot", ["--shot"]),
    (f"{SMALL} --schedule linear", ["'linear'", "cosine"]),
    (f"{SMALL} glyphs", ["glyphs"]),
    (f"{SMALL} --tasks glyphs:classes=20 --way 30", ["--way is 30", "20 classes"]),
    (f"{SMALL} --shot 0", ["--shot is 0", "at least 1"]),
    (f"{SMALL} --rate nan", ["--rate is nan"]),
    (f"{SMALL} --seed 99999999999999999999", ["--seed"]),
    (f"{SMALL} --device tpu", ["device 'tpu' is not there", "cpu"]),
    (f"{SMALL} --device cpu:x", ["device 'cpu:x' is not there"]),
    (f"{SMALL} --backbone conv5", ["unknown backbone 'conv5'", "conv4"]),
    (f"{SMALL} --batching fast", ["'fast'", "vmap"]),
    (f"{SMALL} --init nowhere", ["nowhere is not a run folder"]),
    ("train maml --inner-steps -1", ["--inner-steps is -1"]),
    ("train maml --tasks sinusoid --inner-rate nan", ["--inner-rate is nan"]),
    ("train finetune", ["glyphs:classes=1000"]),
    ("train nobody:Mine", ["there is no learner nobody:Mine", "No module named 'nobody'"]),
    ("train json:JSONDecoder", ["json:JSONDecoder is no learner", "subclass of quickstudy.Learner"]),
    (f"{SMALL} --tasks glyphs:size=28:size=30", ["'size' of glyphs is given twice"]),
    (f"{SMALL} --query 99999999999", ["--query 99999999999", "GB of inputs", "Ask for fewer"]),
    ("train protonet --steps 2 --width 99999999999", ["there is not enough memory", "--width"]),
    ("train --resume", ["--resume needs the path of a run"]),
    ("train --resume nowhere", ["nowhere is not a run folder", "list runs"]),
]


@pytest.mark.parametrize(("line", "words"), WRONG, ids=[line for line, _ in WRONG])
def test_wrong_input_is_one_clear_error_and_leaves_nothing(cli: Cli, line: str, words: list[str]) -> None:
    answer = cli(*line.split())
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.splitlines()[-1].startswith("error: ")
    assert all(word in answer.err for word in words), answer.err
    assert list(Path().iterdir()) == []


def test_omniglot_has_only_so_many_examples(cli: Cli, monkeypatch: pytest.MonkeyPatch, tiny: tuple[str, ...]) -> None:
    if not os.environ.get("QUICKSTUDY_DATA"):
        pytest.skip("needs Omniglot in QUICKSTUDY_DATA")
    answer = cli("train", "protonet", "--tasks", "omniglot", "--shot", "20", *tiny)
    assert answer.code == 2
    assert "no class of omniglot" in answer.err
    assert "at most 19" in answer.err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("out", ["file", "file/run", "full"])
def test_an_output_folder_that_cannot_be_made(cli: Cli, tiny: tuple[str, ...], out: str) -> None:
    Path("file").write_text("mine")
    Path("full").mkdir()
    Path("full/mine").write_text("mine")
    answer = cli("train", "protonet", "--steps", "2", "--out", out, *tiny)
    assert answer.code == 2
    assert f"error: cannot write {out}" in answer.err or f"error: {out} is there already" in answer.err
    assert "Choose another" in answer.err
    assert Path("file").read_text() == "mine"
    assert [path.name for path in Path("full").iterdir()] == ["mine"]


def full(fail: Callable[[str], bool], original: Callable[..., None]) -> Callable[..., None]:
    """``original`` with a disk that is full when a path meets ``fail``."""

    def write(*args: object) -> None:
        if any(fail(str(arg)) for arg in args if isinstance(arg, Path | str)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(*args)

    return write


@pytest.mark.parametrize("file", ["run.json", "metrics.jsonl"])
def test_a_full_disk_at_the_start_leaves_no_folder(
    cli: Cli, tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setattr(os, "replace", full(lambda path: path.endswith(file), os.replace))
    answer = cli("train", "protonet", "--steps", "2", "--out", "one/two", *tiny)
    assert answer.code == 2
    assert f"cannot write one/two/{file}: [Errno 28] No space left on device" in answer.err
    assert "make room" in answer.err
    assert not Path("one/two").exists()


def test_a_full_disk_later_keeps_the_last_checkpoint(
    cli: Cli, tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []

    def save(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        if len(saved) == 1:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        saved.append(path)
        original(tensors, path, metadata)

    original = safetensors.torch.save_file
    monkeypatch.setattr(safetensors.torch, "save_file", save)
    answer = cli("train", "protonet", "--steps", "4", "--validate-every", "2", "--out", "run", *tiny)
    assert answer.code == 2
    assert "No space left on device" in answer.err
    assert "go on with: quickstudy train --resume run" in answer.err
    assert sorted(path.name for path in Path("run").iterdir()) == [
        "checkpoint.safetensors",
        "metrics.jsonl",
        "run.json",
    ]
    assert runs.read_tensors(Path("run/checkpoint.safetensors"))[1]["step"] == 2


class Holes(Sinusoid):
    """Waves with a missing number in each."""

    def sample(self, split: Split, index: torch.Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        task = super().sample(split, index, way=way, shot=shot, query=query, seed=seed)
        task.query.y[:, 0] = torch.nan
        return task


def test_nan_in_the_data(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.FAMILIES, "holes", (f"{__name__}:Holes", "for this test"))
    answer = cli("train", "maml", "--tasks", "holes", "--steps", "100", "--batching", "vmap")
    assert answer.code == 2
    assert "not finite in 10 meta-steps in a row" in answer.err
    assert "look for NaN in the data" in answer.err


@pytest.mark.parametrize(("steps", "words"), [(1, "in 1 meta-step in a row"), (3, "in 3 meta-steps in a row")])
def test_a_training_without_one_good_step_is_not_finished(cli: Cli, steps: int, words: str) -> None:
    answer = cli("train", "maml", "--tasks", "sinusoid", "--steps", str(steps), "--inner-rate", "1e30", "--out", "run")
    assert answer.code == 2
    assert words in answer.err
    assert not Path("run/weights.safetensors").exists()


MINE = """\
from quickstudy.learners.protonet import ProtoNet, ProtoNetConfig


class Mine(ProtoNet):
    \"\"\"My own prototypes.\"\"\"
"""


def test_a_learner_whose_settings_are_those_of_train_is_refused(cli: Cli) -> None:
    own = "from dataclasses import dataclass\nfrom quickstudy.learners.protonet import ProtoNet, ProtoNetConfig\n\n"
    config = "@dataclass(frozen=True, kw_only=True)\nclass C(ProtoNetConfig):\n    seed: int = 0\n\n\n"
    Path("clashing.py").write_text(own + config + "class Mine(ProtoNet):\n    Config = C\n")
    answer = cli("train", "clashing:Mine")
    assert answer.code == 2
    assert "the Config of clashing:Mine has seed, which train has too" in answer.err


def test_a_learner_of_ones_own(cli: Cli, tiny: tuple[str, ...]) -> None:
    Path("mylearner.py").write_text(MINE)
    assert "Meta-train mylearner:Mine: My own prototypes." in cli("train", "mylearner:Mine", "--help").out
    answer = cli("train", "mylearner:Mine", "--steps", "2", "--distance", "cosine", *tiny)
    assert (answer.code, answer.out) == (0, "runs/mine-glyphs-1\n")
    row = json.loads(cli("evaluate", "mine-glyphs-1", "--episodes", "4", "--json").out)
    assert row["learner"] == "mylearner:Mine"


def test_resume_of_a_finished_run(cli: Cli, run: Path) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    answer = cli("train", "--resume", "runs/small")
    assert (answer.code, answer.out) == (0, "runs/small\n")
    assert "is finished" in answer.err
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


SETTINGS = [
    ("--way 20", "found --way 20, the run has 2"),
    ("--distance cosine", "found --distance cosine, the run has euclidean"),
    ("--tasks glyphs", "found --tasks glyphs, the run has glyphs:classes=20"),
    ("--out elsewhere", "found --out elsewhere, the run has runs/small"),
    ("--init runs/other", "found --init runs/other, the run has None"),
]


@pytest.mark.parametrize(("line", "words"), SETTINGS)
def test_resume_with_other_settings(cli: Cli, run: Path, line: str, words: str) -> None:
    answer = cli("train", "--resume", "runs/small", *line.split())
    assert answer.code == 2
    assert f"--resume goes on with the settings of the run; {words}" in answer.err


def test_resume_with_another_learner(cli: Cli, run: Path) -> None:
    answer = cli("train", "maml", "--resume=runs/small")
    assert answer.code == 2
    assert "found learner maml, the run has protonet" in answer.err


def test_resume_with_the_same_settings(cli: Cli, run: Path) -> None:
    same = ("--way", "2", "--tasks", "glyphs:classes=20:size=28", "--width", "4")
    assert cli("train", "protonet", "--resume", "small", *same).code == 0


def unfinished(run: Path) -> None:
    """As a crash before the last step leaves it."""
    (run / "weights.safetensors").unlink()


def edit(run: Path, **parts: object) -> None:
    card = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(card | parts))


def training(run: Path, **settings: object) -> None:
    edit(run, training=qs.load_run(run).training | settings)


def cut_checkpoint_to(run: Path, part: str) -> None:
    path = run / runs.CHECKPOINT
    tensors, note = runs.read_tensors(path)
    kept = {name: value for name, value in tensors.items() if name.startswith(part)}
    runs.write_tensors(path, kept, note if part else {})


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("checkpoint of weights alone", lambda run: cut_checkpoint_to(run, "best"), "does not fit run.json"),
    ("checkpoint without counters", lambda run: cut_checkpoint_to(run, ""), "is no checkpoint of this training"),
    ("no run.json", lambda run: (run / "run.json").unlink(), "is not a run folder"),
    ("cut run.json", lambda run: (run / "run.json").write_text('{"format"'), "run.json is damaged"),
    ("newer", lambda run: edit(run, format=runs.FORMAT + 1, version="9.9"), "reads up to 1. Upgrade quickstudy"),
    ("steps", lambda run: training(run, steps=-3), "run.json: --steps is -3"),
    ("rate", lambda run: training(run, rate="fast"), "run.json: --rate is 'fast'"),
    ("batching", lambda run: training(run, batching="fast"), "run.json: unknown way to batch tasks 'fast'"),
    (
        "a setting of another version",
        lambda run: training(run, luck=7),
        "training has luck, which this version does not",
    ),
    ("no training", lambda run: edit(run, training={}), "training lacks max_shot, most_ways, query, rate, shot"),
    ("training", lambda run: edit(run, training=[]), "run.json is damaged"),
    (
        "cut checkpoint",
        lambda run: os.truncate(run / "checkpoint.safetensors", 100),
        "checkpoint.safetensors is damaged",
    ),
    ("no metrics", lambda run: (run / "metrics.jsonl").unlink(), "metrics.jsonl is missing or damaged"),
]


@pytest.mark.parametrize(("damage", "words"), [pytest.param(act, words, id=name) for name, act, words in DAMAGE])
def test_resume_of_a_damaged_run_changes_nothing(
    cli: Cli, run: Path, damage: Callable[[Path], object], words: str
) -> None:
    unfinished(run)
    damage(run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    answer = cli("train", "--resume", "runs/small")
    assert answer.code == 2
    assert words in answer.err
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_ctrl_c_before_the_first_step_leaves_nothing(
    cli: Cli, tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "_begin", stop)
    answer = cli("train", "protonet", *tiny)
    assert answer.code == 1
    assert answer.err.endswith("stopped before the first step; nothing was written\n")
    assert list(Path().iterdir()) == []
