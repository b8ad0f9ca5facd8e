"""LEO against its equations, written out."""

import dataclasses
import itertools

import torch
from cases import Case, draw, trained
from torch import Tensor
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.inner import batch
from quickstudy.learners.leo import LEAST, LENGTH, QUIET
from quickstudy.tasks.base import Examples

CASE = Case("leo", "classification")


def setting() -> tuple[object, Tensor, Tensor, Tensor]:
    learner = trained(CASE).eval()
    support = batch.take(draw("classification", way=3, shot=2), 0).support
    features = learner.net(support.x, support.mask, None)[0].detach()
    return learner, support, LENGTH * features / features.norm(dim=-1, keepdim=True), support.y.argmax(-1)


def test_a_code_is_the_mean_of_the_relations_of_its_class_with_everything() -> None:
    learner, support, features, label = setting()
    own = learner.encoder(features)
    found = []
    for number in range(3):
        pairs = [learner.relation(torch.cat([a, b])) for a in own[label == number] for b in own]
        found.append(torch.stack(pairs).mean(0))
    mean, raw = torch.stack(found).chunk(2, -1)
    there, spread = learner.code(features, support)
    torch.testing.assert_close(there, mean)
    torch.testing.assert_close(spread, LEAST + F.softplus(raw - QUIET))


def test_codes_begin_with_little_noise_and_steps_that_are_not_too_long() -> None:
    """On photographs: what a code says is not drowned, and every step of the first rate lowers the support's loss."""
    family = tasks.load("glyphs:classes=50")
    colour = dataclasses.replace(family.spec, shape=(3, 32, 32))
    learner = learners.build("leo", colour, learners.configure("leo", {"backbone": "conv4"}), 0)
    x = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    support = Examples(x, torch.eye(5), torch.ones(5, dtype=torch.bool))
    features, _ = learner._embed(support.x, support.mask, None)
    code, spread = learner.code(features, support)
    assert spread.max() < 0.1
    with torch.no_grad():
        heads = [head for _, head in learner._walk(code, features, support, 5, "first-order")]
        losses = [F.cross_entropy(features @ head.T, support.y).item() for head in heads]
    assert all(after < before for before, after in itertools.pairwise(losses))


def test_steps_move_codes_first_and_then_the_weights_that_they_stand_for() -> None:
    learner, support, features, label = setting()
    code = learner.code(features, support)[0].detach()
    head = code @ learner.decoder.weight.detach().T
    torch.testing.assert_close(learner.adapt(support, 0)["head"], head)
    for step in range(1, 8):
        codes = step <= learner.config.latent_steps
        moving = (code if codes else head).clone().requires_grad_()
        weights = moving @ learner.decoder.weight.detach().T if codes else moving
        (slope,) = torch.autograd.grad(F.cross_entropy(features @ weights.T, label), moving)
        moved = (moving - learner.rates[0 if codes else 1] * slope).detach()
        code = moved if codes else code
        head = moved @ learner.decoder.weight.detach().T if codes else moved
        torch.testing.assert_close(learner.adapt(support, step)["head"].detach(), head)


def test_what_holds_the_codes_together_is_the_divergence_from_the_standard_normal() -> None:
    learner, support, features, _ = setting()
    task = batch.take(draw("classification", way=3, shot=2), 0)
    values = []
    for weight in (0.0, 1.0):
        object.__setattr__(learner.config, "kl", weight)
        values.append(learner.loss(task, 0.0))
    mean, spread = learner.code(features, support)
    one = torch.distributions.Normal(mean, spread)
    right = torch.distributions.kl_divergence(one, torch.distributions.Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(values[1] - values[0], right)
