"""The recurrent encoder against PyTorch's own unit, and on what only the order tells."""

import torch

from quickstudy import learners, tasks
from quickstudy.learners.gru import GRU
from quickstudy.tasks.base import Examples

SPEC = tasks.load("dynamics:simulated=true").spec


def built(width: int = 16) -> GRU:
    made = learners.build("gru", SPEC, learners.configure("gru", {"width": width}), seed=0)
    assert isinstance(made, GRU)
    return made


def support(count: int) -> Examples:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(count, *SPEC.shape, generator=generator), torch.randn(count, SPEC.outputs, generator=generator)
    return Examples(x, y, torch.ones(count, dtype=torch.bool))


def test_the_state_is_that_of_pytorchs_own_unit_read_from_the_last_example_to_the_first() -> None:
    made, given = built(), support(7)
    own = torch.nn.GRU(16, 16)
    with torch.no_grad():
        made.start.normal_(generator=torch.Generator().manual_seed(1))
        order = torch.cat([torch.arange(16, 32), torch.arange(16), torch.arange(32, 48)])  # PyTorch has reset first
        for mine, theirs in ((made.read, "ih"), (made.keep, "hh")):
            getattr(own, f"weight_{theirs}_l0").copy_(mine.weight[order])
            getattr(own, f"bias_{theirs}_l0").copy_(mine.bias[order])
        told = made.encoder(torch.cat([given.x, given.y], -1)).relu()
        expected = own(told.flip(0), made.start.unsqueeze(0))[1][0]
        torch.testing.assert_close(made.adapt(given)["state"], expected)


def test_the_order_of_the_support_matters_and_padding_does_not() -> None:
    made, given = built(), support(5)
    turned = Examples(given.x.flip(0), given.y.flip(0), given.mask)
    assert not torch.allclose(made.adapt(given)["state"], made.adapt(turned)["state"], atol=1e-4)
    none = given._replace(mask=torch.zeros(5, dtype=torch.bool))
    torch.testing.assert_close(made.adapt(none)["state"], made.start)
    torch.testing.assert_close(made.adapt(support(0))["state"], made.start)
