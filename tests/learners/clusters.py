"""Made-up tasks for learners on a frozen backbone: the features are the inputs, so that what they are is known."""

import torch
from torch import Tensor

from quickstudy import learners
from quickstudy.learners import Learner
from quickstudy.tasks.base import Examples, Spec

SPEC = Spec(name="made up", kind="classification", shape=(6,), classes=10)
WAY, SHOT, QUERY = 4, 2, 12


def build(name: str, **settings: object) -> Learner:
    """A learner without its net."""
    learner = learners.build(name, SPEC, learners.configure(name, settings), 0).double().eval()
    vars(learner)["_embed"] = lambda x, mask, moments: (x, {})
    return learner


def draw(seed: int) -> tuple[Examples, Examples]:
    """Support and query of ``WAY`` clusters."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(WAY, 6, generator=generator, dtype=torch.float64)
    sets = []
    for each in (SHOT, QUERY):
        y = torch.eye(WAY, dtype=torch.float64).repeat(each, 1)
        x = y @ centres + 0.7 * torch.randn(len(y), 6, generator=generator, dtype=torch.float64)
        sets.append(Examples(x, y, torch.ones(len(y), dtype=torch.bool)))
    return sets[0], sets[1]


def logits(learner: Learner, support: Examples, query: Examples) -> Tensor:
    """[n, way]."""
    found: Tensor = learner.predict(learner.adapt(support), query.x, query.mask).logits
    return found


def right(learner: Learner) -> Tensor:
    """[tasks] accuracies."""
    drawn = [draw(seed) for seed in range(50)]
    return torch.stack([(logits(learner, *task).argmax(-1) == task[1].y.argmax(-1)).double().mean() for task in drawn])
