"""The weights that come with the package."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn import datasets

import quickstudy as qs
from quickstudy import FewShotClassifier, UserError, runs, weights
from quickstudy.estimator.source import default
from quickstudy.learners import name_of
from quickstudy.tasks.places import data_folder


def has_omniglot() -> bool:
    folder = data_folder()
    return folder is not None and (folder / "omniglot").is_dir()


def drawings(way: int, shot: int, query: int) -> tuple[list[Image.Image], list[str], list[Image.Image], list[str]]:
    """Pictures of characters that nobody has trained on, dark on light, of 105 x 105 pixels."""
    task = qs.load_tasks("glyphs:size=105").sample("test", torch.tensor([0]), way=way, shot=shot, query=query, seed=5)

    def part(examples: qs.Examples) -> tuple[list[Image.Image], list[str]]:
        pictures = (255 * (1 - examples.x[0, :, 0].numpy())).round().astype(np.uint8)
        return [Image.fromarray(one) for one in pictures], [f"c{at}" for at in examples.y[0].argmax(-1).tolist()]

    return *part(task.support), *part(task.query)


def test_drawn_characters_are_told_apart_from_one_example_of_each() -> None:
    pictures, labels, new, truth = drawings(20, 1, 3)
    found = FewShotClassifier(device="cpu").fit(pictures, labels)
    assert name_of(type(found.learner_)) == "protonet"
    assert found.score(new, truth) > 0.85
    by_name = FewShotClassifier(weights="characters", device="cpu").fit(pictures, labels)
    assert np.array_equal(by_name.predict(new), found.predict(new))


def test_the_default_knows_when_it_does_not_know() -> None:
    pictures, labels, new, truth = drawings(20, 1, 3)
    found = FewShotClassifier(device="cpu").fit(pictures, labels)
    assert found.task_typicality_ is not None
    assert found.task_typicality_ > 0.05
    sure = found.predict(new, abstain=0.98)
    said = np.array([one is not None for one in sure])
    assert 0.5 < said.mean() < 1
    assert (sure[said] == np.array(truth)[said]).mean() > (found.predict(new) == np.array(truth)).mean()
    chance, drawn = np.random.default_rng(0), FewShotClassifier(weights="characters", device="cpu")
    with pytest.warns(UserWarning, match="unlike"):
        drawn.fit([chance.integers(0, 256, (60, 60), np.uint8) for _ in range(5)], list("abcde"))


def test_a_saved_one_needs_nothing_else(tmp_path: Path) -> None:
    pictures, labels, new, _ = drawings(5, 2, 3)
    found = FewShotClassifier(device="cpu").fit(pictures, labels)
    again = FewShotClassifier.load(found.save(tmp_path / "mine.qs"))
    np.testing.assert_allclose(again.predict_proba(new), found.predict_proba(new), atol=1e-6)


@pytest.mark.parametrize(
    ("examples", "weights"),
    [
        (np.zeros((4, 3)), "tables"),
        ([[1.0, 2.0]], "tables"),
        (pd.DataFrame({"a": ["b", None]}), "tables"),
        (np.zeros((4, 65)), None),
        (np.zeros((1001, 3)), None),
        ([[1.0, 2.0], [1.0]], None),
        (np.zeros(4), None),
        (np.zeros((4, 20, 20)), "characters"),
        ([np.zeros((20, 20)), np.zeros((30, 20, 3))], "characters"),
        (["a.png"], "characters"),
        ("folder", "characters"),
        ([Image.new("L", (9, 9))], "characters"),
        ([], None),
    ],
)
def test_what_is_default_depends_on_the_examples(examples: object, weights: str | None) -> None:
    assert default(None, "classification", examples) == weights
    assert default("nearest", "classification", examples) is None
    assert default(None, "regression", examples) is None


def test_rows_of_many_classes_go_to_their_neighbours() -> None:
    x, y = np.arange(50.0)[:, None], [f"c{number // 2}" for number in range(50)]
    assert name_of(type(FewShotClassifier(device="cpu").fit(x, y).learner_)) == "nearest"
    assert name_of(type(FewShotClassifier(device="cpu").fit(x[:40], y[:40]).learner_)) == "incontext"


@pytest.mark.parametrize("name", ["wine", "iris"])
def test_a_real_table_is_learnt_from_ten_rows_of_each_class(name: str) -> None:
    found = getattr(datasets, f"load_{name}")(as_frame=True)
    first = found.target.groupby(found.target).head(10).index
    rest = found.target.index.difference(first)
    made = FewShotClassifier(device="cpu").fit(found.data.loc[first], found.target[first])
    assert name_of(type(made.learner_)) == "incontext"
    assert made.score(found.data.loc[rest], found.target[rest]) > 0.88
    gappy = found.data.mask(np.random.default_rng(0).random(found.data.shape) < 0.2)
    made.fit(gappy.loc[first], found.target[first])
    assert made.score(gappy.loc[rest], found.target[rest]) > 0.8


def test_all_that_is_bundled_is_small() -> None:
    folder = Path(weights.__file__).parent
    assert sum(file.stat().st_size for file in folder.rglob("*")) < 8_000_000
    assert all((folder / name / runs.WEIGHTS).is_file() for name in weights.BUNDLED)


@pytest.mark.skipif(not has_omniglot(), reason="Omniglot is not in the folder QUICKSTUDY_DATA")
def test_characters_saw_no_evaluation_alphabet() -> None:
    characters, family = runs.load("characters"), qs.load_tasks("omniglot:classes=alphabets:size=48")
    characters.check_unseen(family.members("test"), "omniglot")
    with pytest.raises(UserError, match="was trained on"):
        characters.check_unseen(family.members("train"), "omniglot")
