"""Normalisation by batch moments, max-pooling and ReLU in as few passes over memory as they take.

    m, v = moments of z [n, C, H, W] over n, H, W      r = (v + eps)^(-1/2)      a = gamma r
    y = relu(a P z + beta - a m)                        P picks the pixel of each window with the largest a z

Pooling before the affine map leaves a quarter of the numbers to everything after it. The backward pass is, with
G = gy where y > 0, N = n H W, z^ = r (z - m), S0 = sum G, S1 = sum G P z^ (sums are by channel),

    dz = a (P'G - S0 / N - z^ S1 / N) + (gm + 2 gv (z - m)) / N        dgamma = S1        dbeta = S0

and has a backward pass of its own, written out in ``_Back.backward``: one pass over memory for each full-size term
where PyTorch's takes about ten. From there on PyTorch differentiates.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.nets.layout import batched

_mode = threading.local()


@contextlib.contextmanager
def _set(name: str, value: bool) -> Iterator[None]:
    """Within it, in this thread, ``name`` is ``value``."""
    before = getattr(_mode, name, None)
    setattr(_mode, name, value)
    try:
        yield
    finally:
        setattr(_mode, name, before)


def unfused() -> contextlib.AbstractContextManager[None]:
    """Within it, in this thread, ``allowed`` is false: forward-mode derivatives have no formulas here."""
    return _set("unfused", True)


def allowed() -> bool:
    """Whether ``norm_pool_relu`` may be used in this thread."""
    return not getattr(_mode, "unfused", False)


def blind(full: bool) -> contextlib.AbstractContextManager[None]:
    """Within it, in this thread, no tensor is looked at to decide what to do; ``full`` says that no mask pads."""
    return _set("full", full)


def told() -> bool | None:
    """What ``blind`` says of the masks; None where they can be looked at."""
    full: bool | None = getattr(_mode, "full", None)
    return full


def moments(z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance [C] of ``z`` [n, C, H, W]."""
    if z.is_cpu and not batched(z) and z.is_contiguous(memory_format=torch.channels_last):
        # 30 times faster than var_mean in this layout
        mean, var = torch.batch_norm_update_stats(z, None, None, 0.0)
        return mean, var
    var, mean = torch.var_mean(z, (0, 2, 3), correction=0)
    return mean, var


def norm_pool_relu(z: Tensor, weight: Tensor, bias: Tensor, pool: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """relu(max_pool(batch_norm(z))) and the moments [C] of ``z`` [n, C, H, W] that it was normalised with.

    ``pool`` is the side and stride of the windows; 1 pools nothing.
    """
    y, mean, var, _, _ = _Block.apply(z, weight, bias, pool, eps)  # type: ignore[no-untyped-call]
    return y, mean, var


def affine_pool_relu(z: Tensor, scale: Tensor, shift: Tensor, pool: int) -> Tensor:
    """relu(max_pool(scale z + shift)) for ``z`` [n, C, H, W] and ``scale`` and ``shift`` [C]."""
    if pool > 1 and batched(z):  # PyTorch cannot differentiate a pooled convolution twice in there
        return F.relu(F.max_pool2d(torch.addcmul(_spread(shift), z, _spread(scale)), pool))
    if pool > 1:
        sign = _signs(scale, z)
        z = F.max_pool2d(z, pool) if sign is None else F.max_pool2d(z * sign, pool) * sign
    return F.relu(torch.addcmul(_spread(shift), z, _spread(scale)))


def _spread(channels: Tensor) -> Tensor:
    return channels.view(-1, 1, 1)


def _sum(x: Tensor) -> Tensor:
    return x.sum((0, 2, 3))


def _signs(scale: Tensor, z: Tensor) -> Tensor | None:
    """Signs [C, 1, 1] under which the largest is picked; None where all are known to be positive."""
    known = scale.is_cpu and told() is None and not batched(scale) and not batched(z)
    if known and not bool((scale < 0).any()):
        return None
    return _spread(torch.where(scale < 0, -1.0, 1.0).to(z.dtype))


def _picked(x: Tensor, pool: int, index: Tensor) -> Tensor:
    """[n, C, h, w]: what the pool takes of ``x`` [n, C, H, W]."""
    return x if pool == 1 else x.flatten(2).gather(2, index.flatten(2)).view_as(index)


def _unpool(grad: Tensor, z: Tensor, pool: int, index: Tensor) -> Tensor:
    """[n, C, h, w] put back to where the pool took it from, zeros elsewhere."""
    if pool == 1:
        return grad
    sides = [pool, pool]
    return torch.ops.aten.max_pool2d_with_indices_backward(grad, z, sides, sides, [0, 0], [1, 1], False, index)


class _Block(torch.autograd.Function):
    """(z, weight, bias, pool, eps) -> y, mean, var, and for the backward pass the pooled z and where it was taken."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        z: Tensor, weight: Tensor, bias: Tensor, pool: int, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        mean, var = moments(z)
        scale = weight * torch.rsqrt(var + eps)
        pooled, index = z, z.new_empty(0)
        if pool > 1:
            sign = _signs(weight, z)
            pooled, index = torch.ops.aten.max_pool2d_with_indices(z if sign is None else z * sign, [pool, pool])
            pooled = pooled if sign is None else pooled * sign
        y = torch.addcmul(_spread(bias - mean * scale), pooled, _spread(scale)).relu_()
        return y, mean, var, pooled.view_as(pooled), index

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        z, weight, _, ctx.pool, ctx.eps = inputs
        y, mean, var, pooled, index = output
        ctx.mark_non_differentiable(pooled, index)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(z, weight, mean, var, pooled, index, y)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        gy, gm, gv = grads[:3]
        y, mean = ctx.saved_tensors[6], ctx.saved_tensors[2]
        gy = torch.zeros_like(y) if gy is None else gy
        gm = torch.zeros_like(mean) if gm is None else gm
        gv = torch.zeros_like(mean) if gv is None else gv
        dz, dweight, dbias = _Back.apply(gy, gm, gv, *ctx.saved_tensors, ctx.pool, ctx.eps)  # type: ignore[no-untyped-call]
        return dz, dweight, dbias, None, None


class _Back(torch.autograd.Function):
    """The backward pass of ``_Block``, with its own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        gy: Tensor,
        gm: Tensor,
        gv: Tensor,
        z: Tensor,
        weight: Tensor,
        mean: Tensor,
        var: Tensor,
        pooled: Tensor,
        index: Tensor,
        y: Tensor,
        pool: int,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        count = z[:, 0].numel()
        r = torch.rsqrt(var + eps)
        a = weight * r
        g = torch.ops.aten.threshold_backward(gy, y, 0)
        s0 = _sum(g)
        s1 = r * (_sum(g * pooled) - mean * s0)
        by_z = (2 * gv - a * r * s1) / count
        dz = torch.addcmul(_spread((gm - a * s0) / count - mean * by_z), z, _spread(by_z))
        at_maxima = _unpool(g * _spread(a), z, pool, index)
        return dz + at_maxima if batched(at_maxima) else dz.add_(at_maxima), s1, s0

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs[:10])
        ctx.pool, ctx.eps = inputs[10:]

    @staticmethod
    def backward(ctx: Any, h: Tensor, hw: Tensor, hb: Tensor) -> tuple[Tensor | None, ...]:
        """Of <h, dz> + hw dgamma + hb dbeta.

        With q = P h, T0 = sum h, T1 = sum h z^, E = sum q G - (S0 T0 + S1 T1) / N,
        c1 = hw - a T1 / N,  c2 = a S1 / N,  by gy: a (q - T0 / N) + c1 P z^ + hb where y > 0,  by gamma: r E,
        by z: r (c1 P'G - c2 h - (c1 S0 - c2 T0) / N - z^ (c1 S1 - c2 T1 + a E) / N) + 2 gv (h - T0 / N) / N
        """
        gy, _, gv, z, weight, mean, var, pooled, index, y = ctx.saved_tensors
        count, pool = z[:, 0].numel(), ctx.pool
        r = torch.rsqrt(var + ctx.eps)
        a = weight * r
        g = torch.ops.aten.threshold_backward(gy, y, 0)
        q = _picked(h, pool, index)
        if z.requires_grad:  # what was kept is a constant
            pooled = _picked(z, pool, index)
        s0, t0 = _sum(g), _sum(h)
        s1, t1 = r * (_sum(g * pooled) - mean * s0), r * (_sum(h * z) - mean * t0)
        c1, c2 = hw - a * t1 / count, a * s1 / count
        e = _sum(q * g) - (s0 * t0 + s1 * t1) / count
        by_z = -r * r * (c1 * s1 - c2 * t1 + a * e) / count
        by_h = 2 * gv / count - r * c2
        constant = -(r * c1 * s0 + by_h * t0) / count - mean * by_z
        dz = torch.addcmul(_spread(constant), z, _spread(by_z))
        dz = torch.addcmul(dz, h, _spread(by_h)) + _unpool(g * _spread(r * c1), z, pool, index)
        shift = hb - a * t0 / count - mean * r * c1
        dgy = torch.addcmul(torch.addcmul(_spread(shift), pooled, _spread(r * c1)), q, _spread(a))
        dgy = torch.ops.aten.threshold_backward(dgy, y, 0)
        return dgy, t0 / count, 2 * t1 / (count * r), dz, r * e, *[None] * 7
