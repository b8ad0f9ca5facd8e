"""LEO against its equations, written out."""

import torch
from cases import Case, draw, trained
from torch import Tensor
from torch.nn import functional as F

from quickstudy.inner import batch
from quickstudy.learners.leo import LEAST

CASE = Case("leo", "classification")


def setting() -> tuple[object, Tensor, Tensor, Tensor]:
    learner = trained(CASE).eval()
    support = batch.take(draw("classification", way=3, shot=2), 0).support
    return learner, support, learner.net(support.x, support.mask, None)[0].detach(), support.y.argmax(-1)


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
    torch.testing.assert_close(spread, LEAST + F.softplus(raw))


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
    right = torch.distributions.kl_divergence(one, torch.distributions.Normal(0.0, 1.0)).sum(-1).mean()
    torch.testing.assert_close(values[1] - values[0], right)
