"""Attentive neural processes against PyTorch's own attention, and against a CNP where attention is even."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.learners.attention import Attention
from quickstudy.tasks.base import Examples

SINE = tasks.load("sinusoid")
TASK = batch.take(SINE.sample("train", torch.arange(1), way=0, shot=4, query=3, seed=0), 0)


def build(name: str = "anp", **settings: object) -> Learner:
    return learners.build(name, SINE.spec, learners.configure(name, {"width": 8, **settings}), 0).eval()


@torch.no_grad()
def answer(learner: Learner, support: Examples) -> tuple[Tensor, Tensor]:
    mean, std = learner.predict(learner.adapt(support), TASK.query.x, TASK.query.mask)
    return mean, std


@pytest.mark.parametrize("heads", [1, 4])
@torch.no_grad()
def test_attention_is_that_of_pytorch(heads: int) -> None:
    draws = torch.Generator().manual_seed(0)
    query, keys, values = (torch.randn(n, 8, generator=draws) for n in (3, 5, 5))
    mask = torch.tensor([True, False, True, True, False])
    own, theirs = Attention(8, heads), torch.nn.MultiheadAttention(8, heads, batch_first=True)
    parts = own.query, own.key, own.value
    theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
    theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(own.out.state_dict())
    wanted, _ = theirs(query, keys, values, key_padding_mask=~mask)
    torch.testing.assert_close(own(query, *own.remember(keys, values), mask), wanted)


@torch.no_grad()
def test_of_nothing_attention_is_its_bias() -> None:
    own, x = Attention(8, 2), torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    for rows in (0, 2):
        nothing = torch.zeros(rows, dtype=torch.bool)
        found = own(x, *own.remember(x[:rows], x[:rows]), nothing)
        torch.testing.assert_close(found, own.out.bias.expand(3, -1))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UserError, match="--heads is 3"):
        build(heads=3)


@pytest.mark.parametrize("shot", [0, 4])
@torch.no_grad()
def test_with_even_attention_it_is_a_conditional_neural_process(shot: int) -> None:
    anp, cnp = build(), build("cnp")
    cnp.load_state_dict({k: v for k, v in anp.state_dict().items() if k.startswith(("encoder", "decoder"))})
    for value in anp.attention.parameters():
        value.zero_()
    anp.attention.value.weight.copy_(torch.eye(8))
    anp.attention.out.weight.copy_(torch.eye(8))
    support = Examples(*(leaf[:shot] for leaf in TASK.support))
    torch.testing.assert_close(answer(anp, support), answer(cnp, support))


def test_each_query_has_a_summary_of_its_own() -> None:
    learner = build(width=16)
    adapted = learner.adapt(TASK.support)
    found = learner._summary(adapted, TASK.query.x)
    keys, values = learner.look(TASK.support.x), learner.encoder(torch.cat([TASK.support.x, TASK.support.y], -1))
    projections = learner.attention
    wanted = F.multi_head_attention_forward(
        learner.look(TASK.query.x), keys, values, 16, 8,
        torch.cat([part.weight for part in (projections.query, projections.key, projections.value)]),
        torch.cat([part.bias for part in (projections.query, projections.key, projections.value)]),
        None, None, False, 0.0, projections.out.weight, projections.out.bias, training=False, need_weights=False,
    )[0]  # fmt: skip
    torch.testing.assert_close(found, wanted)
    assert not torch.allclose(found[0], found[1])
