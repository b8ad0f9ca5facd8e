"""Latent embedding optimisation. Rusu, Rao, Sygnowski, Vinyals, Pascanu, Osindero, Hadsell (2019), "Meta-Learning with
Latent Embedding Optimization" (LEO).

    (mu_c, s_c) = mean over x_i of class c and all x_j of g_r(g_e(f(x_i)), g_e(f(x_j))),   z_c ~ N(mu_c, s_c^2)
    w_c = g_d(z_c),   logits = f(x) w'
    z <- z - alpha grad_z L(w(z); support), five times;  then  w <- w - beta grad_w L(w; support), five times
    min over f, g, alpha, beta of  L(w; query) + a KL(N(mu, s^2) || N(0, 1)) + b |sg(z_end) - z_start|^2

The last two are means over the numbers of a code, as in the authors' code.
Few numbers a class move, and not the features f, so a step costs next to nothing. Here f, of one length, is trained
with the rest, where the paper has features of a pre-trained net; w_c is decoded as it is, where the paper draws it once
more; codes are drawn in training and are mu afterwards. Numbers are those of the authors' code for miniImageNet,
without its penalties on the sizes of weights. Steps beyond those of z move w.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.inner import Gradient, sgd, trajectory
from quickstudy.learners.base import Adapted, Logits, Traits, class_means, only_present
from quickstudy.learners.cnp import perceptron
from quickstudy.learners.descent import Descent, MetaConfig
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Spec, Task, check_counts, masked_mean

LATENT_RATE = 1.0
LENGTH = 4.0
"""Of every feature vector, so that steps of the first rate are not too long. The authors' code has 1, with which those
of a net that is trained as well are slow to be told apart."""
LEAST = 0.02
"""Standard deviation of a code below which it cannot fall."""
QUIET = 4.0
"""Taken off what a standard deviation is computed from, so that codes begin with little noise, as the authors' do."""


@dataclass(frozen=True, kw_only=True)
class LEOConfig(MetaConfig):
    """LEO."""

    latent: int = 64
    """Numbers in the code of a class."""
    latent_steps: int = 5
    """How many of the inner steps move the codes; the others move the weights that were decoded."""
    kl: float = 0.001
    """Weight of the divergence of a code's numbers from the standard normal, their mean."""
    start: float = 1e-9
    """Weight of the mean square of how far the steps move a code's numbers."""


class LEO(Descent):
    """Gradient steps in a small space of codes, one a class."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), gradient=True, transductive=True)
    Config: ClassVar[type[Any]] = LEOConfig
    default_steps = (10, 0)
    default_rate = (0.001, 0.0)

    def __init__(self, spec: Spec, config: LEOConfig) -> None:
        check_counts(latent=config.latent)
        check_counts(least=0, **{"latent-steps": config.latent_steps})
        if config.kl < 0 or config.start < 0:
            raise UserError(f"--kl is {config.kl} and --start {config.start}; they are weights, 0 or more.")
        super().__init__(spec, config, config.gradient, head=None)
        size = config.latent
        self.encoder = nn.Linear(self.net.features, size, bias=False)
        self.relation = perceptron(2 * size, 2 * size, 2, 2 * size)
        self.decoder = nn.Linear(size, self.net.features, bias=False)
        self.rates = nn.Parameter(torch.tensor([LATENT_RATE, self.rate]))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """Weights ``head`` [way, f] of the output layer, the classes present, moments (norm=task)."""
        features, moments = self._embed(support.x, support.mask, None)
        mean, _ = self.code(features, support)
        *_, (_, head) = self._walk(mean, features, support, self.steps if steps is None else steps, self.gradient)
        return {"head": head, "present": self._present(support)} | moments

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, *shape]."""
        features, _ = self._embed(x, mask, None if self.transductive else adapted)
        return Logits(only_present(features @ adapted["head"].T, adapted["present"]))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: the query's loss under codes that are drawn, and what holds them together."""
        features, moments = self._embed(task.support.x, task.support.mask, None)
        mean, spread = self.code(features, task.support)
        noise = draw.normal(task.key, mean.numel(), "code").view_as(mean).to(mean.dtype)
        first = mean + spread * noise
        *_, (last, head) = self._walk(first, features, task.support, self.steps, self.gradient)
        adapted = {"head": head, "present": self._present(task.support)} | moments
        prediction = self.predict(adapted, task.query.x, task.query.mask)
        divergence = 0.5 * (mean.square() + spread.square() - 1 - 2 * spread.log()).mean(-1)
        moved = (last.detach() - first).square().mean(-1)
        held = masked_mean(self.config.kl * divergence + self.config.start * moved, adapted["present"])
        return masked_mean(prediction.nll(task.query.y), task.query.mask) + held

    def code(self, features: Tensor, support: Examples) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [way, latent] of each class's code."""
        own = self.encoder(features)
        count = len(own)
        pairs = torch.cat([own.unsqueeze(1).expand(-1, count, -1), own.unsqueeze(0).expand(count, -1, -1)], -1)
        related = self.relation(pairs) * support.mask.view(1, -1, 1)
        mean, spread = class_means(related.sum(1) / support.mask.sum().clamp(min=1), support).chunk(2, -1)
        return mean, LEAST + F.softplus(spread - QUIET)

    def _embed(self, x: Tensor, mask: Tensor, moments: Adapted | None) -> tuple[Tensor, Adapted]:
        """Features of length ``LENGTH`` [n, f], and moments."""
        features, found = self.net(x, mask, moments)
        return LENGTH * F.normalize(features, dim=-1), found

    def _walk(
        self, code: Tensor, features: Tensor, support: Examples, steps: int, kind: Gradient
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Codes and decoded weights after 0, 1, ..., ``steps`` inner steps."""
        head = self.decoder(code)
        yield code, head
        if not len(features):
            return
        latent = min(self.config.latent_steps, steps)
        given = features, support, self._present(support)
        decoded = {"decoder": self.decoder.weight}, *given
        for moved, _ in trajectory(_of_codes, {"code": code}, sgd(self.rates[0]), latent, kind, decoded):
            code = moved["code"]
            head = self.decoder(code)
            yield code, head
        for moved, _ in trajectory(_of_weights, {"head": head}, sgd(self.rates[1]), steps - latent, kind, given):
            yield code, moved["head"]


def _of_codes(moving: Adapted, given: Any) -> Tensor:
    """The support's loss under the weights that codes stand for."""
    fixed, *rest = given
    return _of_weights({"head": moving["code"] @ fixed["decoder"].T}, rest)


def _of_weights(moving: Adapted, given: Any) -> Tensor:
    features, support, here = given
    prediction = Logits(only_present(features @ moving["head"].T, here))
    return masked_mean(prediction.nll(support.y), support.mask)
