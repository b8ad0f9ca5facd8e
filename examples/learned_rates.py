"""Meta-SGD in sixty lines: a start and one learning rate a weight, for anybody's module.

Li, Zhou, Chen, Li (2017), "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning". The tasks are sine waves; the
module, the loss and the optimiser are plain PyTorch. Run it: python examples/learned_rates.py [meta-steps]
"""

import sys

import torch
from torch import nn

import quickstudy as qs

FIRST_RATE, STEPS, TASKS = 0.01, 1, 50


class Stranger(nn.Module):
    """A module that has never heard of meta-learning."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU())
        self.head = nn.Linear(40, 1)

    def forward(self, x):
        return self.head(self.body(x))


def loss(net, batch):
    return (net(batch.x) - batch.y).square().mean()


def waves(split, first):
    index = torch.arange(first, first + TASKS)
    return qs.load_tasks("sinusoid").sample(split, index, way=0, shot=10, query=10, seed=0)


def main(meta_steps: int) -> tuple[float, float]:
    torch.manual_seed(0)
    net = Stranger()
    rates = {name: torch.full_like(value, FIRST_RATE).requires_grad_() for name, value in net.named_parameters()}
    optimizer = torch.optim.Adam([*net.parameters(), *rates.values()], lr=2e-3)

    def step(tasks):
        return qs.inner.meta_grad(net, loss, tasks.support, tasks.query, rule=qs.inner.sgd(rates), steps=STEPS)

    before = float(step(waves("test", 0)).losses.mean())
    for number in range(meta_steps):
        found = step(waves("train", number * TASKS))
        for name, value in net.named_parameters():
            value.grad, rates[name].grad = found.params[name], found.hyper["rate"][name]
        optimizer.step()
    after = float(step(waves("test", 0)).losses.mean())
    print(f"error on new waves after {STEPS} step: {before:.2f} before, {after:.2f} after {meta_steps} meta-steps")
    for name, value in rates.items():
        low, high = value.detach().aminmax()
        print(f"  rates of {name:14} {low:8.4f} to {high:.4f}")
    return before, after


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
