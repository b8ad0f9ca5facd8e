"""Sealed tasks: what participants get says nothing but what it should; submissions are judged as the families do."""

import csv
import hashlib
import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from quickstudy.challenge import measure, metric, seal, submission
from quickstudy.challenge.check import Block
from quickstudy.challenge.rank import rank
from quickstudy.challenge.suite import Suite
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import build, configure

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="session")
def sealed(small: Suite, blocks: list[Block], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seal.seal(small, blocks, tmp_path_factory.mktemp("sealed") / "out", seed=11, salt="pepper", train_tasks=2)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def inputs(folder: Path) -> dict[str, np.ndarray]:
    """What each id is of."""
    if (folder / "images").is_dir():
        return {
            path.stem: np.asarray(Image.open(path), dtype=np.float32).ravel() / 255
            for path in (folder / "images").iterdir()
        }
    return {
        row.pop("id"): np.array([float(value) for value in row.values()], dtype=np.float32)
        for row in rows(folder / "values.csv")
    }


def nearest(public: Path) -> list[tuple[str, str]]:
    """Answers of a participant who only has the public files."""
    answers = []
    for folder in sorted(path for path in public.iterdir() if path.is_dir()):
        x = inputs(folder)
        support: dict[str, list[dict[str, str]]] = {}
        for row in rows(folder / "support.csv"):
            support.setdefault(row["task"], []).append(row)
        for row in rows(folder / "query.csv"):
            known = support[row["task"]]
            far = [((x[one["id"]] - x[row["id"]]) ** 2).sum() for one in known]
            answers.append((row["id"], known[int(np.argmin(far))]["answer"]))
    return answers


def write(path: Path, answers: list[tuple[str, str]], header: str = "id,answer") -> Path:
    path.write_text("\n".join([header, *(",".join(each) for each in answers)]) + "\n")
    return path


def test_a_participant_with_the_files_alone_scores_as_the_learner_does(
    small: Suite, blocks: list[Block], sealed: Path, tmp_path: Path
) -> None:
    row = submission.judge(write(tmp_path / "mine.csv", nearest(sealed / "public")), sealed / "private/solution.csv")
    means = []
    for block, told in zip(blocks, row["blocks"], strict=True):
        learner = build("nearest", block.test.spec, configure("nearest", {}), 0)
        own = measure.judged(learner, block, measure.plan(block, 11), 11)
        scale, _ = measure.scale_of(block, measure.plan(block, 11), 11)
        assert told["raw"]["mean"] == pytest.approx(float(own.values.mean()), rel=1e-4)
        assert told["score"]["mean"] == pytest.approx(float(scale(own.values).mean()), rel=1e-4)
        assert told["manifest"] == measure.joined(own.manifests)
        means.append(told["score"]["mean"])
    assert row["score"]["mean"] == pytest.approx(np.mean(means))
    assert rank([row, row | {"entry": "twin"}]).ranked[1].place == (1, 2)
    assert "no curve over examples" in rank([row], by="examples").left_out[0][1]


def test_the_sample_is_a_valid_submission_that_knows_nothing(sealed: Path) -> None:
    row = submission.judge(sealed / "public/sample_submission.csv", sealed / "private/solution.csv")
    assert abs(row["blocks"][1]["score"]["mean"]) < 1e-6, "one class for all is chance"
    assert abs(row["blocks"][0]["score"]["mean"]) < 1e-6, "and so is the mean of training"


def test_labels_of_queries_are_nowhere_in_what_is_handed_out(sealed: Path) -> None:
    public = sealed / "public"
    for folder in (path for path in public.iterdir() if path.is_dir()):
        assert set(rows(folder / "query.csv")[0]) == {"task", "id"}
        query = {row["id"] for row in rows(folder / "query.csv")}
        for name in ("support.csv", "train.csv"):
            assert not query & {row["id"] for row in rows(folder / name)}
    readme = (public / "README.md").read_text()
    for words in ("sample_submission.csv", "functions", "glyphs", "accuracy", "mse"):
        assert words in readme
    assert "11" not in readme
    assert "pepper" not in "".join(path.read_text() for path in public.rglob("*.csv"))


def tells(folder: Path, labels: dict[str, str]) -> float:
    """Share of ids whose class a nearest neighbour finds by everything but the inputs: letters of the id, place in the
    table, time of the file."""
    order = [row["id"] for row in rows(folder / "support.csv")] + [row["id"] for row in rows(folder / "query.csv")]
    names = [name for name in order if name in labels]
    facts = np.array(
        [
            [
                *(int(letter, 16) / 15 for letter in name),
                16 * at / len(names),
                os.stat(folder / f"images/{name}.png").st_mtime,
            ]
            for at, name in enumerate(names)
        ]
    )
    far = ((facts[:, None] - facts[None]) ** 2).sum(-1)
    np.fill_diagonal(far, np.inf)
    found = [labels[names[at]] for at in far.argmin(1)]
    return float(np.mean([one == labels[name] for one, name in zip(found, names, strict=True)]))


def test_ids_order_and_times_do_not_give_the_class_away_and_a_leak_would_be_seen(
    small: Suite, blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(range(10**6))

    def counted(text: str) -> str:
        return f"{next(numbers):012x}"

    block = blocks[1]._replace(way=(5, 5))
    many = block._replace(tasks=type(block.tasks)(family="glyphs", ways=(5,), query=6, episodes=12))
    scores = {}
    for kind in ("honest", "leaky"):
        if kind == "leaky":  # in the order of classes, as rows come
            monkeypatch.setattr(seal, "hashed", counted)
        made = seal.seal(
            replace(small, tasks=(many.tasks,)), [many], tmp_path / kind, seed=3, salt="salt", train_tasks=1
        )
        solution = rows(made / "private/solution.csv")
        scores[kind] = tells(made / "public/1-glyphs", {row["id"]: row["answer"] for row in solution})
    deviation = (0.2 * 0.8 / (12 * 30)) ** 0.5
    assert abs(scores["honest"] - 0.2) < 4 * deviation
    assert scores["leaky"] > 0.5


def test_what_is_wrong_with_a_submission_is_said_here_and_by_the_file_for_kaggle(sealed: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("sealed_metric", sealed / "private/metric.py")
    assert spec is not None
    assert spec.loader is not None
    kaggle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kaggle)
    good = nearest(sealed / "public")
    true = pandas.read_csv(sealed / "private/solution.csv")
    row = submission.judge(write(tmp_path / "good.csv", good), sealed / "private/solution.csv")
    read = pandas.read_csv(tmp_path / "good.csv")
    assert kaggle.score(true, read, "id") == pytest.approx(row["score"]["mean"])
    assert kaggle.score(true, read.sample(frac=1, random_state=0), "id") == pytest.approx(row["score"]["mean"])
    other = hashlib.sha256(b"another seal").hexdigest()[:12]
    wrong: dict[str, tuple[Any, str]] = {
        "missing": (good[1:], "are missing: "),
        "doubled": ([*good, good[0]], f"are there twice: {good[0][0]}"),
        "unknown": ([*good, (other, "0")], f"are unknown: {other}"),
        "another": ([(hashlib.sha256(name.encode()).hexdigest()[:12], one) for name, one in good], "for other tasks"),
        "nan": ([(good[0][0], "nan"), *good[1:]], "expected finite numbers"),
        "far": ([(good[0][0], "1e200"), *good[1:]], "expected finite numbers"),
        "empty": ([(good[0][0], ""), *good[1:]], "expected"),
        "text": ([(good[0][0], "cat"), *good[1:]], "'cat'; expected numbers"),
        "long": ([(good[0][0], "1 2 3"), *good[1:]], "has 3 numbers; expected 1"),
    }
    for name, (answers, said) in wrong.items():
        file = write(tmp_path / f"{name}.csv", answers)
        with pytest.raises(UserError) as error:
            submission.judge(file, sealed / "private/solution.csv")
        assert said in str(error.value)
        with pytest.raises(kaggle.ParticipantVisibleError):
            kaggle.score(true, pandas.read_csv(file), "id")
    for header in ("id,answers", "row,answer", "id,answer,more"):
        more = [(*each, "x") for each in good] if header.endswith("more") else good
        file = write(tmp_path / "columns.csv", more, header)
        with pytest.raises(UserError, match="columns are"):
            submission.judge(file, sealed / "private/solution.csv")
    (tmp_path / "ragged.csv").write_text("id,answer\na\n")
    with pytest.raises(UserError, match=r"ragged\.csv, line 2 has 1 cells"):
        submission.judge(tmp_path / "ragged.csv", sealed / "private/solution.csv")


def test_a_foreign_solution_is_refused(sealed: Path, tmp_path: Path) -> None:
    write(tmp_path / "solution.csv", [("a", "1")])
    with pytest.raises(UserError, match="it is no solution"):
        submission.judge(sealed / "public/sample_submission.csv", tmp_path / "solution.csv")
    (tmp_path / "solution.csv").write_bytes((sealed / "private/solution.csv").read_bytes())
    with pytest.raises(UserError, match=r"manifest\.json is missing"):
        submission.judge(sealed / "public/sample_submission.csv", tmp_path / "solution.csv")


def test_a_metric_that_a_table_cannot_have_is_refused_and_nothing_is_left(
    small: Suite, blocks: list[Block], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="is judged by auroc"):
        seal.seal(small, [blocks[1]._replace(metric="auroc")], tmp_path / "x", seed=0, salt="s", train_tasks=1)
    assert not list(tmp_path.iterdir())


def test_every_metric_is_the_familys_own(blocks: list[Block]) -> None:
    for block in blocks:
        task = block.test.sample("test", torch.arange(1), way=3, shot=2, query=5, seed=1)
        seal.check_metric(block, [batch.take(task, 0)])
    pairs = [([1.0, 2.0], [1.0, 4.0]), ([0.0, 0.0], [2.0, 0.0])]
    assert metric.measured("mse", pairs) == 2.0
    assert metric.measured("rmse", pairs) == pytest.approx(2.0**0.5)
    assert metric.measured("accuracy", [([1.0], [1.0]), ([0.0], [1.0])]) == 0.5
