"""Entries of the MetaDL challenge, in its form of NeurIPS 2022 and in the earlier one, unchanged."""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from quickstudy.challenge import wire
from quickstudy.challenge.check import Block, opened
from quickstudy.challenge.entry import enter
from quickstudy.challenge.home import copy
from quickstudy.challenge.inside import metadl
from quickstudy.challenge.inside.__main__ import said
from quickstudy.challenge.suite import Suite, read
from quickstudy.challenge.teach import Teacher, hello
from quickstudy.errors import UserError

EXAMPLE = Path(__file__).parent.parent.parent / "examples/challenge/prototypes"
EARLIER = """
import os, pickle
import numpy as np
from cdmetadl.ingestion.data_generator import Task
from cdmetadl.api.api import MetaLearner, Learner, Predictor
from helper import means

class MyMetaLearner(MetaLearner):
    def __init__(self, train_classes):
        super().__init__(train_classes)
    def meta_fit(self, meta_train_generator, meta_valid_generator):
        for task in meta_train_generator(2):
            assert isinstance(task, Task) and task.num_ways == self.train_classes == 3
            x, y = task.support_set
            assert x.shape == (3 * task.num_shots, 3, 128, 128), x.shape
        seen = [task.num_ways for task in meta_valid_generator(3)]
        assert seen and all(2 <= way <= 4 for way in seen)
        return MyLearner()

class MyLearner(Learner):
    def fit(self, dataset_train):
        x, y, n_ways, k_shots = dataset_train
        return MyPredictor(means(x, y, n_ways))
    def save(self, path_to_save):
        with open(os.path.join(path_to_save, "learner.pickle"), "wb") as file:
            pickle.dump("kept", file)
    def load(self, path_to_load):
        with open(os.path.join(path_to_load, "learner.pickle"), "rb") as file:
            assert pickle.load(file) == "kept"

class MyPredictor(Predictor):
    def __init__(self, means):
        self.means = means
    def predict(self, dataset_test):
        x = dataset_test.flatten(1)
        return ((x[:, None] - self.means[None]) ** 2).sum(-1).argmin(-1).numpy()
"""
DRAFT = """
import numpy as np
from api import MetaLearner, Learner, Predictor

def right(x, y):
    assert type(x) is type(y) is np.ndarray and x.dtype == np.uint8 and x.max() > 1, (type(x), x.dtype)
    assert x.shape == (len(y), 128, 128, 3), x.shape

class MyMetaLearner(MetaLearner):
    def __init__(self, N_ways, total_train_classes, iterations=2):
        super().__init__(N_ways, total_train_classes)
        self.iterations = iterations
    def meta_fit(self, meta_train_generator, meta_valid_generator):
        if self.N_ways == self.total_train_classes:
            (batch,) = meta_train_generator(1, 6)
            right(*batch)
            assert batch[1].shape == (6,) and batch[1].max() < self.total_train_classes
            return MyLearner()
        for task in meta_train_generator(self.iterations):
            assert task.num_ways == self.N_ways == 3 and task.num_shots <= 2
            right(*task.support_set)
            right(*task.query_set)
        assert next(iter(meta_valid_generator())).num_ways >= 2
        return MyLearner()

class MyLearner(Learner):
    def fit(self, dataset_train):
        x, y, n_ways, k_shots = dataset_train
        right(x, y)
        return MyPredictor(np.stack([x[y == way].mean(0).ravel() for way in range(n_ways)]))
    def save(self, path_to_save):
        pass
    def load(self, path_to_model):
        return self

class MyPredictor(Predictor):
    def __init__(self, means):
        self.means = means
    def predict(self, dataset_test):
        x = dataset_test.reshape(len(dataset_test), -1).astype(float)
        return -((x[:, None] - self.means[None]) ** 2).sum(-1)
"""
WHOLE = """
import os, torch
from api import MetaLearner, Learner, Predictor

class Means(torch.nn.Module):
    def forward(self, x, y, ways):
        return torch.stack([x.flatten(1)[y == way].mean(0) for way in range(ways)])

class MyMetaLearner(MetaLearner):
    def __init__(self, train_classes, total_classes, logger):
        super().__init__(train_classes, total_classes, logger)
    def meta_fit(self, meta_train_generator, meta_valid_generator):
        for task in meta_train_generator(3):
            (x, _, seen), y = task.support_set, torch.from_numpy(task.original_class_idx)
            assert set(seen.tolist()) == set(y.tolist()) and len(set(y.tolist())) == task.num_ways
            assert 0 <= int(y.min()) and int(y.max()) < self.total_classes
            self.log(task, x[:, 0, 0].numpy(), 0.5, meta_train=True)
        return MyLearner(Means())

class MyLearner(Learner):
    def __init__(self, net=None):
        super().__init__()
        self.net = net
    def fit(self, support_set):
        x, y, original, n_ways, k_shots = support_set
        return MyPredictor(self.net(x, y, n_ways))
    def save(self, path_to_save):
        torch.save(self.net, os.path.join(path_to_save, "net.pt"))
    def load(self, path_to_load):
        self.net = torch.load(os.path.join(path_to_load, "net.pt"))

class MyPredictor(Predictor):
    def __init__(self, means):
        super().__init__()
        self.means = means
    def predict(self, query_set):
        return (-torch.cdist(query_set.flatten(1), self.means)).softmax(1).numpy()
"""
HELPER = """
import torch
def means(x, y, ways):
    return torch.stack([x.flatten(1)[y == way].mean(0) for way in range(ways)])
"""
CONFIG = {
    "train_config": {"N": 3, "min_k": 1, "max_k": 2, "query_images_per_class": 2},
    "valid_config": {"N": None, "min_N": 2, "max_N": 4, "k": 1, "query_images_per_class": 2},
}


class Direct:
    """A host in the same process."""

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher

    def ask(self, what: str, **more: Any) -> dict[str, Any]:
        answer = self.teacher({"ask": what} | more, True)
        if "refused" in answer:
            raise UserError(answer["refused"])
        return json.loads(json.dumps(answer))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home like an entry's; what was imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        if name in ("model", "helper", "api") or name.startswith("cdmetadl"):
            del sys.modules[name]


def prepared(small: Suite, block: Block, folder: Path) -> Any:
    direct: Any = Direct(Teacher(block.train))
    greeting = json.loads(json.dumps(hello(small, block)))
    return metadl.prepare(direct, greeting, "metadl", str(folder))


def asked(block: Block) -> tuple[dict[str, Any], torch.Tensor]:
    """A task as it is asked, and the labels."""
    drawn = block.test.sample("test", torch.arange(1), way=3, shot=2, query=2, seed=0)
    support, query = (
        wire.examples(type(some)(*(leaf[0] for leaf in some)), "classification", True)
        for some in (drawn.support, drawn.query)
    )
    labels = wire.unpack(query.pop("y"))
    return {"task": 0, "way": 3, "support": support, "query": query}, labels


def test_the_example_and_the_earlier_form_answer_alike(small: Suite, blocks: list[Block], folder: Path) -> None:
    task, labels = asked(blocks[1])
    new = prepared(small, blocks[1], EXAMPLE)(task)
    scores = wire.unpack(new["scores"])
    assert scores.shape == (6, 3)
    assert (scores.argmax(-1) == labels).double().mean() > 0.5
    (folder / "entry").mkdir()
    (folder / "entry/model.py").write_text(EARLIER)
    (folder / "entry/helper.py").write_text(HELPER)
    (folder / "entry/config.json").write_text(json.dumps(CONFIG))
    del sys.modules["model"]
    sys.path.remove(str(EXAMPLE))
    (folder / "saved").rename(folder / "before")
    found = wire.unpack(prepared(small, blocks[1], folder / "entry")(task)["labels"])
    assert found.shape == (6,)
    assert (found == labels).double().mean() > 0.5


def test_batches_have_the_labels_of_all_training_classes(small: Suite, blocks: list[Block], folder: Path) -> None:
    model = EXAMPLE.joinpath("model.py").read_text()
    (folder / "entry").mkdir()
    batches = textwrap.dedent(
        """
        def meta_fit(self, meta_train_generator, meta_valid_generator):
            seen = list(meta_train_generator(3))
            assert len(seen) == 3 and self.train_classes == self.total_classes
            for x, y in seen:
                assert x.shape == (4, 3, 128, 128) and y.shape == (4,)
                assert 0 <= int(y.min()) and int(y.max()) < self.total_classes
            return MyLearner(14)
        MyMetaLearner.meta_fit = meta_fit
        """
    )
    (folder / "entry/model.py").write_text(model + batches)
    (folder / "entry/config.json").write_text(json.dumps({"train_data_format": "batch", "batch_size": 4}))
    task, labels = asked(blocks[1])
    scores = wire.unpack(prepared(small, blocks[1], folder / "entry")(task)["scores"])
    assert (scores.argmax(-1) == labels).double().mean() > 0.5


@pytest.mark.parametrize("told", ["num_ways: 3 # classes\nmax_s: 2\nquery_size: 3", "data_format: batch"])
def test_a_draft_gets_arrays_of_bytes(small: Suite, blocks: list[Block], folder: Path, told: str) -> None:
    (folder / "entry").mkdir()
    (folder / "entry/model.py").write_text(DRAFT)
    (folder / "entry/config.yaml").write_text(told)
    task, labels = asked(blocks[1])
    scores = wire.unpack(prepared(small, blocks[1], folder / "entry")(task)["scores"])
    assert (scores.argmax(-1) == labels).double().mean() > 0.5


@pytest.mark.parametrize("family", ["glyphs:classes=20", "glyphs"], ids=["few classes", "unlimited classes"])
def test_a_module_that_was_saved_whole_is_loaded_as_in_2022(
    small: Suite, family: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = opened(read(f'name = "one"\n[[tasks]]\nfamily = "{family}"\nways = 3\n', "one"))
    (folder / "entry").mkdir()
    (folder / "entry/model.py").write_text(WHOLE)
    (folder / "entry/config.json").write_text(json.dumps(CONFIG))
    for name, value in enter(str(folder / "entry")).environment.items():
        monkeypatch.setenv(name, value)
    task, labels = asked(block)
    answer = prepared(small, block, folder / "entry")
    with pytest.warns(UserWarning, match="TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"):
        scores = wire.unpack(answer(task)["scores"])
    assert (scores.argmax(-1) == labels).double().mean() > 0.5


@pytest.mark.parametrize("method", ["__init__", "meta_fit", "save"])
def test_what_raises_while_it_learns_is_named_with_its_line(
    small: Suite, blocks: list[Block], folder: Path, method: str
) -> None:
    (folder / "entry").mkdir()
    model = EXAMPLE.joinpath("model.py").read_text()
    where = "MyLearner" if method == "save" else "MyMetaLearner"
    broken = f"\ndef broken(self, *given):\n    raise KeyError('mine')\n\n{where}.{method} = broken\n"
    (folder / "entry/model.py").write_text(model + broken)
    with pytest.raises(KeyError) as error:
        prepared(small, blocks[1], folder / "entry")
    line = len((model + broken).splitlines()) - 2
    assert said(error.value) == f"entry/model.py, line {line}: KeyError: 'mine'."


@pytest.mark.parametrize("method", ["MyLearner.load", "MyLearner.fit", "MyPredictor.predict"])
def test_what_raises_while_it_is_asked_is_no_answer(
    small: Suite, blocks: list[Block], folder: Path, method: str
) -> None:
    (folder / "entry").mkdir()
    model = EXAMPLE.joinpath("model.py").read_text()
    late = "\nimport quickstudy.challenge.inside.metadl as host\n"
    (folder / "entry/model.py").write_text(f"{model}{late}")
    answer = prepared(small, blocks[1], folder / "entry")
    one, _, other = method.partition(".")

    def broken(self: Any, *given: Any) -> None:
        raise RuntimeError("mine")

    setattr(getattr(sys.modules["model"], one), other, broken)
    task, _ = asked(blocks[1])
    with pytest.raises(RuntimeError, match="mine"):
        answer(task)


@pytest.mark.parametrize(
    ("files", "said_of_it"),
    [
        ({}, "has neither model.py nor run.json"),
        ({"model.py": "class MyMetaLearner: pass"}, "model.py does not define MyLearner"),
        ({"model.py": "def f(:\n"}, "model.py, line 1: this is no Python"),
        (
            {"model.py": "class MyMetaLearner: pass\nclass MyLearner: pass", "helper.py": "x = 1\ny ="},
            "helper.py, line 2",
        ),
    ],
)
def test_a_folder_that_is_no_entry_is_refused(tmp_path: Path, files: dict[str, str], said_of_it: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as error:
        enter(str(tmp_path))
    assert said_of_it in str(error.value)


def test_regression_is_refused_in_words(small: Suite, blocks: list[Block], folder: Path) -> None:
    with pytest.raises(UserError, match="does images alone, and functions has none"):
        prepared(small, blocks[0], EXAMPLE)


def test_links_in_a_folder_bring_nothing_of_the_host_along(tmp_path: Path) -> None:
    (tmp_path / "solution.csv").write_text("labels")
    folder = tmp_path / "entry"
    folder.mkdir()
    (folder / "model.py").write_text("class MyMetaLearner: pass\nclass MyLearner: pass\n")
    (folder / "mine.csv").symlink_to(tmp_path / "solution.csv")
    (folder / "endless.py").symlink_to("/dev/zero")
    entry = enter(str(folder))
    copy(entry.files[0], tmp_path / "home")
    assert (tmp_path / "home/mine.csv").is_symlink()
    assert (tmp_path / "home/model.py").is_file()


def test_an_entry_gets_as_many_ways_and_shots_as_there_are(
    small: Suite, data_of_ten_classes: Path, folder: Path
) -> None:
    """By default it asks for up to 20 of each."""
    text = f"""
name = "pictures"
[[tasks]]
family = "images:path={data_of_ten_classes}:size=8"
ways = 2
"""
    (block,) = opened(read(text, "pictures"))
    (folder / "entry").mkdir()
    seen = """
def meta_fit(self, meta_train_generator, meta_valid_generator):
    train, valid = list(meta_train_generator(6)), list(meta_valid_generator(6))
    assert {task.num_ways for task in train} == {5}
    assert {task.num_ways for task in valid} == {2}
    assert all(1 <= task.num_shots <= 11 for task in train + valid)
    return MyLearner(14)
MyMetaLearner.meta_fit = meta_fit
"""
    (folder / "entry/model.py").write_text(EXAMPLE.joinpath("model.py").read_text() + seen)
    prepared(small, block, folder / "entry")


@pytest.mark.parametrize("limit", [1, 2, 7, 20, 99])
def test_the_largest_number_is_found(limit: int) -> None:
    assert metadl.largest(20, lambda one: one <= limit) == min(limit, 20)
