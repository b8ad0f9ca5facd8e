"""Steps that would give wrong numbers without a word are refused: hidden random numbers, writing, losses cut off."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy import inner
from quickstudy.errors import UserError
from quickstudy.inner import batch

Net = Callable[..., Tensor]
Batch = tuple[Tensor, Tensor]


class Odd(nn.Module):
    """A net that does in its forward pass what a step may not do."""

    def __init__(self, does: str) -> None:
        super().__init__()
        self.does, self.layer = does, nn.Linear(2, 1)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.does == "dropout":
            x = F.dropout(x, 0.5)
        elif self.does == "noise":
            x = x + torch.randn_like(x)
        elif self.does == "count":
            self.seen += len(x)
        elif self.does == "centre":
            x -= x.mean(0)
        value: Tensor = self.layer(x)
        return value


def squares(net: Net, batch: Batch) -> Tensor:
    return (net(batch[0]) - batch[1]).square().mean()


def detached(net: Net, batch: Batch) -> Tensor:
    return squares(net, batch).detach()


def waves(tasks: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(tasks, 4, 2, generator=generator), torch.randn(tasks, 4, 1, generator=generator)


DOES = [
    ("dropout", "draws random numbers"),
    ("noise", "draws random numbers"),
    ("count", "writes into seen, a buffer of Odd"),
    ("centre", r"writes into its input \(support\[0\]\)"),
]
KINDS: list[inner.Gradient] = ["exact", "first-order", "mixed", "recomputed", inner.Truncated(1)]


@pytest.mark.parametrize(("does", "said"), DOES)
@pytest.mark.parametrize("gradient", KINDS, ids=str)
def test_adapt_refuses_what_would_not_be_the_same_again(does: str, said: str, gradient: inner.Gradient) -> None:
    net = Odd(does)
    x, y = waves()
    with pytest.raises(UserError, match=f"{said}|writes in place"):
        inner.adapt(net, squares, (x[0], y[0]), rule=inner.sgd(0.1), steps=2, gradient=gradient)
    assert float(net.get_buffer("seen")) == 0


@pytest.mark.parametrize(("does", "said"), DOES)
@pytest.mark.parametrize("how", ["auto", "loop"])
def test_meta_grad_refuses_it_too_and_leaves_the_net_as_it_was(does: str, said: str, how: Any) -> None:
    net = Odd(does)
    with pytest.raises(UserError, match=said):
        inner.meta_grad(net, squares, waves(), waves(), rule=inner.sgd(0.1), steps=2, how=how)
    assert float(net.get_buffer("seen")) == 0


class Bump(nn.Module):
    """Writes over what the derivative of exp needs."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.exp()
        x += 1
        return x


def bumped(*, inside: bool) -> tuple[nn.Module, inner.modules.Loss]:
    """A net with such a part, or one whose loss does it, which would do without, as the last layer's ReLU does."""
    parts = nn.Linear(2, 3), nn.ReLU(inplace=True), nn.Sequential(nn.Tanh(), Bump() if inside else nn.Identity())
    net = nn.Sequential(*parts, nn.Linear(3, 1), nn.ReLU(inplace=True))
    return net, squares if inside else lambda net, batch: squares(lambda x: net(x).exp().add_(1), batch)


@pytest.mark.parametrize(
    ("inside", "said"), [(True, r"2\.1 \(Bump\) writes in place"), (False, "the loss writes in pl")]
)
def test_what_writes_over_a_value_that_a_derivative_needs_is_named(inside: bool, said: str) -> None:
    net, loss = bumped(inside=inside)
    settings: dict[str, Any] = {"rule": inner.sgd(0.1), "steps": 2}
    x, y = waves()
    for gradient in (*KINDS, inner.Implicit(proximal=1.0)):
        with pytest.raises(UserError, match=f"{said}.*Write x = x"):
            inner.adapt(net, loss, (x[0], y[0]), gradient=gradient, **settings)
        for how in ("auto", *batch.EAGER):
            with pytest.raises(UserError, match=f"{said}.*Write x = x"):
                inner.meta_grad(net, loss, waves(), waves(), gradient=gradient, how=how, **settings)
    with pytest.raises(UserError, match=f"{said}.*Write x = x"):  # by the query alone
        inner.meta_grad(net, squares, waves(), waves(), outer=loss, how="loop", **settings)


MISFITS: list[tuple[Callable[[Batch], Batch], str]] = [
    (
        lambda batch: (batch[0].repeat(1, 1, 2), batch[1]),
        r"of \[4, 4\].*, .* go through layer \(Linear\), which was given \[4, 4\], its weight is \[1, 2\].*mat1",
    ),
    (
        lambda batch: (batch[0].double(), batch[1]),
        r"layer \(Linear\), which was given \[4, 2\] float64, its weight is \[1, 2\] float32",
    ),
    (
        lambda batch: (batch[0], batch[1].repeat(1, 2, 3)[:, :5]),
        r"of \[4, 2\] float32, \[5, 3\] float32 does not go through the loss: .*size of tensor",
    ),
]


@pytest.mark.parametrize(("bend", "said"), MISFITS)
def test_what_does_not_fit_the_net_is_said_with_both_shapes(bend: Callable[[Batch], Batch], said: str) -> None:
    net, (x, y) = Odd(""), bend(waves())
    settings: dict[str, Any] = {"rule": inner.sgd(0.1), "steps": 2}
    with pytest.raises(UserError, match=f"the support .*{said}.*Hand over what"):
        inner.adapt(net, squares, (x[0], y[0]), **settings)
    with pytest.raises(UserError, match="does not go through"):
        inner.adapt(net, squares, lambda step: (x[step], y[step]), **settings)
    for how in ("auto", "vmap"):
        with pytest.raises(UserError, match=f"the support .*{said}"):
            inner.meta_grad(net, squares, (x, y), waves(), how=how, **settings)
        with pytest.raises(UserError, match=f"the query .*{said}"):
            inner.meta_grad(net, squares, waves(), (x, y), how=how, **settings)


@pytest.mark.parametrize("how", ["auto", "loop", "vmap"])
def test_a_loss_that_is_cut_off_from_the_parameters_is_refused(how: Any) -> None:
    settings: dict[str, Any] = {"rule": inner.sgd(0.1), "steps": 2, "how": how}
    with pytest.raises(UserError, match="the inner loss does not depend on the parameters"):
        inner.meta_grad(Odd(""), detached, waves(), waves(), **settings)
    with pytest.raises(UserError, match="the outer loss does not depend on the parameters"):
        inner.meta_grad(Odd(""), squares, waves(), waves(), outer=detached, **settings)


def test_adapt_says_which_step_is_not_finite() -> None:
    x, y = waves()
    settings: dict[str, Any] = {"rule": inner.sgd(1e30), "steps": 4}
    with pytest.raises(UserError, match=r"not finite before step [23], with rate 1e\+30"):
        inner.adapt(Odd(""), squares, (x[0], y[0]), **settings)
    with pytest.raises(UserError, match="the inner loss does not depend"):
        inner.adapt(Odd(""), detached, (x[0], y[0]), **settings)


def test_what_is_no_module_no_rate_and_no_task_is_said() -> None:
    with pytest.raises(UserError, match="the module is a function"):
        inner.meta_grad(lambda x: x, squares, waves(), waves(), rule=inner.sgd(0.1), steps=1)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"rate is '0\.1'\. Expected a number"):
        inner.sgd("0.1")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="the same number of tasks, one or more"):
        inner.meta_grad(Odd(""), squares, waves(0), waves(0), rule=inner.sgd(0.1), steps=1)


def test_the_way_that_is_fastest_for_one_loss_is_not_taken_for_another() -> None:
    def looks(net: Net, batch: Batch) -> Tensor:
        value = squares(net, batch)
        return value if value.detach().item() > 0 else -value

    net = Odd("").double()
    tasks = tuple(leaf.double() for leaf in waves())
    plain, looking = (
        inner.meta_grad(net, loss, tasks, tasks, rule=inner.sgd(0.1), steps=2) for loss in (squares, looks)
    )
    torch.testing.assert_close(plain.params, looking.params)
