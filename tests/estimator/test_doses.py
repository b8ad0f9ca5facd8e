"""A patient's file, learnt from and asked about."""

import math
from pathlib import Path

import numpy as np
import pytest

import quickstudy as qs
from quickstudy.errors import UserError

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
        (FILE.replace("17.3", "?").replace("18.1", ""), "has no level to learn from"),
        (FILE.replace("anna,2,,17.3", "anna,-2,,17.3"), "the clock of patient anna goes back"),
    ],
)
def test_other_files_are_refused(run: Path, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "anna.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        qs.FewShotRegressor(weights=run, device="cpu").fit(str(path))


def test_a_file_without_a_question_is_not_predicted(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "anna.csv"
    path.write_text(FILE.replace("?", "21"))
    made = qs.FewShotRegressor(weights=run, device="cpu").fit(str(path))
    with pytest.raises(UserError, match="asks for nothing"):
        made.predict(str(path))
