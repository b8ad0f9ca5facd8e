"""The inner loop for any module: a stranger's net, loss and rule, against plain loops of ``torch.autograd``."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.inner import Implicit, Truncated, adam, adapt, batch, bound, calls, meta_grad, sgd
from quickstudy.inner.unroll import Gradient

pytestmark = pytest.mark.usefixtures("seemingly_two_cores")
TASKS, EACH, INPUTS = 4, 6, 3
KINDS: tuple[Gradient, ...] = ("exact", "mixed", "recomputed", "first-order", Truncated(1))


def net(*extra: nn.Module) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(INPUTS, 5), *extra, nn.Tanh(), nn.Linear(5, 1)).double()


def loss(net: Any, examples: tuple[Tensor, Tensor]) -> Tensor:
    x, y = examples
    return (net(x) - y).square().mean()


def examples(seed: int) -> tuple[Tensor, Tensor]:
    """x [TASKS, EACH, INPUTS], y [TASKS, EACH, 1]."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(TASKS, EACH, INPUTS, generator=generator, dtype=torch.float64)
    return x, (x * torch.randn(TASKS, 1, INPUTS, generator=generator, dtype=torch.float64)).sum(-1, keepdim=True)


def task(number: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    return batch.take(examples(seed), number)


def difference(found: list[Tensor], wanted: list[Tensor]) -> float:
    one, other = (torch.cat([part.flatten() for part in parts]) for parts in (found, wanted))
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("kind", ["exact", "mixed", "recomputed"])
def test_backward_through_adapt_reaches_module_rate_and_frozen_parts(kind: Gradient) -> None:
    module, rate = net(), torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    adapted, trace = adapt(module, loss, task(0), rule=sgd(rate), steps=3, gradient=kind, adapts="2.*")
    assert adapted.keys() == {"2.weight", "2.bias"}
    assert trace.losses.shape == (3,)
    assert bool((trace.losses.diff() < 0).all())
    loss(bound(module, adapted), task(1)).backward()
    found = [value.grad for value in (*module.parameters(), rate)]

    params = dict(module.named_parameters())
    start = {name: params[name] for name in adapted}
    for _ in range(3):
        grads = torch.autograd.grad(
            loss(partial(functional_call, module, start), task(0)), list(start.values()), create_graph=True
        )
        start = {name: old - rate * g for (name, old), g in zip(start.items(), grads, strict=True)}
    value = loss(partial(functional_call, module, start), task(1))
    wanted = torch.autograd.grad(value, [*module.parameters(), rate])
    assert difference([g for g in found if g is not None], list(wanted)) < 1e-12
    assert len(found) == len(wanted)


@pytest.mark.parametrize(
    ("kind", "how"), [(kind, how) for kind in KINDS for how in batch.EAGER if (kind, how) != ("mixed", "recorded")]
)
def test_many_tasks_are_the_mean_of_one_by_one(kind: Gradient, how: batch.How) -> None:
    module = net()
    rates = {name: torch.full_like(value, 0.05).requires_grad_() for name, value in module.named_parameters()}
    rule = adam(rates, betas=(torch.tensor(0.8, dtype=torch.float64, requires_grad=True), 0.99), eps=1e-3)
    every = meta_grad(module, loss, examples(0), examples(1), rule=rule, steps=2, gradient=kind, how=how)
    wanted, losses = [], []
    learnt = [*module.parameters(), *rates.values(), rule.hyper["beta1"]]
    for number in range(TASKS):
        adapted, _ = adapt(module, loss, task(number), rule=rule, steps=2, gradient=kind)
        losses.append(loss(bound(module, adapted), task(number, 1)))
        wanted.append(torch.autograd.grad(losses[-1], learnt, materialize_grads=True))
    mean = [torch.stack(one).mean(0) for one in zip(*wanted, strict=True)]
    hyper = every.hyper
    found = [*every.params.values(), *hyper["rate"].values(), hyper["beta1"]]
    assert hyper["beta2"] is None
    assert difference(found, mean) < 1e-10
    torch.testing.assert_close(every.losses, torch.stack(losses).detach())


def test_an_implicit_gradient_of_many_tasks() -> None:
    """Of a linear model, whose proximal solution is known."""
    module = nn.Linear(INPUTS, 1, bias=False).double()
    kind = Implicit(proximal=1.0, iterations=INPUTS)
    found = meta_grad(module, loss, examples(0), examples(1), rule=sgd(0.1), steps=500, gradient=kind)

    def solved(w: Tensor, number: int) -> Tensor:
        x, y = task(number)
        a = 2 * x.T @ x / EACH + torch.eye(INPUTS).double()
        solution = torch.linalg.solve(a, 2 * x.T @ y / EACH + w.T).T
        return loss(lambda x: x @ solution.T, task(number, 1))

    value = torch.stack([solved(module.weight, number) for number in range(TASKS)]).mean()
    (wanted,) = torch.autograd.grad(value, [module.weight])
    torch.testing.assert_close(found.params["weight"], wanted)


@pytest.mark.parametrize("how", ["auto", "loop", "threads", "vmap", "chunks"])
@pytest.mark.parametrize(
    ("solver", "iterations", "proximal"), [("neumann", 50, 1e-6), ("neumann", 2, 0.5), ("cg", 1, 1e-3)]
)
def test_an_implicit_gradient_that_is_not_solved_is_refused(
    how: Any, solver: Any, iterations: int, proximal: float
) -> None:
    """Also where only one task's is not, whose curvature is larger than that of the others."""
    x, y = examples(0)
    one = x.clone()
    one[[0, 1, 3]] *= 1e-5
    kind = Implicit(proximal=proximal, solver=solver, iterations=iterations)
    settings: dict[str, Any] = {"rule": sgd(0.1), "steps": 1, "how": how}
    module = nn.Linear(INPUTS, 1, bias=False).double()
    named = "task 2: " if how in ("vmap", "chunks") else ""
    with pytest.raises(UserError, match=rf"{named}the implicit.*not solved: after .* left .*Take more iterations"):
        meta_grad(module, loss, (one, y), examples(1), gradient=kind, **settings)
    loose = Implicit(proximal=proximal, solver=solver, iterations=iterations, tolerance=float("inf"))
    meta_grad(module, loss, (one, y), examples(1), gradient=loose, **settings)
    with pytest.raises(UserError, match="tolerance of an implicit gradient is 0"):
        Implicit(proximal=1.0, tolerance=0)


@pytest.mark.parametrize("how", batch.EAGER)
def test_dropout_has_the_same_masks_in_every_kind_and_others_in_every_task_and_step(how: batch.How) -> None:
    module = net(nn.Dropout(0.4))
    settings: Any = {"rule": sgd(0.1), "steps": 2, "how": how}
    found = {
        kind: meta_grad(module, loss, examples(0), examples(1), gradient=kind, key=7, **settings)
        for kind in ("exact", "mixed", "recomputed")
        if (kind, how) != ("mixed", "recorded")  # which is refused
    }
    for kind in found:
        assert difference(list(found[kind].params.values()), list(found["exact"].params.values())) < 1e-10
    seen: list[Tensor] = []
    ones = nn.Sequential(nn.Dropout(0.5), nn.Linear(50, 1, bias=False)).double()

    def look(net: Any, x: Tensor) -> Tensor:
        hidden = ones[0](x)
        seen.append(hidden)
        return net(x).sum()

    for number in (1, 2, 1):
        adapt(ones, look, torch.ones(1, 50).double(), rule=sgd(0.1), steps=2, key=number)
    assert {float(value) for value in torch.cat(seen).unique()} == {0.0, 2.0}
    first, second, third = seen[:2], seen[2:4], seen[4:]
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], second[0])
    assert all(torch.equal(one, other) for one, other in zip(first, third, strict=True))


def test_a_task_that_is_good_enough_stands_still() -> None:
    module = net()
    _, free = adapt(module, loss, task(0), rule=sgd(0.05), steps=8)
    until = float(free.losses[3:5].mean())
    stopped, trace = adapt(module, loss, task(0), rule=sgd(0.05), steps=8, until=until)
    four, _ = adapt(module, loss, task(0), rule=sgd(0.05), steps=4)
    torch.testing.assert_close(stopped, four)
    torch.testing.assert_close(trace.losses[:5], free.losses[:5])
    assert bool((trace.losses[4:] == trace.losses[4]).all())


@pytest.mark.parametrize("how", batch.EAGER)
def test_many_tasks_may_stop_early_and_have_a_batch_of_their_own_in_each_step(how: batch.How) -> None:
    """Also where some tasks stop before others."""
    module, steps, batches = net(), 4, [examples(seed) for seed in range(4)]
    settings: dict[str, Any] = {"rule": sgd(0.05), "steps": steps, "until": 1.0}
    every = meta_grad(module, loss, lambda step: batches[step], examples(9), how=how, **settings)
    values, moved = [], set()
    for number in range(TASKS):
        adapted, trace = adapt(module, loss, lambda step, n=number: batch.take(batches[step], n), **settings)
        values.append(loss(bound(module, adapted), task(number, 9)))
        moved |= {int((trace.losses >= 1).sum())}
    assert len(moved) > 1
    assert min(moved) < steps
    wanted = torch.autograd.grad(torch.stack(values).mean(), list(module.parameters()))
    assert difference(list(every.params.values()), list(wanted)) < 1e-10
    torch.testing.assert_close(every.losses, torch.stack(values).detach())
    settings = {"rule": sgd(0.1), "steps": 2, "gradient": Implicit(proximal=1.0)}
    with pytest.raises(UserError, match="one batch for all steps"):
        meta_grad(module, loss, lambda step: batches[step], examples(9), how="loop", **settings)


def test_low_rank_changes_of_a_frozen_net_adapt() -> None:
    """Parts are chosen by a predicate; a parametrised weight is adapted through its factors."""

    class LowRank(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base, self.down, self.up = nn.Linear(INPUTS, 1), nn.Linear(INPUTS, 1), nn.Linear(1, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.base(x) + self.up(self.down(x))

    module = LowRank().double()
    adapted, _ = adapt(
        module, loss, task(0), rule=sgd(0.1), steps=2, adapts=lambda name, value: not name.startswith("base")
    )
    assert adapted.keys() == {"down.weight", "down.bias", "up.weight"}


BAD = [
    (net(nn.BatchNorm1d(5)), {}, r"1 \(BatchNorm1d\) would update its running statistics.*track_running_stats=False"),
    (net(nn.Dropout(0.5)), {}, r"1 \(Dropout\) draws masks. Give a key"),
    (net(nn.AlphaDropout(0.5)), {"key": 1}, r"1 \(AlphaDropout\) draws masks that cannot be drawn again"),
    (nn.LSTM(3, 2, 2, dropout=0.5), {"key": 1}, r"the module \(LSTM\) draws masks"),
    (net(), {"adapts": "haed.*"}, r"unknown parameter 'haed\.\*'"),
    (net(), {"adapts": lambda name, value: False}, "none of the parameters adapts"),
    (net(), {"gradient": Implicit(proximal=1.0), "until": 0.1}, "one batch for all steps, and no until"),
    (net(), {"gradient": "exakt"}, "Did you mean exact"),
]


@pytest.mark.parametrize(("module", "settings", "words"), BAD, ids=[words[:30] for _, _, words in BAD])
def test_what_cannot_be_adapted_is_named(module: nn.Module, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        adapt(module, loss, task(0), **({"rule": sgd(0.1), "steps": 1} | settings))  # type: ignore[arg-type]


def test_modules_in_evaluation_keep_their_statistics() -> None:
    module = net(nn.BatchNorm1d(5), nn.Dropout(0.5)).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    meta_grad(module, loss, examples(0), examples(1), rule=sgd(0.1), steps=1)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_task_that_diverges_is_named_with_its_step_and_rate() -> None:
    x, y = examples(0)
    y[2, 0] = torch.inf
    with pytest.raises(UserError, match=r"task 2 diverged: before inner step 1 .* not finite, with rate 0\.1"):
        meta_grad(net(), loss, (x, y), examples(1), rule=sgd(0.1), steps=2)
    x, y = examples(1)
    x[1, 0] = torch.nan
    with pytest.raises(UserError, match="task 1 diverged: its outer loss is not finite"):
        meta_grad(net(), loss, examples(0), (x, y), rule=sgd(0.1), steps=2)


def test_losses_may_need_more_than_logits_and_labels() -> None:
    """A policy gradient: log-probabilities, actions and advantages in one batch."""
    module = nn.Linear(INPUTS, 2).double()
    x, _ = task(0)
    rollout = {"states": x, "actions": torch.arange(EACH) % 2, "advantages": torch.linspace(-1, 1, EACH).double()}

    def policy_loss(net: Any, rollout: dict[str, Tensor]) -> Tensor:
        chosen = F.log_softmax(net(rollout["states"]), -1).gather(-1, rollout["actions"].unsqueeze(-1)).squeeze(-1)
        return -(chosen * rollout["advantages"]).mean()

    adapted, trace = adapt(module, policy_loss, rollout, rule=sgd(0.5), steps=3, gradient="mixed")
    assert float(policy_loss(bound(module, adapted), rollout).detach()) < float(trace.losses[0])


def test_the_fastest_way_is_measured_once_for_a_net_and_what_cannot_be_vectorised_is_not_chosen() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.out = nn.GRU(INPUTS, 3), nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.cell(x)[0])

    calls.forget()
    for module in (net(), Recurrent().double()):
        auto, again, loop = (
            meta_grad(module, loss, examples(0), examples(1), rule=sgd(0.1), steps=2, how=how)  # type: ignore[arg-type]
            for how in ("auto", "auto", "loop")
        )
        assert difference(list(auto.params.values()), list(loop.params.values())) < 1e-12
        assert difference(list(again.params.values()), list(loop.params.values())) < 1e-12
    assert len(calls.KNOWN) == 2
    assert [*calls.KNOWN.values()][1].how in ("threads", "loop")
    with pytest.raises(UserError, match=r"cannot go through in one vectorised call.*threads or loop"):
        meta_grad(Recurrent().double(), loss, examples(0), examples(1), rule=sgd(0.1), steps=2, how="vmap")


@pytest.mark.parametrize("kind", ["exact", "mixed"])
def test_step_weights_sum_the_outer_losses_after_each_step(kind: Gradient) -> None:
    module, weights = net(), [0.2, 0.3, 0.5]
    found = meta_grad(
        module, loss, examples(0), examples(1), rule=sgd(0.1), steps=3, gradient=kind, step_weights=weights, how="vmap"
    )
    each = [
        meta_grad(module, loss, examples(0), examples(1), rule=sgd(0.1), steps=steps, how="loop") for steps in (1, 2, 3)
    ]
    torch.testing.assert_close(found.losses, sum(w * one.losses for w, one in zip(weights, each, strict=True)))
    for name, value in found.params.items():
        torch.testing.assert_close(value, sum(w * one.params[name] for w, one in zip(weights, each, strict=True)))
    with pytest.raises(UserError, match="2 step_weights for 3 inner steps"):
        meta_grad(module, loss, examples(0), examples(1), rule=sgd(0.1), steps=3, step_weights=[0.5, 0.5])


def test_what_is_no_loss_rule_or_module_is_said() -> None:
    net, batch = nn.Linear(2, 1), (torch.randn(3, 4, 2), torch.randn(3, 4, 1))

    def plain(net: Any, batch: Any) -> Any:
        return F.mse_loss(net(batch[0]), batch[1])

    def ask(net: nn.Module = net, loss: Any = plain, outer: Any = None, rule: Any = None) -> object:
        return meta_grad(net, loss, batch, batch, rule=rule or sgd(0.1), steps=1, outer=outer, how="loop")

    with pytest.raises(UserError, match=r"expected one of quickstudy\.inner\.RULES"):
        ask(rule=torch.optim.SGD(net.parameters()))
    with pytest.raises(UserError, match="Flatten has no parameters"):
        ask(nn.Flatten())
    for wrong, words in ((lambda net, batch: None, "gave None"), (lambda net, batch: net(batch[0]), r"shape \[4, 1\]")):
        with pytest.raises(UserError, match=words):
            ask(loss=wrong)
        with pytest.raises(UserError, match=words):
            ask(outer=wrong)
