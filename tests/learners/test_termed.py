"""Learners of patients against their definitions, written out."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.learners import Learner
from quickstudy.learners.diseases import lowrank, naivebayes, setencoder
from quickstudy.learners.diseases.termed import counts
from quickstudy.tasks.base import Examples, Task

FAMILY = tasks.load("phenotypes:simulated=true")
TASK: Task = FAMILY.sample("test", torch.arange(1), way=3, shot=2, query=2, seed=0)
SUPPORT, QUERY = (Examples(*(leaf[0] for leaf in one)) for one in (TASK.support, TASK.query))
OWN = [SUPPORT.x[SUPPORT.y[:, at] == 1] for at in range(3)]
PARENTS = FAMILY.spec.parents


def made(name: str, **settings: object) -> Learner:
    learner = learners.build(name, FAMILY.spec, learners.configure(name, settings), 0)
    learner.prepare(FAMILY.tasks("train"))
    return learner.eval()


def answers(learner: Learner) -> Tensor:
    with torch.no_grad():
        return learner.predict(learner.adapt(SUPPORT), QUERY.x, QUERY.mask)[0]


def frequency() -> tuple[Tensor, int]:
    """Patients of all training diseases that have each term, and how many there are."""
    x = torch.cat([task.x for task in FAMILY.tasks("train")])
    return (x == 1).sum(0), len(x)


def test_idf_is_a_cosine_of_rare_terms() -> None:
    having, patients = frequency()
    idf = torch.tensor([math.log((patients + 1) / (int(one) + 1)) for one in having])
    z = [F.normalize((own == 1) * idf, dim=-1).mean(0) for own in OWN]
    expected = torch.stack([F.cosine_similarity((QUERY.x == 1) * idf, one, dim=-1) for one in z], -1)
    torch.testing.assert_close(answers(made("idf", scale=5.0)), 5 * expected, rtol=1e-4, atol=1e-5)


def test_logistic_regression_is_that_of_scikit_learn() -> None:
    having, patients = frequency()
    idf = torch.tensor([math.log((patients + 1) / (int(one) + 1)) for one in having])
    known, asked = (F.normalize((one.x == 1) * idf, dim=-1).double().numpy() for one in (SUPPORT, QUERY))
    theirs = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-8).fit(known, SUPPORT.y.argmax(-1).numpy())
    expected = torch.from_numpy(theirs.predict_log_proba(asked)).float()
    found = answers(made("termlogistic", penalty=0.5)).log_softmax(-1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_naive_bayes_is_the_posterior_of_a_beta_binomial() -> None:
    learner = made("naivebayes", observed=0.5, unobserved=0.25, excluded=0.125, unexcluded=0.0625)
    assert isinstance(learner, naivebayes.NaiveBayes)
    expected = torch.zeros(len(QUERY.x), 3)
    for at, value, yes, no in ((0, 1, 0.5, 0.25), (1, -1, 0.125, 0.0625)):
        mean, spread = learner.mean[at], learner.spread[at]
        for column, own in enumerate(OWN):
            found = (spread * mean + (own == value).sum(0)) / (spread + len(own))
            there = yes * (found.log() - mean.log())
            absent = no * ((1 - found).log() - (1 - mean).log())
            expected[:, column] += torch.where(QUERY.x == value, there, absent).sum(-1)
    torch.testing.assert_close(answers(learner), expected, rtol=1e-3, atol=1e-3)
    meta = made("metabayes", observed=0.5, unobserved=0.25, excluded=0.125, unexcluded=0.0625)
    torch.testing.assert_close(answers(meta), expected, rtol=1e-3, atol=1e-3)  # where it starts


def test_moments_find_the_beta_that_frequencies_were_drawn_from() -> None:
    torch.manual_seed(0)
    mean, spread = torch.tensor([0.05, 0.3, 0.6]), torch.tensor([20.0, 5.0, 2.0])
    size = torch.randint(1, 30, (6000,))
    shares = torch.distributions.Beta(mean * spread, (1 - mean) * spread).sample((6000,))
    having = torch.distributions.Binomial(size.unsqueeze(-1).float().expand(-1, 3), shares).sample()
    found = naivebayes.prior(having, size)
    torch.testing.assert_close(found[0].float(), mean, rtol=0.05, atol=0.003)
    torch.testing.assert_close(found[1].float(), spread, rtol=0.25, atol=0)
    single = naivebayes.prior(having.clamp(max=1), torch.ones(6000))
    assert torch.stack(single).isfinite().all()


def above(at: int) -> set[int]:
    return {at}.union(*(above(one) for one in PARENTS[at]))


@pytest.mark.parametrize("similarity", ["resnik", "lin", "share"])
def test_best_match_looks_at_every_pair_of_specific_terms(similarity: str) -> None:
    having, patients = frequency()
    information = [math.log((patients + 1) / (int(one) + 1)) for one in having]

    def specific(x: Tensor) -> list[int]:
        here = {at for at in range(len(x)) if x[at] == 1}
        return [at for at in here if not any(at in PARENTS[other] for other in here)]

    def towards(one: Tensor, others: Tensor) -> float:
        """From the terms of ``one`` to those of all ``others``."""
        there = set(itertools.chain(*(specific(other) for other in others)))

        def match(t: int, other: int) -> float:
            most = max((information[a] for a in above(t) & above(other)), default=0.0)
            return 2 * most / (information[t] + information[other]) if similarity == "lin" else most

        common = [max((match(t, other) for other in there), default=0.0) for t in specific(one)]
        total = [information[t] if similarity == "share" else 1.0 for t in specific(one)]
        return sum(common) / sum(total)

    expected = [
        [(towards(x, own) + sum(towards(i, x.unsqueeze(0)) for i in own) / len(own)) / 2 for own in OWN]
        for x in QUERY.x
    ]
    found = answers(made("bestmatch", similarity=similarity, scale=1.0))
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_lin_of_an_ontology_worked_out_by_hand() -> None:
    """A root, b and c below it, d and e below b: of 16 patients half have b, a quarter c and d, an eighth e."""
    spec = replace(FAMILY.spec, shape=(5,), names=tuple("abcde"), parents=((), (0,), (0,), (1,), (1,)))
    learner = learners.build("bestmatch", spec, learners.configure("bestmatch", {"similarity": "lin", "scale": 1.0}), 0)
    bits = torch.tensor([0.0, 1.0, 2.0, 2.0, 3.0])  # IC in units of log 2, which a share does not depend on
    learner.information.copy_(bits * math.log(2))  # type: ignore[operator,union-attr]
    d, e, c = (torch.tensor(one) for one in ([1.0, 1, 0, 1, 0], [1.0, 1, 0, 0, 1], [1.0, 0, 1, 0, 0]))
    support = Examples(torch.stack([e, c]), torch.eye(2), torch.ones(2, dtype=torch.bool))
    found = learner.predict(learner.adapt(support), torch.stack([d, e, d.maximum(c)]), torch.ones(3).bool())[0]
    # d and e share b: 2 * 1 / (2 + 3). d and c share the root alone, which says nothing. Each way is averaged.
    expected = torch.tensor([[0.4, 0.0], [1.0, 0.0], [(0.4 / 2 + 0.4) / 2, (1 / 2 + 1) / 2]])
    torch.testing.assert_close(found, expected)


def test_a_low_rank_metric_starts_exactly_at_idf_and_adds_a_bilinear_term() -> None:
    learner = made("lowrank", rank=3, scale=7.0)
    torch.testing.assert_close(answers(learner), answers(made("idf", scale=7.0)), rtol=1e-5, atol=1e-5)
    assert isinstance(learner, lowrank.LowRank)
    learner.other.data.normal_(0, 0.1)
    z = F.normalize((QUERY.x == 1) * learner.idf, dim=-1)
    profile = learner.adapt(SUPPORT)["profile"]
    added = 7 * z @ (learner.metric @ learner.other.T) @ profile.T
    torch.testing.assert_close(answers(learner), answers(made("idf", scale=7.0)) + added, rtol=1e-4, atol=1e-4)


def test_sets_of_terms_are_pooled_by_rarity_and_attention_beside_idf() -> None:
    learner = made("setencoder", width=8, scale=5.0)
    assert isinstance(learner, setencoder.SetEncoder)
    torch.testing.assert_close(answers(learner), answers(made("idf", scale=5.0)), rtol=1e-5, atol=1e-5)
    learner.share.data.fill_(0.3)
    learner.residual.data.normal_(0, 0.2)
    learner.question.data.normal_(0, 0.5)
    embedded = learner.start + learner.residual

    def pooled(x: Tensor) -> Tensor:
        here = torch.nonzero(x == 1).flatten()
        weight = learner.idf[here] * (embedded[here] @ learner.question / 8**0.5).exp()
        return F.normalize(weight @ embedded[here], dim=0)

    profile = torch.stack([torch.stack([pooled(x) for x in own]).mean(0) for own in OWN])
    added = 5 * 0.3 * torch.stack([F.cosine_similarity(pooled(x), profile, dim=-1) for x in QUERY.x])
    expected = answers(made("idf", scale=5.0)) + added.detach()
    torch.testing.assert_close(answers(learner), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["lowrank", "setencoder"])
def test_a_training_task_goes_without_some_terms(name: str) -> None:
    """Where all but few are left out, hardly anything can be told apart; the penalty is of what was learnt."""
    task = TASK._replace(support=SUPPORT, query=QUERY, classes=TASK.classes[0], unit=TASK.unit[0], key=TASK.key[0])
    whole, hardly = (made(name, dropout=share) for share in (0.0, 0.999))
    torch.testing.assert_close(whole.loss(task, 0.0) - penalty(whole), Learner.loss(whole, task, 0.0))
    torch.testing.assert_close(hardly.loss(task, 0.0) - penalty(hardly), torch.tensor(math.log(3)), rtol=0, atol=0.5)
    assert Learner.loss(hardly, task, 0.0) < 0.9


def penalty(learner: Learner) -> Tensor:
    squared = [value for name, value in learner.named_parameters() if name in ("metric", "other", "residual")]
    total: Tensor = learner.config.penalty * sum(value.square().sum() for value in squared)
    return total


def test_an_untrained_ensemble_is_the_mean_of_its_members_log_probabilities() -> None:
    members = ("idf", "naivebayes", "bestmatch")
    found = answers(made("ensemble", members=members))
    each = [answers(made(name)).log_softmax(-1) for name in members]
    torch.testing.assert_close(found.log_softmax(-1), torch.stack(each).mean(0).log_softmax(-1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (("idf",), "two different learners"),
        (("idf", "idf"), "two different learners"),
        (("idf", "maml"), "maml cannot be a member"),
        (("idf", "ensemble"), "ensemble cannot be a member"),
        (("idf", "idff"), "Did you mean idf"),
    ],
)
def test_members_that_make_no_ensemble_are_refused(members: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        made("ensemble", members=members)


def test_terms_are_counted_class_by_class() -> None:
    size, observed, excluded = counts(FAMILY.tasks("train"))
    whole = [FAMILY.tasks("train")[at] for at in range(len(size))]
    assert size.tolist() == [len(one.x) for one in whole]
    assert torch.equal(observed, torch.stack([(one.x == 1).sum(0) for one in whole]))
    assert torch.equal(excluded, torch.stack([(one.x == -1).sum(0) for one in whole]))
