"""Estimators: scikit-learn's own checks, and that nothing but the support decides what is predicted."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import quickstudy as qs
from quickstudy import UserError, runs
from quickstudy.estimator import FewShotClassifier, FewShotRegressor
from quickstudy.estimator.rows import Rows
from quickstudy.evaluation import evaluate
from quickstudy.tasks.tabular.columns import rows, standardised


def but_for(estimator: Any) -> dict[str, str]:
    """The checks that do not hold, and why."""
    if isinstance(estimator, FewShotClassifier):
        return {"check_methods_subset_invariance": "float32: rows asked alone differ in the 7th digit, 1e-7 is asked"}
    return {}


@parametrize_with_checks(
    [FewShotClassifier(device="cpu"), FewShotClassifier("nearest", device="cpu"), FewShotRegressor(device="cpu")],
    expected_failed_checks=but_for,
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::sklearn.exceptions.SkipTestWarning")
def test_it_keeps_the_contract_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any, Any, Any]:
    x, y = load_digits(return_X_y=True)
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    return x[:100], names[y[:100]], x[100:400], names[y[100:400]]


def test_the_nearest_neighbour_is_that_of_scikit_learn(digits: tuple[Any, Any, Any, Any]) -> None:
    x, y, new, truth = digits
    found = FewShotClassifier("nearest", device="cpu").fit(x, y)
    assert np.array_equal(found.predict(new), KNeighborsClassifier(1).fit(x, y).predict(new))
    assert found.score(new, truth) > 0.85
    number = FewShotRegressor(device="cpu").fit(x[:, :20], x[:, 30])
    assert np.array_equal(
        number.predict(new[:, :20]), KNeighborsRegressor(1).fit(x[:, :20], x[:, 30]).predict(new[:, :20])
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """Of drawings of 16 x 16 pixels."""
    out = tmp_path_factory.mktemp("runs") / "glyphs"
    config = qs.TrainConfig(way=5, query=3, steps=30, validate_every=0)
    return qs.train("protonet", "glyphs:size=16:classes=40", config, settings={"width": 8}, out=out)


def episode(shot: int = 3) -> tuple[Any, Any, Any, Any]:
    """Support and query of one test episode of five classes, as arrays of dark ink on light paper."""
    task = qs.load_tasks("glyphs:size=16:classes=40").sample(
        "test", torch.tensor([7]), way=5, shot=shot, query=6, seed=0
    )
    names = np.array(["alif", "ba", "ta", "tha", "jim"])

    def part(examples: Any) -> tuple[Any, Any]:
        return 1 - examples.x[0, :, 0].numpy(), names[examples.y[0].argmax(-1).numpy()]

    return *part(task.support), *part(task.query)


def test_it_answers_as_evaluate_does(run: runs.Run) -> None:
    right = []
    for number in range(20):
        task = qs.load_tasks(run.spec.name).sample("test", torch.tensor([number]), way=5, shot=1, query=15, seed=0)
        (x, y), (new, truth) = (
            ((255 * part.x[0, :, 0]).round().byte().numpy(), part.y[0].argmax(-1).numpy())
            for part in (task.support, task.query)
        )
        right.append(FewShotClassifier(weights=run.path, device="cpu").fit(255 - x, y).score(255 - new, truth))
    expected = evaluate(run, way=5, shot=1, episodes=20, seed=0).mean
    assert abs(np.mean(right) - expected) < 0.005, "but for eight bits a pixel, and that ink and paper are turned round"


def test_one_example_of_each_of_many_classes_is_enough() -> None:
    x = np.eye(30)
    found = FewShotClassifier(device="cpu").fit(x, [f"class {number}" for number in range(30)])
    assert found.score(x, found.classes_[found.y_]) == 1


def test_learning_in_parts_and_forgetting_are_as_if_it_had_been_so(run: runs.Run) -> None:
    x, y, new, _ = episode()
    whole = FewShotClassifier(weights=run.path, device="cpu").fit(x, y)
    order = np.argsort(y == "jim", kind="stable")  # jim comes last, as a new class
    parts = FewShotClassifier(weights=run.path, device="cpu")
    for some in np.array_split(order, 4):
        parts.partial_fit(x[some], y[some])
    assert parts.classes_.tolist() == ["alif", "ba", "jim", "ta", "tha"]
    np.testing.assert_allclose(parts.predict_proba(new), whole.predict_proba(new), atol=1e-5)
    stays = y != "ba"
    without = FewShotClassifier(weights=run.path, device="cpu").fit(x[stays], y[stays])
    np.testing.assert_allclose(whole.forget("ba").predict_proba(new), without.predict_proba(new), atol=1e-5)
    whole.forget(examples=[0, 1])
    np.testing.assert_allclose(
        whole.predict_proba(new),
        FewShotClassifier(weights=run.path, device="cpu").fit(x[stays][2:], y[stays][2:]).predict_proba(new),
        atol=1e-5,
    )
    assert len(whole.y_) == stays.sum() - 2


def test_what_is_least_clear_is_to_be_labelled_next(run: runs.Run) -> None:
    x, y, new, _ = episode()
    found = FewShotClassifier(weights=run.path, device="cpu").fit(x, y)
    sure = np.sort(found.predict_proba(new), 1)
    order = found.to_label_next(new, count=4)
    assert np.array_equal(order, np.argsort(sure[:, -1] - sure[:, -2], kind="stable")[:4])
    with pytest.raises(UserError, match="with one class"):
        FewShotClassifier(weights=run.path, device="cpu").fit(x[:3], y[:3]).to_label_next(new)


def test_a_class_that_is_only_announced_is_never_predicted(run: runs.Run) -> None:
    x, y, new, _ = episode()
    found = FewShotClassifier(weights=run.path, device="cpu").partial_fit(x, y, classes=["zay"])
    assert found.classes_.tolist()[-1] == "zay"
    assert (found.predict_proba(new)[:, -1] == 0).all()


@pytest.mark.parametrize("labels", ["words", "numbers", "truths"])
def test_what_was_saved_predicts_and_learns_as_before(run: runs.Run, tmp_path: Path, labels: str) -> None:
    x, y, new, _ = episode()
    y = {
        "words": y,
        "numbers": np.unique(y, return_inverse=True)[1] * 10,
        "truths": y == "ba",
    }[labels]
    found = FewShotClassifier(weights=run.path, device="cpu").fit(x[:12], y[:12])
    again = FewShotClassifier.load(found.save(tmp_path / "mine.qs"))
    assert again.classes_.dtype == found.classes_.dtype
    assert np.array_equal(again.predict_proba(new), found.predict_proba(new))
    assert np.array_equal(
        again.partial_fit(x[12:], y[12:]).predict(new), found.partial_fit(x[12:], y[12:]).predict(new)
    )
    fresh = clone(again).fit(x, y)  # from the file alone
    np.testing.assert_allclose(fresh.predict_proba(new), found.predict_proba(new), atol=1e-6)


def test_pictures_may_be_files_images_or_arrays(run: runs.Run, tmp_path: Path) -> None:
    x, y, new, _ = episode()
    images = [Image.fromarray((255 * one).round().astype(np.uint8)) for one in x]
    for number, image in enumerate(images):
        image.save(tmp_path / f"{number}.png")
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    colour = [np.asarray(image.convert("RGB")) for image in images]
    inverse = [255 - np.asarray(image) for image in images]
    answers = [
        FewShotClassifier(weights=run.path, device="cpu").fit(some, y).predict_proba(new)
        for some in (images, paths, [str(path) for path in paths], colour, inverse, np.stack(inverse))
    ]
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], atol=1e-5)


def test_a_folder_has_a_folder_for_each_label(
    run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y, new, _ = episode()
    for number, (one, label) in enumerate(zip(x, y, strict=True)):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.fromarray((255 * one).round().astype(np.uint8)).save(tmp_path / label / f"{number}.png")
    (tmp_path / "ba" / "damaged.png").write_bytes(b"\x89PNG and no more")
    (tmp_path / "ba" / "notes.txt").write_text("mine")
    found = FewShotClassifier(weights=run.path, device="cpu").fit(tmp_path)
    assert "skipped 2 of 17 files" in capsys.readouterr().err
    other = FewShotClassifier(weights=run.path, device="cpu").fit(x, y)
    np.testing.assert_allclose(found.predict_proba(new), other.predict_proba(new), atol=1e-5)
    paths = {str(tmp_path / label / f"{number}.png") for number, label in enumerate(y)}
    assert {*found.names_} == paths
    assert {*other.names_} == {""}
    found.partial_fit(x[:1], y[:1]).forget(examples=0)
    kept = FewShotClassifier.load(found.save(tmp_path / "kept.qs"))
    assert kept.names_.tolist() == found.names_.tolist()
    assert (len({*found.names_} & paths), found.names_[-1]) == (len(paths) - 1, "")
    with pytest.raises(UserError, match="takes no files"):
        FewShotClassifier("nearest").fit(str(tmp_path))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    config = qs.TrainConfig(way=2, shot=5, query=5, steps=5, tasks_per_step=2, validate_every=0)
    settings = {"width": 16, "tokens": 16, "layers": 1, "heads": 2}
    out = tmp_path_factory.mktemp("runs") / "tables"
    return qs.train("incontext", "tables:columns=6", config, settings=settings, out=out)


def frame() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    age, colour = rng.normal(50, 10, 30), np.array(["red", "green", "blue"])[rng.integers(0, 3, 30)]
    table = pd.DataFrame({"age": age, "colour": colour, "ill": rng.random(30) < 0.5})
    table.loc[3, "age"] = np.nan
    table.loc[5, "colour"] = None
    return table, np.where(age > 50, "old", "young")


def test_a_table_of_words_and_gaps_is_read_as_its_family_has_it(tables: runs.Run) -> None:
    table, y = frame()
    found = FewShotClassifier(weights=tables.path, device="cpu").fit(table[:20], y[:20])
    reads = found._reader
    assert isinstance(reads, Rows)
    assert reads.levels == {"colour": {"blue": 0, "green": 1, "red": 2}}
    x = reads.inputs(found.examples_, found.examples_)
    values = torch.tensor(found.examples_)
    padded = torch.nn.functional.pad(values, (0, 3), value=torch.nan)
    task = qs.load_tasks("tables:columns=6").sample("test", torch.tensor([0]), way=2, shot=10, query=1, seed=0)
    support = task.support._replace(x=rows(padded.nan_to_num(0.0), ~padded.isnan()).unsqueeze(0))
    torch.testing.assert_close(x, standardised(task._replace(support=support)).support.x[0].float())
    assert found.feature_names_in_.tolist() == ["age", "colour", "ill"]
    changed = table[20:].assign(colour="violet")  # never met
    assert np.array_equal(found.predict_proba(changed), found.predict_proba(table[20:].assign(colour=None)))


def test_words_where_there_were_none_are_gaps(tables: runs.Run) -> None:
    learnt = pd.DataFrame({"age": [20, 30, 40, 50], "heart": [None, None, None, None]})
    made = FewShotClassifier(weights=tables.path).fit(learnt, [0, 0, 1, 1])
    asked = pd.DataFrame({"age": [25, "old"], "heart": ["normal", None]})
    gaps = pd.DataFrame({"age": [25, None], "heart": [None, None]})
    np.testing.assert_array_equal(made.predict_proba(asked), made.predict_proba(gaps))


def test_columns_stay_what_they_were(tables: runs.Run) -> None:
    first = pd.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "g": ["1", "2", "3+", "1"], "size": ["s", "l", "m", "s"]})
    first["size"] = pd.Categorical(first["size"], ["s", "m", "l"], ordered=True)
    more = pd.DataFrame({"n": ["violet"], "g": [2], "size": ["s"]})
    made = FewShotClassifier(weights=tables.path).fit(first, [0, 1, 1, 0]).partial_fit(more, [1])
    assert np.isnan(made.examples_[4, 0])
    assert made.examples_[:4, 0].tolist() == [1, 2, 3, 4]
    assert made._reader.levels == {"g": {"1": 0, "2": 1, "3+": 2}, "size": {"s": 0, "m": 1, "l": 2}}
    assert made.examples_[4, 1:].tolist() == [1, 0]
    asked = pd.DataFrame({"n": [1.5, 1.5], "g": [1.0, np.nan], "size": ["m", "m"]})
    kept = made._reader.read(asked, made, False)
    assert kept[0, 1] == 0
    assert np.isnan(kept[1, 1])


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=["a", "a"]), [0, 1], "more than one column 'a'"),
        (np.array([["a", 1.0], ["b", 2.0]], dtype=object), [0, 1], "Give a pandas frame"),
        (np.zeros((2, 3)), pd.Series(["a", 1], dtype=object), "some labels are words"),
    ],
)
def test_tables_that_cannot_be_learnt_are_said(x: Any, y: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        FewShotClassifier(device="cpu").fit(x, y)


def test_gaps_are_welcome_in_large_arrays_too() -> None:
    x = np.arange(1200.0)[:, None] * [1.0, -1.0]
    x[::7, 1] = np.nan
    made = FewShotClassifier(device="cpu").fit(x, (x[:, 0] > 600).astype(int))
    assert made.score(x, (x[:, 0] > 600).astype(int)) > 0.95
    odd = pd.DataFrame({"a": [[1], [2], [1], [2]], "b": [10**400, 1, 2, 3]})
    assert len(FewShotClassifier(device="cpu").fit(odd, [0, 1, 0, 1]).predict(odd)) == 4
    with pytest.raises(UserError, match="no class"):
        made.forget([0, 1])


def test_a_saved_table_knows_its_words(tables: runs.Run, tmp_path: Path) -> None:
    table, y = frame()
    found = FewShotClassifier(weights=tables.path, device="cpu").fit(table[:20], y[:20])
    again = FewShotClassifier.load(found.save(tmp_path / "table.qs"))
    assert np.array_equal(again.predict_proba(table), found.predict_proba(table))
    with pytest.raises(ValueError, match="feature names"):
        again.predict(table.rename(columns={"age": "years"}))


def test_it_works_in_a_pipeline_and_a_search(digits: tuple[Any, Any, Any, Any]) -> None:
    x, y, new, truth = digits
    assert make_pipeline(StandardScaler(), FewShotClassifier(device="cpu")).fit(x, y).score(new, truth) > 0.8
    search = GridSearchCV(FewShotClassifier(device="cpu"), {"learner": ["nearest", None]}, cv=2).fit(x, y)
    assert search.best_score_ > 0.7


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"learner": "protonet"}, "protonet has to be meta-trained first"),
        ({"learner": "protonett"}, "Did you mean protonet"),
        ({"learner": "cnp"}, "cnp does not do classification"),
        ({"weights": "nowhere"}, "nowhere is not a run folder"),
        ({"device": "abacus"}, "device 'abacus' is not there"),
        ({"learner": "knn"}, "knn has to be meta-trained first"),
        ({"inner_steps": 3}, "incontext takes no inner steps"),
    ],
)
def test_settings_that_cannot_be_are_said(
    settings: dict[str, Any], said: str, digits: tuple[Any, Any, Any, Any]
) -> None:
    with pytest.raises(UserError, match=said):
        FewShotClassifier(**settings).fit(digits[0], digits[1])


def test_what_cannot_be_read_is_said(run: runs.Run, tmp_path: Path) -> None:
    x, y, _, _ = episode()
    found = FewShotClassifier(weights=run.path, device="cpu").fit(x, y)
    (tmp_path / "notes.png").write_text("no picture")
    for wrong, said in (
        ([tmp_path / "gone.png"], "gone.png cannot be read"),
        ([tmp_path / "notes.png"], "notes.png is no picture that can be read"),
        ([np.zeros(5)], r"picture 0 is ndarray of shape \(5,\)"),
        ([np.full((4, 4), 7.0)], "values from 7 to 7"),
        ([], "no pictures"),
    ):
        with pytest.raises(UserError, match=said):
            found.predict(wrong)
    with pytest.raises(UserError, match="no example 99"):
        found.forget(examples=99)
    with pytest.raises(UserError, match="no class 'dal'"):
        found.forget("dal")
    with pytest.raises(UserError, match="nothing would be left"):
        found.forget(examples=range(len(y)))
    assert len(found.y_) == len(y), "an error changes nothing"
    with pytest.raises(UserError, match=r"learner is .maml., and .* holds protonet"):
        FewShotClassifier("maml", run.path).fit(x, y)
    with pytest.raises(UserError, match="FewShotClassifier takes it"):
        FewShotRegressor(weights=run.path).fit(x, np.arange(len(y)))
    with pytest.raises(NotFittedError):
        FewShotClassifier().save(tmp_path / "empty.qs")
    with pytest.raises(UserError, match="holds no estimator"):
        FewShotClassifier.load(run.path / runs.WEIGHTS)


def test_what_fails_leaves_the_estimator_as_it_was(tables: runs.Run, digits: tuple[Any, Any, Any, Any]) -> None:
    x, y = digits[:2]
    found = FewShotClassifier("nearest", device="cpu").fit(x, y)
    with pytest.raises(ValueError, match="inconsistent"):
        found.fit(x[:, :2], y[:5])
    assert found.score(x, y) == 1
    few = FewShotClassifier(weights=tables.path, device="cpu").fit([[0.0, 1.0], [1.0, 0.0]], ["p", "q"])
    with pytest.raises(UserError, match="20 classes and met 27"):
        few.partial_fit(np.arange(50.0).reshape(25, 2), [f"k{number}" for number in range(25)])
    assert few.predict([[0.0, 1.0]]).tolist() == few.classes_[few.predict_proba([[0.0, 1.0]]).argmax(1)].tolist()
    assert few.classes_.tolist() == ["p", "q"]
    with pytest.raises(UserError, match="labels of one kind"):
        few.partial_fit([[0.0, 1.0]], [3])


def test_what_is_forgotten_may_be_said_by_numbers_or_by_a_mask(digits: tuple[Any, Any, Any, Any]) -> None:
    x, y = digits[:2]
    mask = np.zeros(len(y), dtype=bool)
    mask[[5, 7]] = True
    found = FewShotClassifier(device="cpu").fit(x, y).forget(examples=mask)
    assert np.array_equal(found.classes_[found.y_], y[~mask])
    assert len(FewShotClassifier(device="cpu").fit(x, y).forget(examples=np.array([-1, 2])).y_) == len(y) - 2
    for wrong in (3.7, "3", [True]):
        with pytest.raises(UserError, match="expected their numbers"):
            found.forget(examples=wrong)


def test_the_support_is_its_own(digits: tuple[Any, Any, Any, Any]) -> None:
    x, y = digits[0].astype(np.float32), digits[1].copy()
    found = FewShotClassifier("nearest", device="cpu").fit(x, y)
    number = FewShotRegressor(device="cpu").fit(x, target := np.arange(len(y), dtype=float))
    x[:], y[:], target[:] = 0, "zero", 0
    found.partial_fit(x[:1], ["zero"])
    assert found.score(digits[0], digits[1]) == 1
    assert number.forget(0).predict(digits[0][1:]).tolist() == list(range(1, len(y)))


def test_columns_are_what_they_are(tables: runs.Run) -> None:
    days = pd.to_datetime(["2024-01-01", "2024-01-03", None, "2024-01-02"])
    sizes = pd.Categorical(["low", "high", "mid", "low"], ["low", "mid", "high"], ordered=True)
    objects = pd.Series([2, 10.0, None, True], dtype=object)
    table = pd.DataFrame({"day": days, "size": sizes, "number": objects, "flag": [True, False, True, True]})
    found = FewShotClassifier(weights=tables.path, device="cpu").fit(table, list("abab"))
    day, size, number, flag = found.examples_.T
    np.testing.assert_allclose(day - day[0], [0, 2, np.nan, 1])
    assert size.tolist() == [0, 2, 1, 0]
    np.testing.assert_array_equal(number, [2, 10, np.nan, 1])
    assert flag.tolist() == [1, 0, 1, 1]
    with pytest.raises(UserError, match="Give columns names"):
        FewShotClassifier(weights=tables.path).fit(pd.DataFrame({0: list("mnmn")}), list("abab"))


def test_new_words_are_learnt_as_if_they_had_always_been_there(tables: runs.Run) -> None:
    table, y = pd.DataFrame({"w": list("mnmnazaz"), "n": np.arange(8.0)}), list("ppqqrrpp")
    whole = FewShotClassifier(weights=tables.path, device="cpu").fit(table, y)
    parts = FewShotClassifier(weights=tables.path, device="cpu").fit(table[:4], y[:4]).partial_fit(table[4:], y[4:])
    np.testing.assert_array_equal(parts.examples_, whole.examples_)
    assert np.array_equal(parts.predict_proba(table), whole.predict_proba(table))


def test_a_damaged_file_is_said_to_be_one(run: runs.Run, tmp_path: Path) -> None:
    x, y, _, _ = episode()
    path = FewShotClassifier(weights=run.path, device="cpu").fit(x, y).save(tmp_path / "mine.qs")
    tensors, note = runs.read_tensors(path)
    for wrong in (
        {"format": "x"},
        {"classes": {"dtype": "garbage", "labels": []}},
        {"classes": {"dtype": "<U4", "labels": ["one"]}},
        {"spec": {}},
        {"config": {"width": "wide"}},
    ):
        runs.write_tensors(tmp_path / "bad.qs", tensors, note | wrong)
        with pytest.raises(UserError):
            FewShotClassifier.load(tmp_path / "bad.qs")
    runs.write_tensors(tmp_path / "bad.qs", tensors | {"y": tensors["y"][:2]}, note)
    with pytest.raises(UserError, match="is damaged"):
        FewShotClassifier.load(tmp_path / "bad.qs")
    with pytest.raises(UserError, match="is a folder"):
        FewShotClassifier.load(tmp_path)
    with pytest.raises(UserError, match="there is no file"):
        FewShotClassifier(weights=tmp_path / "gone.qs").fit(x, y)


def test_one_picture_is_no_list_of_them(run: runs.Run) -> None:
    x, y, _, _ = episode()
    found = FewShotClassifier(weights=run.path, device="cpu").fit(x, y)
    for one in ("one.png", Path("one.png"), Image.new("L", (4, 4))):
        with pytest.raises(UserError, match="expected a list of pictures"):
            found.predict(one)
    assert len(found.predict(one for one in x)) == len(x)


def test_answers_that_depend_on_one_another_are_refused(tmp_path: Path) -> None:
    config = qs.TrainConfig(way=2, query=2, steps=1, validate_every=0)
    settings = {"width": 4, "norm": "task", "transductive": True}
    made = qs.train("protonet", "glyphs:size=16:classes=20", config, settings=settings, out=tmp_path / "run")
    with pytest.raises(UserError, match="is transductive"):
        FewShotClassifier(weights=made.path).fit(*episode()[:2])


def test_a_regressor_learns_waves_and_says_how_sure_it_is(tmp_path: Path) -> None:
    config = qs.TrainConfig(shot=10, query=10, steps=150, tasks_per_step=25, validate_every=0)
    run = qs.train("gp", "sinusoid", config, settings={"width": 20}, out=tmp_path / "waves")
    x = np.linspace(-4, 4, 12)[:, None]
    y = 2 * np.sin(x[:, 0])
    found = FewShotRegressor(weights=run.path, device="cpu").fit(x, y)
    mean, std = found.predict(x, return_std=True)
    assert np.abs(mean - y).mean() < 0.3
    assert (std > 0).all()
    again = FewShotRegressor.load(found.save(tmp_path / "waves.qs"))
    assert np.array_equal(again.predict(x), mean)
    found.partial_fit(x[:1] + 9, [5.0])
    np.testing.assert_allclose(found.forget(12).predict(x), mean, atol=1e-5)
    with pytest.raises(UserError, match="diverged"), np.errstate(over="ignore"):
        FewShotRegressor(device="cpu").fit(x, y * 1e300).predict(x)
    with pytest.raises(UserError, match="no standard deviation"):
        FewShotRegressor(device="cpu").fit(x, y).predict(x, return_std=True)
