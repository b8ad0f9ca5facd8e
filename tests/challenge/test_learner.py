"""An entry that is a learner learns from what the host draws, by the one loop, and answers as it does anywhere."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from quickstudy import learners, runs, trainer
from quickstudy.challenge import wire
from quickstudy.challenge.check import Block
from quickstudy.challenge.entry import Entry
from quickstudy.challenge.inside import learner
from quickstudy.challenge.inside.__main__ import said
from quickstudy.challenge.inside.host import Streamed
from quickstudy.challenge.run import run
from quickstudy.challenge.suite import Suite
from quickstudy.challenge.teach import Teacher, hello
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.plan import TrainConfig


class Direct:
    """A host in the same process."""

    def __init__(self, block: Block) -> None:
        self.teacher = Teacher(block.train)

    def ask(self, what: str, **more: Any) -> Any:
        answer = self.teacher({"ask": what} | json.loads(json.dumps(more)), True)
        if "refused" in answer:
            raise UserError(answer["refused"])
        return json.loads(json.dumps(answer))


@pytest.mark.parametrize("number", [0, 1])
def test_streamed_tasks_are_those_of_the_family(small: Suite, blocks: list[Block], number: int) -> None:
    block = blocks[number]
    direct: Any = Direct(block)
    family = Streamed(direct, json.loads(json.dumps(hello(small, block))))
    assert family.spec == block.train.spec
    size = {"way": 3, "shot": 2, "query": 2, "seed": 5}
    here, there = (one.sample("train", torch.arange(3), **size) for one in (family, block.train))
    for one, other in zip(batch.take(here, 1)[:2], batch.take(there, 1)[:2], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.equal(here.key, there.key)
    assert len(family.tasks("train")) == len(block.train.tasks("train"))
    assert torch.equal(family.tasks("train")[1].x, block.train.tasks("train")[1].x)
    with pytest.raises(UserError, match="split is 'test'"):
        family.sample("test", torch.arange(1), **size)


@pytest.mark.parametrize("name", ["protonet", "cnp"])
def test_a_learner_is_trained_on_them_and_answers(
    small: Suite, blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    block = blocks[name == "protonet"]
    direct: Any = Direct(block)
    answer = learner.prepare(direct, json.loads(json.dumps(hello(small, block))), "name", name)
    task = batch.take(block.test.sample("test", torch.arange(1), way=3, shot=2, query=2, seed=0), 0)
    kind = block.test.spec.kind
    asked = {
        "support": wire.examples(task.support, kind, True),
        "query": {"x": wire.pack(task.query.x, True)},
        "way": 3,
    }
    found = wire.answers(answer(asked), len(task.query.x), 3 if kind == "classification" else 1, kind)
    with torch.no_grad():
        run = learner.runs.load("run").learner()
        own = run.predict(run.adapt(task.support), task.query.x, task.query.mask)
    assert type(found) is type(own)
    assert torch.allclose(found[0], own[0], atol=1e-5)


def test_a_file_has_one_learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    text = "from quickstudy.learners.nearest import Nearest\n"
    for name, more in (("none_at_all", ""), ("two_of_them", "class A(Nearest): pass\nclass B(Nearest): pass\n")):
        (tmp_path / f"{name}.py").write_text(text + more)
        with pytest.raises(UserError, match=f"{name}.py has {0 if not more else 2} learners"):
            learner.named(f"{name}.py")
    (tmp_path / "one_alone.py").write_text(text + "class A(Nearest): pass\n")
    assert learners.learner_class(learner.named("one_alone.py")).__name__ == "A"


MINE = """
import torch
from quickstudy.challenge.stranger import Chance

class Mine(Chance):
    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.scale = torch.nn.Parameter(torch.ones(())) if LEARNS else 1.0

    def loss(self, task, progress):
        return self.scale.square()
"""


@pytest.mark.parametrize("method", ["__init__", "recipe", "prepare", "loss", "adapt", "predict"])
def test_what_raises_in_a_method_is_named_with_its_line(
    small: Suite, blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    name = f"raises_in_{method.strip('_')}"
    broken = f"\ndef broken(*given):\n    raise KeyError('mine')\n\nMine.{method} = broken\n"
    text = f"LEARNS = {method in ('loss', 'recipe', 'prepare')}\n{MINE}{broken}"
    (tmp_path / f"{name}.py").write_text(text)
    direct: Any = Direct(blocks[0])
    greeting = json.loads(json.dumps(hello(small, blocks[0])))
    task = blocks[0].test.sample("test", torch.arange(1), way=0, shot=2, query=2, seed=0)
    support = wire.examples(batch.take(task, 0).support, "regression", True)

    def asked() -> None:
        answer = learner.prepare(direct, greeting, "file", f"{name}.py")
        assert method in ("adapt", "predict"), "the others are of the training"
        answer({"support": support, "query": {"x": support["x"]}})

    with pytest.raises(KeyError, match="mine") as error:
        asked()
    line = len(text.splitlines()) - 2
    assert said(error.value) == f"{name}.py, line {line}: KeyError: 'mine'."


def test_a_run_that_was_trained_on_what_is_asked_is_refused_and_the_classes_are_named(
    small: Suite, blocks: list[Block], tmp_path: Path
) -> None:
    leaky = runs.Run(tmp_path / "leaky", "nearest", None, blocks[1].train.spec, {}, "1", frozenset({"?"}))
    entry = Entry(name="leaky", form="run", command=("nobody",), run=leaky)
    with pytest.raises(UserError, match="nobody cannot be started"):
        run(small, blocks[1:], entry, 0, lambda line: None)
    leaky = replace(leaky, members=frozenset({runs.digest("anna")}))
    people: Any = SimpleNamespace(spec=blocks[1].test.spec, members=lambda split: frozenset({"anna", "ben"}))
    with pytest.raises(UserError, match=r"was trained on 1 of the classes or units of glyphs:classes=20 \(anna"):
        run(small, [blocks[1]._replace(test=people)], replace(entry, run=leaky), 0, lambda line: None)


def test_training_stops_before_its_time_is_over_and_is_repeated_to_the_same_step(tmp_path: Path) -> None:
    config = TrainConfig(steps=40, way=2, query=1, tasks_per_step=1, validate_every=0)
    settings = {"backbone": "mlp", "width": 4}
    late, again, whole = learner.Stopping(0.0, 0), learner.Stopping(0.0, 1), learner.Stopping(1e9, 0)
    runs_of = [
        trainer.train("protonet", "glyphs", config, settings=settings, out=tmp_path / str(at), progress=stopping)
        for at, stopping in enumerate((late, again, whole))
    ]
    assert [stopping.stopped for stopping in (late, again, whole)] == [1, 1, 0]
    first, second, third = (run.learner().state_dict() for run in runs_of)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not all(torch.equal(value, third[name]) for name, value in first.items())
