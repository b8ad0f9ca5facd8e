"""The net for everybody: it answers as fine-tuning does before its first step, whatever the support says."""

import torch

from quickstudy import learners, tasks
from quickstudy.tasks.base import Examples


@torch.no_grad()
def test_it_is_fine_tuning_without_steps() -> None:
    family = tasks.load("sinusoid")
    pooled, tuned = (
        learners.build(name, family.spec, learners.configure(name, {"width": 16}), 0) for name in ("pooled", "finetune")
    )
    pooled.load_state_dict(tuned.state_dict())
    task = family.sample("test", torch.arange(1), way=0, shot=5, query=7, seed=0)
    support, query = (Examples(*(leaf[0] for leaf in part)) for part in (task.support, task.query))
    expected = tuned.predict(tuned.adapt(support, steps=0), query.x, query.mask).mean
    torch.testing.assert_close(pooled.predict(pooled.adapt(support), query.x, query.mask).mean, expected)
    other = support._replace(y=support.y + 3)
    assert torch.equal(pooled.predict(pooled.adapt(other), query.x, query.mask).mean, expected)
