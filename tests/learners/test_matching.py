"""Matching networks by hand, with numpy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.learners.matching import FullContext
from quickstudy.tasks.base import Examples

GLYPHS = tasks.load("glyphs:classes=50")
TASK = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=2, query=3, seed=0), 0)


def build(**settings: object) -> Learner:
    return learners.build("matching", GLYPHS.spec, learners.configure("matching", {"width": 8, **settings}), 0).eval()


@torch.no_grad()
def logits(learner: Learner, support: Examples = TASK.support) -> Tensor:
    found: Tensor = learner.predict(learner.adapt(support), TASK.query.x, TASK.query.mask).logits
    return found


def softmax(rows: np.ndarray) -> np.ndarray:
    powers = np.exp(rows - rows.max(-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(-1, keepdims=True)
    return result


def sigmoid(x: np.ndarray) -> np.ndarray:
    result: np.ndarray = 1 / (1 + np.exp(-x))
    return result


def unit(rows: np.ndarray) -> np.ndarray:
    result: np.ndarray = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return result


def test_logits_are_the_logs_of_summed_attention() -> None:
    learner = build()
    with torch.no_grad():
        support, query = (
            learner.net(part.x, part.mask, None)[0].double().numpy() for part in (TASK.support, TASK.query)
        )
    attention = softmax(10 * unit(query) @ unit(support).T)
    np.testing.assert_allclose(logits(learner).exp(), attention @ TASK.support.y.numpy(), rtol=1e-4)


def test_far_classes_have_finite_logits_and_gradients() -> None:
    learner = build()
    learner.log_scale.data.fill_(7.0)
    assert logits(learner).isfinite().all()
    learner.loss(TASK, 0.0).backward()
    assert all(value.grad is None or value.grad.isfinite().all() for value in learner.parameters())


def context() -> FullContext:
    torch.manual_seed(0)
    return FullContext(6, 3).double()


def lstm(cell: torch.nn.Module, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gates = np.concatenate([x, h], -1) @ cell.gates.weight.detach().numpy().T + cell.gates.bias.detach().numpy()
    admit, forget, new, out = np.split(gates, 4, -1)
    c = sigmoid(forget) * c + sigmoid(admit) * np.tanh(new)
    return sigmoid(out) * np.tanh(c), c


def test_full_context_embeddings_by_hand() -> None:
    made, rows = context(), np.random.default_rng(0).normal(size=(4, 6))
    directions = []
    for cell, order in ((made.forwards, range(4)), (made.backwards, reversed(range(4)))):
        h, c, read = np.zeros(6), np.zeros(6), np.zeros((4, 6))
        for row in order:
            h, c = lstm(cell, rows[row], h, c)
            read[row] = h
        directions.append(read)
    wanted = rows + directions[0] + directions[1]
    there = torch.ones(4, dtype=torch.bool)
    found = made.read_support(torch.tensor(rows), there)
    np.testing.assert_allclose(found.detach(), wanted, rtol=1e-12)

    query = np.random.default_rng(1).normal(size=(2, 6))
    h, c, seen = query, np.zeros((2, 6)), np.zeros((2, 6))
    for _ in range(3):
        h, c = lstm(made.reader, np.concatenate([query, seen], -1), h, c)
        h = h + query
        seen = softmax(h @ wanted.T) @ wanted
    read = made.read_query(torch.tensor(query), found, there)
    np.testing.assert_allclose(read.detach(), h, rtol=1e-12)


def test_the_lstm_cell_is_that_of_torch() -> None:
    made, oracle = context().forwards, torch.nn.LSTMCell(6, 6).double()
    with torch.no_grad():
        oracle.weight_ih.copy_(made.gates.weight[:, :6])
        oracle.weight_hh.copy_(made.gates.weight[:, 6:])
        oracle.bias_ih.copy_(made.gates.bias)
        oracle.bias_hh.zero_()
    x, h, c = torch.randn(3, 2, 6, dtype=torch.float64).unbind()
    torch.testing.assert_close(made(x, h, c), oracle(x, (h, c)))


def test_full_context_embeddings_see_the_support_and_no_other_query() -> None:
    learner = build(fce=True)
    adapted = learner.adapt(TASK.support)
    assert adapted["support"].shape == (8, learner.net.features)
    together = learner.predict(adapted, TASK.query.x, TASK.query.mask).logits
    assert together.shape == (12, 4)
    alone = [learner.predict(adapted, x[None], torch.ones(1, dtype=torch.bool)).logits for x in TASK.query.x]
    torch.testing.assert_close(torch.cat(alone), together, rtol=1e-4, atol=1e-4)
    # the first support example is embedded in another way if the last one changes
    other = TASK.support._replace(x=torch.cat([TASK.support.x[:-1], 1 - TASK.support.x[-1:]]))
    assert not torch.allclose(learner.adapt(other)["support"][0], adapted["support"][0])
    assert torch.equal(build().adapt(other)["support"][0], build().adapt(TASK.support)["support"][0])


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(UserError, match="--processing-steps is 0"):
        build(fce=True, processing_steps=0)
    with pytest.raises(UserError, match="--fce would learn nothing"):
        build(fce=True, proxies=True)
