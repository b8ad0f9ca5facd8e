"""Several learners of one kind of input, and their calibrated log-probabilities in weighted sum. Heskes (1998),
"Selecting Weighting Factors in Logarithmic Opinion Pools"; calibration by a scale is Guo et al. (2017), "On Calibration
of Modern Neural Networks".

    l_m = log softmax(s_m f_m(x)),   logits = sum over members m of w_m l_m
    s_m = exp(a_m + b_m k),   w_m = exp(c_m + d_m k),   k = log of the known examples of a class

f_m are the logits of member m, k is the mean over the classes that have examples; a, b, c and d are meta-learned. Each
member is trained by its own loss and its scale by its own log-likelihood, the weights by that of the sum: so members
stay apart, which is what makes their sum better than the best of them.
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

MEMBERS = ("idf", "naivebayes", "bestmatch", "metabayes")


@dataclass(frozen=True, kw_only=True)
class EnsembleConfig:
    """Ensemble of learners."""

    members: tuple[str, ...] = MEMBERS
    """Learners that take no gradient steps, each with its own defaults."""


class Ensemble(Learner):
    """Members answer each on its own; their answers are calibrated, weighted and added up."""

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
        count = len(made)
        # [2, members]: at one known example, and for each time that they are e times as many
        self.log_scale = nn.Parameter(torch.zeros(2, count))
        self.log_weight = nn.Parameter(torch.stack([torch.full((count,), 1 / count).log(), torch.zeros(count)]))

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
        return self._together(self._answers(adapted, x, mask), adapted)

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: losses of the members, of their calibrated answers, and of all together."""
        adapted = self.adapt(task.support)
        with torch.no_grad():
            answers = self._answers(adapted, task.query.x, task.query.mask)
        each = self._calibrated(answers, adapted)
        nll = [Logits(logits).nll(task.query.y) for logits in each]
        nll.append(self._together(answers, adapted, apart=True).nll(task.query.y))
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
        scale = self._at(self.log_scale, adapted)
        return F.log_softmax(only_present(scale * answers, adapted["present"]), -1)

    def _together(self, answers: Tensor, adapted: Adapted, apart: bool = False) -> Logits:
        """The weighted sum; ``apart`` keeps its gradient from the scales."""
        each = self._calibrated(answers, adapted)
        each = torch.where(adapted["present"], each.detach() if apart else each, 0)
        return Logits(only_present((self._at(self.log_weight, adapted) * each).sum(0), adapted["present"]))

    def _at(self, logs: Tensor, adapted: Adapted) -> Tensor:
        """[members, 1, 1]: exp of the first number of each member plus k times the second."""
        return (logs[0] + adapted["known"] * logs[1]).exp().view(-1, 1, 1)
