"""A stranger's convolutional net is rebuilt without changing what it computes."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from quickstudy import inner
from quickstudy.inner.quicker import LaidOut, NormPoolReLU, Unbiased, quicker

SHARED_RELU = nn.ReLU()


def norm(channels: int, running: bool = False) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(channels, track_running_stats=running)
    with torch.no_grad():
        layer.weight.normal_()
        layer.bias.normal_()
        if running:
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return layer.eval() if running else layer


def conv(channels: int, filters: int = 4) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, 3, padding=1)


NETS = {
    "as published": lambda: nn.Sequential(conv(1), norm(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3)),
    "pool first": lambda: nn.Sequential(conv(1), norm(4), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)),
    "nested, named": lambda: nn.Sequential(
        OrderedDict(
            block=nn.Sequential(conv(1), norm(4), SHARED_RELU, nn.MaxPool2d(2)),
            more=nn.Sequential(conv(4), norm(4), SHARED_RELU),
            end=nn.Sequential(nn.Flatten(), nn.Linear(64, 3)),
        )
    ),
    "running moments": lambda: nn.Sequential(
        conv(1), norm(4, running=True), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3)
    ),
    "pool with gaps": lambda: nn.Sequential(
        conv(1), norm(4), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(36, 3)
    ),
    "no ReLU": lambda: nn.Sequential(conv(1), norm(4), nn.MaxPool2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3)),
    "views": lambda: Views(),
}


class Views(nn.Module):
    """``view`` needs the usual layout."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(conv(1), norm(4), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).view(len(x), -1))


def loss(net: inner.modules.Net, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(net(batch[0]), batch[1])


@pytest.mark.parametrize("how", ["loop", "threads", "vmap", "recorded"])
@pytest.mark.parametrize("name", NETS)
@pytest.mark.usefixtures("seemingly_two_cores")
def test_meta_gradients_are_those_of_the_net_as_it_was(name: str, how: str) -> None:
    net = NETS[name]().double()
    supports, queries = ((torch.randn(3, 6, 1, 8, 8).double(), torch.arange(6).expand(3, 6) % 3) for _ in range(2))
    found = inner.meta_grad(net, loss, supports, queries, rule=inner.sgd(0.3), steps=2, how=how)
    own = dict(net.named_parameters())
    total = {name: torch.zeros_like(value) for name, value in own.items()}
    for task in range(3):
        now = own
        for _ in range(2):
            value = loss(lambda x, now=now: functional_call(net, now, (x,)), (supports[0][task], supports[1][task]))
            grads = torch.autograd.grad(value, list(now.values()), create_graph=True)
            now = {name: old - 0.3 * grad for (name, old), grad in zip(now.items(), grads, strict=True)}
        value = loss(lambda x, now=now: functional_call(net, now, (x,)), (queries[0][task], queries[1][task]))
        for name, grad in zip(own, torch.autograd.grad(value, list(own.values())), strict=True):
            total[name] += grad / 3
    assert found.params.keys() == own.keys()
    for name in own:
        torch.testing.assert_close(found.params[name], total[name], rtol=1e-10, atol=1e-12)


def test_the_twin_has_the_same_parameters_under_the_same_names() -> None:
    net = NETS["nested, named"]()
    other = quicker(net)
    assert {name: id(value) for name, value in other.named_parameters()} == {
        name: id(value) for name, value in net.named_parameters()
    }
    kinds = [type(part) for part in other.modules()]
    assert kinds.count(NormPoolReLU) == 2
    assert kinds.count(Unbiased) == 2
    assert kinds.count(LaidOut) == 1
    assert not any(isinstance(part, NormPoolReLU | LaidOut) for part in net.modules())


def test_what_is_not_known_is_left_alone() -> None:
    hooked = NETS["as published"]()
    hooked[1].register_forward_hook(lambda module, given, result: None)

    class Mine(nn.Conv2d):
        """Could do anything."""

    strange = nn.Sequential(Mine(1, 4, 3), nn.ReLU())
    mlp = nn.Sequential(nn.Linear(1, 3), nn.ReLU())
    assert quicker(hooked) is hooked
    assert quicker(strange) is strange
    assert quicker(mlp) is mlp
