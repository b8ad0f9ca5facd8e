"""Trial and error: what is tried next, on many grounds at once and one after the other, and what a crash leaves."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from quickstudy import learners, tasks
from quickstudy.control.acquisition import improvement, wanted
from quickstudy.control.history import Candidates, Search, go
from quickstudy.control.trials import commanded, trials, tries_until
from quickstudy.errors import UserError
from quickstudy.learners import Learner
from quickstudy.learners.base import Gaussian, Point
from quickstudy.tasks.robots.strides import Strides


@pytest.fixture(scope="module")
def family() -> Strides:
    found = tasks.load("strides:simulated=true")
    assert isinstance(found, Strides)
    return found


@pytest.fixture(scope="module")
def learner(family: Strides) -> Learner:
    made = learners.build("taskgp", family.spec, learners.configure("taskgp", {}), 0)
    made.prepare(family.tasks("train"))
    return made


def robot(family: Strides, ground: int):
    """The outcomes of one ground, gait by gait."""

    def environment(numbers: list[float]) -> list[float]:
        at = int((family.table.gaits == torch.tensor(numbers)).all(-1).long().argmax())
        return family.table.outcomes[ground, at].tolist()

    return environment


def test_expected_improvement_is_the_integral() -> None:
    mean, std, best = torch.tensor([0.0, 1.0, -2.0, 0.3]), torch.tensor([1.0, 0.5, 0.7, 2.0]), torch.tensor(0.4)
    at = torch.linspace(-30, 30, 400_001, dtype=torch.float64)
    density = torch.exp(-0.5 * ((at - mean[:, None]) / std[:, None]) ** 2) / std[:, None] / math.sqrt(2 * math.pi)
    expected = torch.trapezoid((at - best).clamp(min=0) * density, at)
    torch.testing.assert_close(improvement(mean, std, best).exp().double(), expected, rtol=1e-3, atol=1e-6)
    far = improvement(torch.linspace(-40, 0, 100), torch.ones(100), torch.tensor(0.0))
    assert far.isfinite().all()
    assert (far.diff() > 0).all()


def test_rules_want_what_they_say() -> None:
    mean, std = torch.tensor([[[0.5], [0.4], [0.0]]]), torch.tensor([[[0.01], [0.2], [0.3]]])
    best, chance = torch.tensor([0.5]), torch.tensor([[0.1, 0.2, 0.9]])
    found = {
        rule: int(wanted(Gaussian(mean, std), best, rule, chance).argmax())
        for rule in ("mean", "bound", "improvement", "random")
    }
    assert found == {"mean": 0, "bound": 1, "improvement": 1, "random": 2}
    assert int(wanted(Point(mean), best, "improvement", chance).argmax()) == 0


def test_no_gait_is_tried_twice_and_the_best_only_rises(family: Strides, learner: Learner) -> None:
    choice = family.choice(family.grounds("test"))
    for rule in ("improvement", "bound", "mean", "random"):
        found = trials(learner, choice, tries=12, rule=rule)
        assert all(len(set(row)) == 12 for row in found.which.tolist())
        assert (found.best.diff(dim=-1) >= 0).all()
        torch.testing.assert_close(found.speed, choice.speed.gather(-1, found.which))
    every = trials(learner, choice, tries=len(family.table.gaits), rule="random")
    torch.testing.assert_close(every.best[:, -1], choice.speed.amax(-1))


def test_what_is_learnt_over_grounds_is_worth_tries(family: Strides, learner: Learner) -> None:
    choice = family.choice(family.grounds("test"))
    goal = 0.9 * choice.speed.amax(-1)
    mine, other = (
        tries_until(trials(learner, choice, tries=30, rule=rule).best, goal) for rule in ("improvement", "random")
    )
    assert mine.double().mean() < 0.6 * other.double().mean()


def test_tries_until() -> None:
    best = torch.tensor([[0.1, 0.5, 0.9], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    assert tries_until(best, torch.tensor([0.5, 0.5, 0.5])).tolist() == [2, 4, 1]


def test_one_by_one_is_what_many_at_once_are(family: Strides, learner: Learner, tmp_path: Path) -> None:
    ground = family.grounds("test")[:1]
    search = Search(learner, Candidates.of(family), tmp_path / "tries.json")
    go(search, robot(family, int(ground)), 6)
    together = trials(learner, family.choice(ground), tries=6)
    assert max(one.outcome[0] for one in search.tries) == pytest.approx(float(together.best[0, -1]), abs=0.05)
    assert search.best is not None
    assert search.best.outcome[0] == max(one.outcome[0] for one in search.tries)


def test_a_commanded_speed_is_tried_for_as_one_by_one(family: Strides, learner: Learner, tmp_path: Path) -> None:
    ground = family.grounds("test")[:1]
    choice, asked = family.choice(ground), family.commands(ground)[:, 1]
    off = commanded(learner, choice, asked, tries=4)[0]
    search = Search(learner, Candidates.of(family), tmp_path / "tries.json", speed=float(asked))
    go(search, robot(family, int(ground)), 4)
    gaits = [search.nearest(float(asked), after) for after in range(5)]
    torch.testing.assert_close(off, (choice.speed[0, gaits] - asked).abs(), atol=0.02, rtol=0.0)


def test_tries_for_a_commanded_speed_are_remembered(family: Strides, learner: Learner) -> None:
    choice, asked = family.choice(units := family.grounds("test")), family.commands(units)[:, 2]
    chance = commanded(None, choice, asked, tries=len(family.table.gaits))
    assert (chance[:, 1:].diff(dim=-1) <= 0).all()
    torch.testing.assert_close(chance[:, -1], (choice.speed - asked[:, None]).abs().amin(-1))
    mine = commanded(learner, choice, asked, tries=3)
    assert mine[:, 3].mean() < 0.6 * mine[:, 0].mean()
    assert mine[:, 3].mean() < 0.6 * chance[:, 3].mean()


def test_a_search_goes_on_where_it_was_cut_off(family: Strides, learner: Learner, tmp_path: Path) -> None:
    ground, candidates = int(family.grounds("test")[3]), Candidates.of(family)
    whole = Search(learner, candidates, tmp_path / "whole.json")
    go(whole, robot(family, ground), 6)
    for many in range(1, 7):
        part = Search(learner, candidates, tmp_path / "part.json")
        assert len(part.tries) == many - 1
        first = part.suggest()
        part = Search(learner, candidates, tmp_path / "part.json")  # cut off before anything was told
        assert part.suggest() == first
        part.tell(robot(family, ground)(first))
    assert part.tries == whole.tries


def test_a_process_that_is_killed_leaves_what_it_told(family: Strides, tmp_path: Path) -> None:
    history = tmp_path / "tries.json"
    program = f"""
import os
from quickstudy import learners, tasks
from quickstudy.control.history import Candidates, Search
family = tasks.load("strides:simulated=true")
learner = learners.build("scratchgp", family.spec, learners.configure("scratchgp", {{}}), 0)
search = Search(learner, Candidates.of(family), {str(history)!r})
for _ in range(3):
    search.suggest()
    search.tell([0.1] * len(family.outcomes))
search.suggest()
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ), capture_output=True, timeout=120)
    assert done.returncode == -9, done.stderr
    learner = learners.build("scratchgp", family.spec, learners.configure("scratchgp", {}), 0)
    assert len(Search(learner, Candidates.of(family), history).tries) == 3


@pytest.mark.parametrize("outcome", [None, [math.nan] * 9, [math.inf] + [0.0] * 8])
def test_what_cannot_be_measured_is_a_fall(
    family: Strides, learner: Learner, tmp_path: Path, outcome: list[float] | None
) -> None:
    search = Search(learner, Candidates.of(family), tmp_path / "tries.json")
    search.suggest()
    search.tell(outcome)
    assert search.tries[0].fell
    assert search.best is None
    assert all(math.isfinite(value) for value in search.suggest())


def test_a_gait_for_a_speed_is_the_one_believed_to_go_at_it(family: Strides, learner: Learner, tmp_path: Path) -> None:
    ground = int(family.grounds("test")[2])
    search = Search(learner, Candidates.of(family), tmp_path / "tries.json")
    go(search, robot(family, ground), 8)
    fastest = float(family.table.outcomes[ground, :, 0].max())
    errors = [abs(robot(family, ground)(search.at_speed(share * fastest))[0] - share * fastest) for share in (0.3, 0.6)]
    assert sum(errors) / 2 < 0.25 * fastest


def test_a_search_for_a_speed_tries_gaits_near_it(family: Strides, learner: Learner, tmp_path: Path) -> None:
    ground = int(family.grounds("test")[2])
    search = Search(learner, Candidates.of(family), tmp_path / "slow.json", speed=0.4)
    go(search, robot(family, ground), 8)
    speeds = family.table.outcomes[ground, :, 0]
    tried = speeds[[one.gait for one in search.tries]]
    assert (tried - 0.4).abs().mean() < 0.5 * (speeds - 0.4).abs().mean()
    assert search.nearest(0.4, after=0) == search.tries[0].gait
    before, after = (search.believed(many)[0] for many in (0, None))
    assert (after - speeds).square().mean() < (before - speeds).square().mean()


def test_what_was_felt_of_a_fall_may_be_told(family: Strides, learner: Learner, tmp_path: Path) -> None:
    search = Search(learner, Candidates.of(family), tmp_path / "tries.json")
    search.suggest()
    search.tell([0.0, 1.5, *[0.2] * 7], fell=True)
    assert search.best is None
    again = Search(learner, Candidates.of(family), tmp_path / "tries.json")
    assert again.tries == search.tries
    assert again.tries[0].outcome[1] == 1.5


def test_candidates_are_read_as_they_were_written(family: Strides, tmp_path: Path) -> None:
    made = Candidates.of(family)
    made.write(tmp_path / "library.safetensors")
    found = Candidates.read(tmp_path / "library.safetensors")
    assert found.fingerprint == made.fingerprint
    assert found.outcomes == made.outcomes
    torch.testing.assert_close((found.mean, found.std), (made.mean, made.std))
    (tmp_path / "library.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="is damaged"):
        Candidates.read(tmp_path / "library.safetensors")


def test_what_is_told_wrongly_is_refused_and_nothing_is_written(
    family: Strides, learner: Learner, tmp_path: Path
) -> None:
    candidates, path = Candidates.of(family), tmp_path / "tries.json"
    search = Search(learner, candidates, path)
    with pytest.raises(UserError, match="nothing has been suggested"):
        search.tell([0.0] * 9)
    search.suggest()
    with pytest.raises(UserError, match=r"2 outcomes were told; expected 9 numbers: speed, tilt"):
        search.tell([0.0, 1.0])
    for odd in (0.4, "fast", ["a"] * 9, [None] * 9, dict.fromkeys(range(9), 0.0), torch.zeros(9, 9)):
        with pytest.raises(UserError, match=r"what was told is .*; expected 9 numbers: speed, tilt"):
            search.tell(odd)
    assert not path.exists()
    search.tell([0.0] * 9)
    other = Search(learner, candidates, path)
    other.suggest()
    other.tell([0.0] * 9)
    search.suggest()
    with pytest.raises(UserError, match="another process"):
        search.tell([0.0] * 9)
    path.write_text("{")
    with pytest.raises(UserError, match="no history of a search"):
        Search(learner, candidates, path)
    path.write_text(json.dumps({"format": 1, "candidates": "else", "tries": []}))
    with pytest.raises(UserError, match="another library"):
        Search(learner, candidates, path)
    waves = learners.build("cnp", tasks.load("sinusoid").spec, learners.configure("cnp", {}), 0)
    with pytest.raises(UserError, match="Use a run of the same body"):
        Search(waves, candidates, tmp_path / "new.json")


@pytest.mark.parametrize("far", [1e300, 10**400, -1e30, torch.inf])
def test_what_is_beyond_all_measure_is_a_fall_and_believed_by_nobody(
    family: Strides, learner: Learner, tmp_path: Path, far: float
) -> None:
    search = Search(learner, Candidates.of(family), tmp_path / "tries.json")
    for outcome in ([far, *[0.0] * 8], [0.5] * 9):
        search.suggest()
        search.tell(outcome)
    assert [one.fell for one in search.tries] == [True, False]
    assert search.tries[0].outcome == (0.0,) * 9
    assert all(part.isfinite().all() for part in search.believed())


@pytest.mark.parametrize(
    "odd",
    [
        {"gait": 99_999},
        {"gait": -1},
        {"gait": 1.5},
        {"gait": 0},  # which the first try has
        {"outcome": [1.0]},
        {"outcome": ["fast"] * 9},
        {"outcome": [None] * 9},
        {"outcome": [float("nan")] * 9},
        {"fell": "no"},
    ],
)
def test_a_history_of_what_cannot_be_is_damaged(
    family: Strides, learner: Learner, tmp_path: Path, odd: dict[str, object]
) -> None:
    candidates, path = Candidates.of(family), tmp_path / "tries.json"
    tries = [{"gait": number, "outcome": [0.1] * 9, "fell": False} for number in range(2)]
    told = {"format": 1, "candidates": candidates.fingerprint}
    path.write_text(json.dumps(told | {"tries": tries}))
    assert len(Search(learner, candidates, path).tries) == 2
    path.write_text(json.dumps(told | {"tries": [tries[0], tries[1] | odd]}))
    with pytest.raises(UserError, match="is damaged: its try 2 is"):
        Search(learner, candidates, path)
    path.write_text(json.dumps(told | {"tries": {}}))
    assert Search(learner, candidates, path).tries == ()


def test_a_history_that_cannot_be_written_is_said(family: Strides, learner: Learner, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    search = Search(learner, Candidates.of(family), tmp_path / "file" / "tries.json")
    search.suggest()
    with pytest.raises(UserError, match="cannot write"):
        search.tell([0.0] * 9)
    assert search.tries == ()
