"""A stranger's convolutional net, rebuilt from parts that compute the same in fewer passes over memory.

Only whole ``nn.Sequential`` trees of plain PyTorch layers are touched, for of those it is known what they do: maps get
the channels_last layout inside them, and [BatchNorm2d, ReLU, MaxPool2d] becomes one step (nets/fused.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.inner.twins import calls_itself, global_hooks, twin
from quickstudy.nets import fused
from quickstudy.nets.layout import batched, in_layout

PLAIN = (
    nn.Conv2d,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Tanh,
    nn.Softplus,
    nn.Sigmoid,
    nn.Flatten,
    nn.Linear,
    nn.Identity,
)
"""Layers that do not mind the layout of what they are given."""


def quicker(module: nn.Module) -> nn.Module:
    """``module``, or on a CPU a twin that computes the same faster: with the same parameters, under the same names."""
    if not any(isinstance(part, nn.Conv2d) for part in module.modules()):
        return module
    if _can_be_rebuilt(module):
        return _rebuilt(twin(module))
    if calls_itself(module, losses=True) or not any(True for _ in _trees(module)):
        return module
    other = twin(module)
    for parent, name in list(_trees(other)):
        setattr(parent, name, _rebuilt(getattr(parent, name)))
    return other


def _trees(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Parent and name of the largest Sequential trees below ``module`` that can be rebuilt."""
    for name, child in module.named_children():
        if _can_be_rebuilt(child):
            yield module, name
        else:
            yield from _trees(child)


def _can_be_rebuilt(module: nn.Module) -> bool:
    if type(module) is not nn.Sequential:
        return False
    parts = list(module.modules())
    plain = all(type(part) in PLAIN or type(part) is nn.Sequential for part in parts)
    hooked = global_hooks() or any(_is_changed(part) for part in parts)
    convolves = any(isinstance(part, nn.Conv2d) for part in parts)
    usual = all(value.is_cpu and value.dtype in (torch.float32, torch.float64) for value in module.parameters())
    return plain and convolves and usual and not hooked


def _is_changed(part: nn.Module) -> bool:
    """Whether it has hooks, or a method of its own in place of its class's."""
    hooks = ("_hooks", "_hooks_with_kwargs")
    return any(callable(value) or (value and name.endswith(hooks)) for name, value in vars(part).items())


def _rebuilt(tree: nn.Module) -> LaidOut:
    _fuse(tree)
    return LaidOut(tree._modules)


class LaidOut(nn.Sequential):
    """Its maps are channels_last inside and come out in the usual layout, which ``view`` asks for."""

    def __init__(self, children: Mapping[str, nn.Module | None]) -> None:
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, x: Tensor) -> Tensor:
        """The same as of nn.Sequential."""
        out: Tensor = super().forward(in_layout(x))  # type: ignore[no-untyped-call]
        return out if batched(out) else out.contiguous()


class Unbiased(nn.Module):
    """In place of a Conv2d before a norm by batch moments, which takes out whatever bias there was."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.padding, self.dilation, self.groups = conv.stride, conv.padding, conv.dilation, conv.groups

    def forward(self, x: Tensor) -> Tensor:
        """That of the convolution, without its bias."""
        return F.conv2d(x, self.weight, None, self.stride, self.padding, self.dilation, self.groups)


CONVOLUTIONS = (nn.Conv2d, Unbiased)


class NormPoolReLU(nn.Module):
    """In place of a BatchNorm2d, with its parameters; the pool and the ReLU behind it do nothing any more."""

    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(self, norm: nn.BatchNorm2d, pool: int) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.eps, self.pool = norm.eps, pool
        self.register_buffer("running_mean", norm.running_mean)
        self.register_buffer("running_var", norm.running_var)

    def forward(self, x: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, C, H // pool, W // pool]."""
        x = x.to(torch.promote_types(x.dtype, self.weight.dtype))  # autocast may have halved it
        mean, var = self.running_mean, self.running_var
        if mean is not None and var is not None:
            scale = self.weight * torch.rsqrt(var + self.eps)
            return fused.affine_pool_relu(x, scale, self.bias - mean * scale, self.pool)
        if fused.allowed():
            return fused.norm_pool_relu(x, self.weight, self.bias, self.pool, self.eps)[0]
        x = F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
        return F.relu(F.max_pool2d(x, self.pool) if self.pool > 1 else x)


def _fuse(tree: nn.Module) -> None:
    names, parts = list(tree._modules), list(tree._modules.values())
    for at, part in enumerate(parts):
        if type(part) is nn.Sequential:
            _fuse(part)
        pool, taken = _behind(parts[at + 1 : at + 3])
        if taken and type(part) is nn.BatchNorm2d and _normalises(part):
            before = parts[at - 1] if at else None
            if type(before) is nn.Conv2d and part.running_mean is None and before.padding_mode == "zeros":
                setattr(tree, names[at - 1], Unbiased(before))
            setattr(tree, names[at], NormPoolReLU(part, pool))
            for name in names[at + 1 : at + 1 + taken]:
                setattr(tree, name, nn.Identity())


def _behind(parts: Sequence[nn.Module | None]) -> tuple[int, int]:
    """Side of the pool and number of layers that a norm before ``parts`` takes in; 0 layers if there is no ReLU."""
    kinds = [type(part) for part in parts]
    if nn.ReLU in kinds and (side := max(map(_side, parts))):
        return side, 2
    return 1, int(kinds[:1] == [nn.ReLU])


def _normalises(norm: nn.BatchNorm2d) -> bool:
    """Whether it is by moments of the batch, or by running ones that are not updated."""
    return norm.affine and (norm.running_mean is None or not norm.training)


def _side(part: nn.Module | None) -> int:
    """Side of the windows of a max-pool that leaves no gaps; 0 for anything else."""
    if type(part) is not nn.MaxPool2d or part.return_indices or part.ceil_mode:
        return 0
    kernel, stride = (side if isinstance(side, tuple) else (side, side) for side in (part.kernel_size, part.stride))
    plain = kernel[0] == kernel[1] and kernel == stride and part.padding in (0, (0, 0)) and part.dilation in (1, (1, 1))
    return int(kernel[0]) if plain else 0
