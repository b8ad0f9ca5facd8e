"""Learners that know pharmacokinetics: what they find is what the patients were made of."""

import math

import pytest
import torch

from quickstudy import learners, scoring, tasks
from quickstudy.inner import batch
from quickstudy.intervals import interval
from quickstudy.learners import Learner
from quickstudy.learners.base import Prediction
from quickstudy.learners.doses.kinetics import log_level, posterior, sloped
from quickstudy.learners.doses.population import estimate, stacked
from quickstudy.tasks.base import Examples, WholeTasks
from quickstudy.tasks.doses.dosing import layout
from quickstudy.tasks.doses.simulated_patients import BODY, NOISE, SPREAD

optimize = pytest.importorskip("scipy.optimize")
FIRST = scoring.Episodes(way=0, shot=1, query=20, episodes=60)


def prepared(name: str, on: str = "pk:simulated=true", **settings: float) -> Learner:
    family = tasks.load(on)
    learner = learners.build(name, family.spec, learners.configure(name, settings), 0)
    learner.prepare(family.tasks("train"))
    return learner.eval()


def errors(learner: Learner, which: scoring.Episodes = FIRST) -> scoring.Scored:
    return scoring.score(learner, tasks.load(learner.spec.name), which)


@pytest.mark.parametrize("drug", ["phenobarbital", "theophylline"])
def test_the_population_is_that_which_patients_were_drawn_from(drug: str) -> None:
    family = tasks.load(f"pk:drug={drug}:simulated=true")
    found = estimate(layout(family.spec.names), stacked(family.tasks("train")))
    volume, clearance = found.centre[:2].tolist()
    middle = float(found.known[0])  # of log weight
    assert volume == pytest.approx(math.log(BODY[drug][0]) + middle, abs=0.12)
    assert clearance == pytest.approx(math.log(BODY[drug][1]) + middle, abs=0.12)
    assert found.effect[:2, 0].tolist() == pytest.approx([1.0, 1.0], abs=0.5)
    assert found.spread.diagonal()[:2].sqrt().tolist() == pytest.approx([SPREAD, SPREAD], abs=0.08)
    assert float(found.noise.sqrt()) == pytest.approx(NOISE, abs=0.03)


def test_a_linear_curve_has_the_posterior_of_bayesian_regression() -> None:
    generator = torch.Generator().manual_seed(0)
    design = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    y, weight = torch.randn(5, generator=generator, dtype=torch.float64), torch.tensor([1.0, 2, 3, 4, 0]).double()
    precision = torch.tensor([[2.0, 0.5], [0.5, 1.0]]).double()
    none = torch.zeros(5, 2).double()
    eta, cov = posterior(lambda at: (design * at).sum(-1), none, y, weight.diag(), precision, none[0], 2)
    matrix = design.T @ weight.diag() @ design + precision
    torch.testing.assert_close(eta, torch.linalg.solve(matrix, design.T @ weight.diag() @ y))
    torch.testing.assert_close(cov, torch.linalg.inv(matrix))


@pytest.mark.parametrize("drug", list(BODY))
def test_the_mode_is_that_of_a_general_optimiser(drug: str) -> None:
    family = tasks.load(f"pk:drug={drug}:simulated=true")
    form, x = layout(family.spec.names), family.records.x[0, :4].double()
    y = family.records.y[0, :4, 0].double()
    base = torch.tensor(BODY[drug]).log().double().expand(4, -1)
    precision, weight = torch.eye(base.shape[1]).double() / 0.3**2, torch.eye(4).double() / 0.1**2
    eta, _ = posterior(
        lambda theta: log_level(form, theta, x), base, y, weight, precision, torch.zeros_like(base[0]), 15
    )

    def cost(at: object) -> float:
        there = torch.as_tensor(at)
        return float(100 * (y - log_level(form, base + there, x)).square().sum() + there @ precision @ there)

    best = optimize.minimize(cost, torch.zeros_like(eta).numpy(), method="BFGS")
    assert cost(eta.numpy()) == pytest.approx(best.fun, rel=1e-4)


def test_slopes_are_those_of_each_row_alone() -> None:
    form = layout(tasks.load("pk:drug=remifentanil:simulated=true").spec.names)
    x = tasks.load("pk:drug=remifentanil:simulated=true").records.x[0].double()
    theta = torch.tensor(BODY["remifentanil"]).log().double().expand(len(x), -1)
    value, slope = sloped(lambda at: log_level(form, at, x), theta)
    for row in range(len(x)):
        own = torch.func.jacrev(lambda at, row=row: log_level(form, at, x[row]))(theta[row])
        torch.testing.assert_close(slope[row], own)
    torch.testing.assert_close(value, log_level(form, theta, x))


def test_levels_help_a_population_and_a_population_helps_a_single_level() -> None:
    drug, which = "pk:drug=quinidine:simulated=true", scoring.Episodes(way=0, shot=1, query=20, episodes=60)
    mapped, typical, alone = (errors(prepared(name, drug), which) for name in ("mappk", "populationpk", "scratchpk"))
    for worse in (typical, alone):
        gain = interval(worse.values - mapped.values, mapped.units)
        assert gain.mean > gain.ci95
    assert 0.8 < interval(mapped.others["coverage90"], mapped.units).mean < 1.0
    assert mapped.others["width"].mean() < typical.others["width"].mean()


def test_with_many_levels_one_patient_is_enough() -> None:
    learner = prepared("scratchpk", "pk:drug=theophylline:simulated=true")
    found = errors(learner, scoring.Episodes(way=0, shot=7, query=2, episodes=60))
    assert float(found.values.mean()) < 3 * NOISE


def test_the_grand_mean_is_the_mean_and_spread_of_training_levels() -> None:
    learner, family = prepared("grandmean"), tasks.load("pk:simulated=true")
    y = torch.cat([task.y for task in family.tasks("train")])
    task = family.sample("test", torch.arange(1), way=0, shot=2, query=2, seed=0)
    support, x, mask = type(task.support)(*(leaf[0] for leaf in task.support)), task.query.x[0], task.query.mask[0]
    found = learner.predict(learner.adapt(support), x, mask)
    torch.testing.assert_close(found.mean, y.mean(0).expand(2, 1))
    torch.testing.assert_close(found.std, y.std(0, correction=0).expand(2, 1))


def test_the_learnt_prior_starts_at_the_empirical_bayes_one_and_widens_its_intervals_by_patients_not_met() -> None:
    mapped, meta = prepared("mappk"), prepared("metapk")
    family = tasks.load("pk:simulated=true")
    task = family.sample("test", torch.arange(4), way=0, shot=2, query=2, seed=0)
    asked = (task.support, task.query.x, task.query.mask)

    def answer(learner: Learner, support: Examples, x: torch.Tensor, mask: torch.Tensor) -> Prediction:
        return learner.predict(learner.adapt(support), x, mask)

    one, other = (batch.map_tasks(answer, learner, asked, "vmap") for learner in (mapped, meta))
    torch.testing.assert_close(one.mean, other.mean)
    widened = float(meta.get_buffer("widened"))
    torch.testing.assert_close(other.std, one.std * widened)
    assert 1 <= widened < 1.5
    few = WholeTasks(8, family.tasks("train").make)  # by whom a population is known too well
    meta.prepare(few)
    assert float(meta.get_buffer("widened")) > max(widened, 1.05)


def test_the_learnt_prior_learns_what_the_estimate_cannot_see() -> None:
    """Levels that are learnt from are wrong, those to be predicted are not: nothing within a patient shows it."""
    made = learners.build("metapk", tasks.load("pk:simulated=true").spec, learners.configure("metapk", {}), 0)
    family = tasks.load("pk:simulated=true")
    made.prepare(family.tasks("train"))
    before = made.support_error.clone()
    optimizer = torch.optim.Adam(made.parameters(), 0.05)
    for step in range(30):
        task = family.sample("train", torch.arange(16) + 16 * step, way=0, shot=2, query=2, seed=0)
        wrong = task.support.y + torch.where(task.key.view(-1, 1, 1) % 2 == 0, 0.8, -0.8)
        task = task._replace(support=task.support._replace(y=wrong))
        _, grads = batch.meta_gradient(made, task, 0.0, "vmap", inside=False)
        for name, value in made.named_parameters():
            value.grad = grads[name]
        optimizer.step()
    assert float((made.support_error.detach() - before.detach()).sum()) > 1  # they are trusted less
