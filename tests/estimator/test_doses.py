"""A patient's file, learnt from and asked about."""

import math
from pathlib import Path

import numpy as np
import pytest

import quickstudy as qs
from quickstudy.errors import UserError
from quickstudy.estimator.doses import Doses

FILE = """id,time,dose,level,weight,apgar
anna,0,25,,1.4,7
anna,2,,17.3,1.4,7
anna,12.5,3.5,,1.4,7
anna,24.5,3.5,18.1,1.4,7
anna,60,,?,1.4,7
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "newborns"
    qs.train("mappk", "pk:simulated=true", out=folder, config=qs.TrainConfig(device="cpu"))
    return folder


def test_levels_of_a_file_are_learnt_and_its_questions_answered(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "anna.csv"
    path.write_text(FILE)
    made = qs.FewShotRegressor(weights=run, device="cpu").fit(str(path))
    assert made.y_.tolist() == pytest.approx([math.log(17.3 / 20), math.log(18.1 / 20)])
    assert list(made.names_) == ["line 3", "line 5"]
    mean, std = made.predict(str(path), return_std=True)
    assert mean.shape == std.shape == (1,)
    assert 10 < 20 * math.exp(mean[0]) < 30
    again = qs.FewShotRegressor.load(made.save(tmp_path / "anna.qs"))
    assert np.array_equal(again.predict(str(path)), mean)
    lower = tmp_path / "lower.csv"
    lower.write_text(FILE.replace("17.3", "14.3").replace("18.1", "14.9"))
    other = qs.FewShotRegressor(weights=run, device="cpu").fit(lower)
    assert other.predict(lower)[0] < mean[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FILE.replace("anna,60", "ben,60,5,,1.2,7\nben,62"), r"has 2 patients \(anna, ben\); expected one"),
        (FILE.replace("anna,2,,17.3", "anna,-2,,17.3"), "the clock of patient anna goes back"),
    ],
)
def test_other_files_are_refused(run: Path, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "anna.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        qs.FewShotRegressor(weights=run, device="cpu").fit(str(path))


def test_a_model_knows_whose_it_is(run: Path, tmp_path: Path) -> None:
    anna, ben = tmp_path / "anna.csv", tmp_path / "ben.csv"
    anna.write_text(FILE)
    ben.write_text(FILE.replace("anna", "ben"))
    made = qs.FewShotRegressor(weights=run, device="cpu").fit(anna)
    made = qs.FewShotRegressor.load(made.save(tmp_path / "anna.qs"))
    before = made.predict(anna)
    for ask in (made.predict, made.partial_fit):
        with pytest.raises(UserError, match=r"ben\.csv is about patient 'ben', and the model has learnt from 'anna'"):
            ask(str(ben))
    ben.write_text(FILE.replace("anna", "Anna"))
    assert np.array_equal(made.predict(str(ben)), before)
    assert made.fit(str(tmp_path / "ben.csv")).predict(str(anna)) == before  # fit forgets whose it was


def test_what_was_not_learnt_is_said_and_changes_nothing(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "anna.csv"
    path.write_text(FILE)
    made = qs.FewShotRegressor(weights=run, device="cpu").fit(path)
    reads = made._reader
    assert isinstance(reads, Doses)
    assert reads.remarks(path, made.examples_, made.y_) == []
    before = made.predict(path)
    path.write_text(FILE + "anna,72,,35,1.4,7\n")
    assert np.array_equal(made.predict(path), before)
    (said,) = reads.remarks(path, made.examples_, made.y_)
    assert said.startswith("the model has not learnt the level in line 7, which had no part in this")
    assert "quickstudy add" in said
    made.fit(path)
    assert made.predict(path)[0] > before[0]
    assert made._reader.remarks(path, made.examples_, made.y_) == [
        "what is told of line 6 rests on later levels as well: line 7."
    ]


def test_without_a_level_the_typical_patient_answers(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "anna.csv"
    path.write_text(FILE.replace("17.3", "?").replace("18.1", "?"))
    made = qs.FewShotRegressor(weights=run, device="cpu").fit(path)
    assert "has no level yet: levels are told as of a typical patient" in capsys.readouterr().err
    qs.train("populationpk", "pk:simulated=true", out=tmp_path / "typical", config=qs.TrainConfig(device="cpu"))
    typical = qs.FewShotRegressor(weights=tmp_path / "typical", device="cpu").fit(path)
    again = qs.FewShotRegressor.load(made.save(tmp_path / "anna.qs"))
    (mean, std), other = again.predict(path, return_std=True), typical.predict(path)
    assert mean == pytest.approx(other, abs=0.2)
    path.write_text(FILE)
    again.partial_fit(path)
    sure = again.predict(path, return_std=True)[1]
    assert sure[0] < std[-1]


def test_a_file_without_a_question_is_not_predicted(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "anna.csv"
    path.write_text(FILE.replace("?", "21"))
    made = qs.FewShotRegressor(weights=run, device="cpu").fit(str(path))
    with pytest.raises(UserError, match="asks for nothing"):
        made.predict(str(path))
