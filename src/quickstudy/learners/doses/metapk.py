"""A meta-learned prior over pharmacokinetic parameters: structure meets MAML.

The inner loop is the trade's (``mappk``): a few Gauss-Newton steps of a compartment model towards a patient's posterior
mode. What it starts from and how far it trusts whom is meta-learned, through these steps, by the likelihood of the
levels to come, where the trade maximises the likelihood of the levels at hand:

    Omega' = D Omega D,  D = diag(exp d)                        how much patients differ
    s_i^2  = s^2 exp(w . (1, log f_i, log(1 + time since the last dose)))    error of a level that is learnt from
    s_*^2  = the same with weights of its own                   error of a level that is predicted
    loss   = mean of -log N(y; mean, var) over the levels after the first m, m random, + (||d||^2 + ||w||^2) / 2 N t^2

d and the w start at 0, at the empirical-Bayes estimate of a, B, Omega and s, and N training levels have to speak for
going further from there than t = 0.3. Finn, Xu, Levine (2018), "Probabilistic
Model-Agnostic Meta-Learning"; Grant, Finn, Levine, Darrell, Griffiths (2018), "Recasting Gradient-Based Meta-Learning
as Hierarchical Bayes". Since a population is known too well by its own patients, standard deviations are then widened
such that 90 % of the levels of patients whom an estimate has not met lie in their intervals (cross-fitting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import vmap

from quickstudy.learners.base import Adapted, Gaussian, Traits
from quickstudy.learners.doses.kinetics import log_level
from quickstudy.learners.doses.mappk import MapPK, MapPKConfig
from quickstudy.learners.doses.population import estimate, stacked
from quickstudy.tasks.base import NINETY, Examples, Spec, Task, WholeTasks, masked_mean

FOLDS, ROUNDS = 3, 30
"""Of the cross-fitting: parts of the patients, and rounds of each estimate."""
WIDEST = 2.0
FAR = 0.3


@dataclass(frozen=True, kw_only=True)
class MetaPKConfig(MapPKConfig):
    """Meta-learned prior of pharmacokinetic parameters."""


class MetaPK(MapPK):
    """Empirical-Bayes individualisation whose prior and errors were learnt by what they predict."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",), forms=("doses",))
    Config: ClassVar[type[Any]] = MetaPKConfig

    def __init__(self, spec: Spec, config: MetaPKConfig) -> None:
        super().__init__(spec, config)
        self.log_scale = nn.Parameter(torch.zeros(len(self.population().centre)))
        self.support_error = nn.Parameter(torch.zeros(3))
        self.query_error = nn.Parameter(torch.zeros(3))
        self.register_buffer("widened", torch.ones(()))
        self.register_buffer("readings", torch.tensor(100.0))

    def prepare(self, tasks: WholeTasks) -> None:
        """Estimate the population, and by how much its intervals are too narrow for others."""
        patients = stacked(tasks)
        fold = torch.arange(len(patients.x)) % FOLDS
        found = []
        for number in range(FOLDS):
            self._fill(estimate(self.layout, Examples(*(leaf[fold != number] for leaf in patients)), ROUNDS))
            found.append(self._surprises(Examples(*(leaf[fold == number] for leaf in patients))))
        self._fill(estimate(self.layout, patients))
        self.get_buffer("readings").copy_(patients.mask.sum())
        self.get_buffer("widened").copy_((torch.cat(found).quantile(0.9) / NINETY).clamp(1, WIDEST))

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Gaussian:
        """Mean and std [n, 1] of the logarithm of the level."""
        found = super().predict(adapted, x, mask)
        return found._replace(std=found.std * self.get_buffer("widened"))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean negative log-likelihood of the query, before intervals are widened, and that of d and w."""
        found = super().predict(self.adapt(task.support), task.query.x, task.query.mask)
        moved = torch.cat([self.log_scale, self.support_error, self.query_error]).square().sum()
        return masked_mean(found.nll(task.query.y), task.query.mask) + moved / (
            2 * self.get_buffer("readings") * FAR**2
        )

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """None to three levels; few steps, for there is little to learn and there are few patients."""
        return {"shot": 0, "max_shot": 3, "query": 20, "tasks_per_step": 32, "steps": 200, "rate": 1e-2}

    def _spread(self) -> Tensor:
        scale = self.log_scale.exp()
        return self.population().spread * scale * scale.unsqueeze(-1)

    def _support_noise(self, x: Tensor) -> Tensor:
        return self._error(x, self.support_error)

    def _query_noise(self, x: Tensor) -> Tensor:
        return self._error(x, self.query_error)

    def _error(self, x: Tensor, weights: Tensor) -> Tensor:
        """[n] variance of the readings ``x`` [n, inputs], by what is typically expected of them."""
        level = log_level(self.layout, self._base(x), x)
        last = self.layout.doses(x)["since"][..., 0]
        told = torch.stack([torch.ones_like(level), level, last.log1p()], -1)
        return self.population().noise * (told @ weights).clamp(-5, 5).exp()

    def _surprises(self, patients: Examples) -> Tensor:
        """Errors, in standard deviations, of the later half of each patient's levels after the earlier one."""
        patients = Examples(patients.x.to(self.log_scale), patients.y.to(self.log_scale), patients.mask)
        count = patients.mask.sum(-1, keepdim=True)
        early = torch.arange(patients.mask.shape[1], device=count.device) < count // 2

        def one(x: Tensor, y: Tensor, mask: Tensor, early: Tensor) -> Tensor:
            found = super(MetaPK, self).predict(self.adapt(Examples(x, y, mask & early)), x, mask)
            return ((y - found.mean) / found.std).abs().squeeze(-1)

        with torch.no_grad():
            return vmap(one)(*patients, early)[patients.mask & ~early]
