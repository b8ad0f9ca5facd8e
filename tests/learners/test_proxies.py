"""The proxy loss against plain loops."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners.proxies import MARGIN, Proxies, by_class, one_shot

WAY, EACH, FEATURES, SCALE = 4, 3, 6, torch.tensor(8.0, dtype=torch.float64)
GLYPHS = tasks.load("glyphs:classes=50")


def unit_rows(*shape: int) -> Tensor:
    rows = torch.randn(*shape, FEATURES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return F.normalize(rows, dim=-1)


def loop(unit: Tensor, mask: Tensor) -> Tensor:
    """Every drawing that is there, in every one-shot task whose support is another drawing of its class."""
    losses = []
    for shot in range(EACH):
        there = [c for c in range(WAY) if mask[c, shot]]
        for c in there:
            for j in range(EACH):
                if j != shot and mask[c, j]:
                    logits = torch.stack([SCALE * (unit[c, j] * unit[d, shot]).sum() for d in there])
                    losses.append(-logits.log_softmax(0)[there.index(c)])
    return torch.stack(losses).mean()


@pytest.mark.parametrize("missing", [[], [(1, 2)], [(0, 1), (2, 0), (2, 2)]], ids=len)
def test_the_one_shot_term_is_that_of_a_plain_loop(missing: list[tuple[int, int]]) -> None:
    unit, mask = unit_rows(WAY, EACH).requires_grad_(), torch.ones(WAY, EACH, dtype=torch.bool)
    for c, j in missing:
        mask[c, j] = False
    found, wanted = one_shot(unit, mask, SCALE), loop(unit, mask)
    torch.testing.assert_close(found, wanted)
    one, other = (torch.autograd.grad(value, unit)[0] for value in (found, wanted))
    torch.testing.assert_close(one, other)


def test_rows_are_sorted_by_class() -> None:
    task = batch.take(GLYPHS.sample("train", torch.arange(1), way=WAY, shot=1, query=2, seed=0), 0)
    labels = torch.cat([task.support.y, task.query.y]).argmax(-1)
    assert torch.equal(by_class(labels, task), torch.arange(WAY).unsqueeze(1).expand(-1, EACH))


def test_the_proxy_term_is_the_large_margin_cosine_loss() -> None:
    task = batch.take(GLYPHS.sample("train", torch.arange(1), way=WAY, shot=1, query=2, seed=0), 0)
    torch.manual_seed(0)
    proxies, unit = Proxies(50, FEATURES).double(), unit_rows(WAY * EACH)
    losses = []
    for row, label in zip(unit, torch.cat([task.support.y, task.query.y]).argmax(-1), strict=True):
        own = task.classes[label]
        cosines = torch.stack([(row * F.normalize(w, dim=0)).sum() for w in proxies.weight])
        cosines = torch.cat([cosines[:own], cosines[own : own + 1] - MARGIN, cosines[own + 1 :]])
        losses.append(-(SCALE * cosines).log_softmax(0)[own])
    every = torch.ones(WAY * EACH, dtype=torch.bool)
    wanted = torch.stack(losses).mean() + one_shot(by_class(unit, task), by_class(every, task), SCALE)
    torch.testing.assert_close(proxies(unit, task, SCALE), wanted)


@pytest.mark.parametrize("name", ["protonet", "matching"])
@pytest.mark.parametrize("norm", ["batch", "task"])
def test_proxies_are_trained_and_never_asked(name: str, norm: str) -> None:
    settings = {"width": 8, "proxies": True, "norm": norm} | ({"distance": "cosine"} if name == "protonet" else {})
    learner = learners.build(name, GLYPHS.spec, learners.configure(name, settings), 0)
    task = GLYPHS.sample("train", torch.arange(1), way=WAY, shot=1, query=2, seed=0)
    _, grads = batch.meta_gradient(learner, task, 0.0, "vmap", inside=False)
    assert grads["proxies.weight"].any()
    assert grads["log_scale"] != 0
    assert not any("prox" in key for key in learner.adapt(batch.take(task, 0).support))


@pytest.mark.parametrize(("name", "settings"), [("protonet", {"distance": "cosine"}), ("matching", {})])
def test_proxies_need_a_fixed_number_of_classes(name: str, settings: dict[str, str]) -> None:
    spec = tasks.load("glyphs").spec
    with pytest.raises(UserError, match="glyphs:classes=1000"):
        learners.build(name, spec, learners.configure(name, {"proxies": True, **settings}), 0)
