"""Calibration errors of answers whose calibration is known, and temperatures that undo a known one."""

import math

import pytest
import torch
from scipy.optimize import minimize_scalar
from torch.nn import functional as F

from quickstudy import learners, scoring, tasks
from quickstudy.calibration import (
    BINS,
    Answers,
    Overheard,
    calibrate,
    ece,
    log_probabilities,
    nll,
    reliability,
    temperature,
)


def honest(n: int = 60_000, way: int = 4, sharpness: float = 2.0) -> Answers:
    """Labels drawn from the probabilities that the logits say."""
    generator = torch.Generator().manual_seed(0)
    logits = sharpness * torch.randn(n, way, generator=generator, dtype=torch.float64)
    label = torch.multinomial(F.softmax(logits, -1), 1, generator=generator).squeeze(-1)
    return Answers(logits, label)


def test_the_error_is_that_of_the_definition() -> None:
    generator = torch.Generator().manual_seed(1)
    answers = Answers(torch.randn(300, 3, generator=generator).double(), torch.randint(3, (300,), generator=generator))
    confidence, guess = F.softmax(answers.logits, -1).max(-1)
    expected = 0.0
    for number in range(BINS):
        here = (confidence > number / BINS) & (confidence <= (number + 1) / BINS)
        if here.any():
            right = (guess == answers.label)[here].double().mean()
            expected += float(here.double().mean() * (right - confidence[here].mean()).abs())
    assert ece(reliability(answers)) == pytest.approx(expected)
    assert sum(one.answers for one in reliability(answers)) == 300


def test_honest_answers_are_calibrated_and_need_no_temperature() -> None:
    answers = honest()
    assert ece(reliability(answers)) < 0.01
    assert temperature(answers) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("degree", [0.1, 3.0, 40.0])
def test_a_temperature_undoes_its_own(degree: float) -> None:
    answers = honest()
    heated = Answers(answers.logits * degree, answers.label)
    assert temperature(heated) == pytest.approx(degree * temperature(answers), rel=1e-6)
    judged = calibrate(heated, temperature(heated))
    assert judged.ece > 0.05 > 0.01 > judged.ece_after
    assert judged.nll_after < judged.nll
    assert judged.nll_after == pytest.approx(nll(answers), abs=1e-3)


def test_the_temperature_is_the_one_that_scipy_finds() -> None:
    answers = honest(500)
    found = minimize_scalar(lambda log: nll(answers, math.exp(log)), bounds=(-3, 3), method="bounded")
    assert math.log(temperature(answers)) == pytest.approx(found.x, abs=1e-4)


def test_answers_that_are_all_right_or_out_of_the_running_stay_finite() -> None:
    out = torch.finfo(torch.float32).min
    answers = Answers(torch.tensor([[3.0, 1.0, out], [0.0, 2.0, out]], dtype=torch.float64), torch.tensor([0, 1]))
    assert 0 < temperature(answers) < 0.01
    assert log_probabilities(answers, temperature(answers)).isfinite().all()
    judged = calibrate(answers)
    assert judged.temperature is None
    assert judged.ece_after is None
    assert 0 < judged.nll < 1


def test_a_family_that_is_overheard_scores_as_it_did() -> None:
    family = tasks.load("glyphs")
    learner = learners.build("nearest", family.spec, learners.configure("nearest", {"k": 3}), 0)
    which = scoring.Episodes(way=3, shot=2, query=4, episodes=5)
    heard = Overheard(family)
    plain, again = scoring.score(learner, family, which), scoring.score(learner, heard, which)
    assert torch.equal(plain.values, again.values)
    assert plain.manifest == again.manifest
    answers = heard.answers()
    assert answers.logits.shape == (5 * 3 * 4, 3)
    right = (answers.logits.argmax(-1) == answers.label).double()
    assert float(right.mean()) == pytest.approx(float(plain.values.mean()))
