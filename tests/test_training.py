"""The meta-step against PyTorch's plain optimiser."""

import pytest
import torch

from quickstudy import learners, tasks
from quickstudy.training import TrainConfig, Training, resolve


@pytest.mark.parametrize("how", ["loop", "vmap"])
@pytest.mark.parametrize("name", ["protonet", "maml"])
def test_the_fused_optimiser_takes_the_step_of_the_plain_one(name: str, how: str) -> None:
    """Its gradients need the memory layout of the weights, or it updates the wrong numbers without a word."""

    def trained(fused: bool) -> list[torch.Tensor]:
        family = tasks.load("glyphs:classes=20")
        config = resolve(TrainConfig(way=2, query=2, tasks_per_step=2, steps=3, batching=how), name, family.spec)
        learner = learners.build(name, family.spec, learners.configure(name, {"width": 4, "norm": "task"}), seed=0)
        training = Training(learner, family, config, torch.device("cpu"))
        training.choose_batching()
        if not fused:
            training.optimizer = torch.optim.Adam(list(training.params.values()), lr=config.rate, fused=False)
        training.meta_step()
        return list(training.params.values())

    for one, other in zip(trained(True), trained(False), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
