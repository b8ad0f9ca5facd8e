"""Several learners of one kind of input, and the mean of their calibrated log-probabilities. Genest and Zidek (1986),
"Combining Probability Distributions" (the logarithmic opinion pool); calibration by a scale is Guo et al. (2017), "On
Calibration of Modern Neural Networks".

    l_m = log softmax(s_m f_m(x)),   logits = s (mean over members m of l_m)
    s_m = exp(a_m + b_m k),   s = exp(a + b k),   k = log of the known examples of a class

f_m are the logits of member m, k is the mean over the classes that have examples; a and b are meta-learned. Each member
is trained by its own loss and each scale by its own log-likelihood, so that members stay apart: that is what makes
their mean better than the best of them. All weigh the same: weights that are learnt on the training classes trust the
member most that has fitted these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy import learners
from quickstudy.errors import UserError
from quickstudy.learners.base import Adapted, Learner, Logits, Traits, only_present, present
from quickstudy.tasks.base import Examples, Spec, Task, WholeTasks, masked_mean

MEMBERS = ("idf", "bestmatch", "metabayes")


@dataclass(frozen=True, kw_only=True)
class EnsembleConfig:
    """Ensemble of learners."""

    members: tuple[str, ...] = MEMBERS
    """Learners that take no gradient steps, each with its own defaults."""


class Ensemble(Learner):
    """Members answer each on its own; their answers are calibrated and averaged."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), forms=("terms",))
    Config: ClassVar[type[Any]] = EnsembleConfig

    def __init__(self, spec: Spec, config: EnsembleConfig) -> None:
        super().__init__(spec, config)
        if len(config.members) < 2 or len(set(config.members)) < len(config.members):
            raise UserError(f"--members is {' '.join(config.members)}; expected two different learners or more.")
        for name in config.members:
            traits = learners.learner_class(name).traits
            if traits.gradient or learners.learner_class(name) is Ensemble:
                raise UserError(f"{name} cannot be a member of an ensemble. Take learners without gradient steps.")
        made = {name: learners.learner_class(name) for name in config.members}
        self.members = nn.ModuleDict({name: one(spec, one.Config()) for name, one in made.items()})
        # a and b of the members, and of their mean
        self.log_scales = nn.Parameter(torch.zeros(2, len(made)))
        self.log_scale = nn.Parameter(torch.zeros(2, 1))

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """That of ``metabayes``."""
        return learners.learner_class("metabayes").recipe(spec)

    def prepare(self, tasks: WholeTasks) -> None:
        """Let each member take what it learns without gradients."""
        for member in self._each():
            member.prepare(tasks)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """What each member keeps, under ``member/key``; ``known``: mean log of the known examples of a class."""
        found = {
            f"{name}/{key}": value
            for name, member in zip(self.members, self._each(), strict=True)
            for key, value in member.adapt(support).items()
        }
        count = torch.where(support.mask.unsqueeze(-1), support.y, 0).sum(0)
        return found | {"present": present(support), "known": masked_mean(count.clamp(min=1).log(), count > 0)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, *shape]."""
        return self._together(self._calibrated(self._answers(adapted, x, mask), adapted), adapted)

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: losses of the members, of their calibrated answers, and of all together."""
        adapted = self.adapt(task.support)
        with torch.no_grad():
            answers = self._answers(adapted, task.query.x, task.query.mask)
        each = self._calibrated(answers, adapted)
        nll = [Logits(logits).nll(task.query.y) for logits in each]
        nll.append(self._together(each.detach(), adapted).nll(task.query.y))
        own = [member.loss(task, progress) for member in self._each() if any(True for _ in member.parameters())]
        return torch.stack([*(masked_mean(one, task.query.mask) for one in nll), *own]).sum()

    def _each(self) -> list[Learner]:
        return [self.members[name] for name in self.config.members]  # type: ignore[misc]

    def _answers(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Tensor:
        """[members, n, way]: f_m, with 0 for classes without support."""
        found = []
        for name, member in zip(self.members, self._each(), strict=True):
            own = {key.partition("/")[2]: value for key, value in adapted.items() if key.startswith(f"{name}/")}
            found.append(member.predict(own, x, mask)[0])
        return torch.where(adapted["present"], torch.stack(found), 0)

    def _calibrated(self, answers: Tensor, adapted: Adapted) -> Tensor:
        """[members, n, way]: l_m."""
        scale = _at(self.log_scales, adapted).view(-1, 1, 1)
        return F.log_softmax(only_present(scale * answers, adapted["present"]), -1)

    def _together(self, each: Tensor, adapted: Adapted) -> Logits:
        """The scaled mean of the members' ``each`` [members, n, way]."""
        mean = torch.where(adapted["present"], each, 0).mean(0)
        return Logits(only_present(_at(self.log_scale, adapted) * mean, adapted["present"]))


def _at(logs: Tensor, adapted: Adapted) -> Tensor:
    """exp(a + b k) of ``logs`` [2, ...]."""
    found: Tensor = (logs[0] + adapted["known"] * logs[1]).exp()
    return found
