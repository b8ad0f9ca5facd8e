"""Pen strokes as tensors: knots become smooth curves, curves become ink. Everything is batched over N drawings.

The unit of length is the side of the square sheet; (0, 0) is its top left corner, x runs right and y runs down.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from quickstudy.tasks import draw

STEPS = 6
"""Straight pieces for each span between two knots."""
POINTS = 128
"""Points of ink for each drawing: spaced evenly over its whole length, whatever its strokes are."""
SPREAD = 0.45 / 28
"""Standard deviation of one point's ink: POINTS of them stay free of ripples up to a length of about 4 sheets."""
EDGE = 0.8
"""Half the width of a stroke's soft edge, in pixels."""


_DEGREE = math.pi / 180
# Ways a pen moves, one a row: how often, knots (least, most), turn at a knot in degrees (least, most),
# chance that turns alternate, chance of a corner at a knot, chance that the end returns to the start.
_MOVES = (
    (0.30, 2, 3, 0, 12, 0.5, 0.0, 0.0),  # line
    (0.18, 3, 5, 20, 65, 0.0, 0.0, 0.0),  # arc
    (0.13, 6, 8, 45, 72, 0.0, 0.0, 0.5),  # loop
    (0.09, 4, 7, 60, 115, 1.0, 0.1, 0.0),  # wave
    (0.09, 3, 5, 60, 140, 0.8, 1.0, 0.1),  # zigzag
    (0.11, 3, 5, 80, 100, 0.2, 1.0, 0.3),  # box
    (0.10, 4, 8, 0, 110, 0.5, 0.3, 0.1),  # anything
)


def choose(key: Tensor, n: int, stream: str, weights: Tensor) -> Tensor:
    """[N] keys -> [N, n] row numbers, drawn in proportion to ``weights`` [rows]."""
    edges = (weights.cumsum(-1) / weights.sum())[:-1].contiguous()
    return torch.searchsorted(edges, draw.uniform(key, n, stream), right=True)


def strokes(key: Tensor, count: int, knots: int) -> tuple[Tensor, Tensor]:
    """[N] keys -> knots [N, count, knots, 2] and smoothness [N, count, knots] of strokes of about one unit.

    The pen is a turtle: it steps, turns, and may change its way of moving halfway, as in a hook or the tail of a loop.
    """
    moves = torch.tensor(_MOVES, device=key.device)

    def each(stream: str, low: float = 0.0, high: float = 1.0) -> Tensor:
        return draw.uniform(key, count, stream, low, high).unsqueeze(-1)

    def every(stream: str) -> Tensor:
        return draw.uniform(key, count * knots, stream).view(-1, count, knots)

    step = torch.arange(knots, device=key.device)
    first, then = (moves[choose(key, count, stream, moves[:, 0])] for stream in ("move", "then"))
    body = (first[..., 1:2] + each("knots") * (first[..., 2:3] - first[..., 1:2] + 1)).floor()
    tail = each("tail", 2.0, 5.0).floor() * (each("compound") < 0.35)
    stage = (step >= body).unsqueeze(-1)
    move = torch.where(stage, then.unsqueeze(-2), first.unsqueeze(-2))
    bend, side, swing = (
        torch.where(stage[..., 0], each(f"{name} then"), each(name)) for name in ("bend", "side", "swing")
    )
    turn = (move[..., 3] + bend * (move[..., 4] - move[..., 3])) * _DEGREE * (0.8 + 0.4 * every("turn"))
    back = (swing < move[..., 5]) & (step % 2 == 1)
    turn = torch.where((side < 0.5) ^ back, turn, -turn)
    square = each("square") < 0.65
    compass = (each("compass") * 8).floor() * (math.pi / 4)
    compass = torch.where(square, (each("compass") * 4).floor() * (math.pi / 2), compass)
    heading = compass + each("off", -0.5, 0.5) * torch.where(square, 0.25, 0.7) + turn.cumsum(-1) - turn[..., :1]
    stride = (draw.normal(key, count * knots, "stride").view_as(turn) * each("uneven", 0.0, 0.5)).exp()
    stride = torch.where(step < body + tail - 1, stride, 0.0)
    stride = stride / stride.sum(-1, keepdim=True)
    steps = torch.stack([heading.cos(), heading.sin()], -1) * stride.unsqueeze(-1)
    place, travelled = (
        torch.cat([torch.zeros_like(way[:, :, :1]), way[:, :, :-1].cumsum(2)], 2) for way in (steps, stride)
    )
    closed = (each("closed") < first[..., 7:8]) & (tail == 0)
    place = place - torch.where(closed, travelled, 0.0).unsqueeze(-1) * place[:, :, -1:]
    extent = (place.amax(2) - place.amin(2)).amax(-1)
    # Not pow: its last digit depends on where in the batch a number stands.
    unit = (0.8 * extent.clamp(min=0.05).log()).exp()
    place = place / unit[..., None, None]
    return place, (every("corner") >= move[..., 6]).to(place.dtype)


def curve(knots: Tensor, smooth: Tensor) -> Tensor:
    """Knots [..., K, 2], smoothness [..., K] from 0 (a corner) to 1 (round) -> vertices [..., (K - 1) * STEPS + 1, 2].

    A cubic Hermite spline: a tangent of zero makes a corner, and a span between two corners is straight. Tangents are
    as long as their span, so that uneven spans make no loops, and a knot that is repeated leaves no ink.
    """
    before = torch.cat([knots[..., :1, :], knots[..., :-1, :]], -2)
    after = torch.cat([knots[..., 1:, :], knots[..., -1:, :]], -2)
    along = after - before
    along = along * (smooth / along.square().sum(-1).sqrt().clamp(min=1e-6)).unsqueeze(-1)
    start, end = knots[..., :-1, :], knots[..., 1:, :]
    reach = (end - start).square().sum(-1, keepdim=True).sqrt()
    t = (torch.arange(STEPS, device=knots.device) / STEPS).unsqueeze(-1)
    rise = t * t * (3 - 2 * t)
    spans = (
        start.unsqueeze(-2)
        + (end - start).unsqueeze(-2) * rise
        + (along[..., :-1, :] * reach).unsqueeze(-2) * (t * (1 - t).square())
        - (along[..., 1:, :] * reach).unsqueeze(-2) * (t * t * (1 - t))
    )
    return torch.cat([spans.flatten(-3, -2), knots[..., -1:, :]], -2)


def bridge(knots: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Knots [N, K, 2] turned and stretched to run from ``start`` to ``end`` [N, 1, 2]; the stretch."""
    moved = knots - knots[:, :1]
    span, want = moved[:, -1:], end - start
    power = span.square().sum(-1, keepdim=True).clamp(min=1e-6)
    real = (span * want).sum(-1, keepdim=True) / power
    imag = (span[..., :1] * want[..., 1:] - span[..., 1:] * want[..., :1]) / power
    across = torch.stack([-moved[..., 1], moved[..., 0]], -1)
    return start + moved * real + across * imag, (real.square() + imag.square()).sqrt()


def trace(vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Vertices [N, S, V, 2] of S strokes -> points [N, POINTS, 2] evenly along all strokes, and the length [N].

    The strokes are one path on which the pen's way through the air has no length.
    """
    steps = (vertices[:, :, 1:] - vertices[:, :, :-1]).square().sum(-1).sqrt()
    path = torch.nn.functional.pad(steps, (0, 1)).flatten(1).cumsum(-1)
    length = path[:, -1]
    place = (torch.arange(POINTS, device=path.device) + 0.5) / POINTS * length[:, None]
    piece = torch.searchsorted(path, place, right=True).clamp(max=path.shape[1] - 2)
    end = path.gather(1, piece)
    start = torch.where(piece > 0, path.gather(1, (piece - 1).clamp(min=0)), 0.0)
    share = ((place - start) / (end - start).clamp(min=1e-9)).clamp(0.0, 1.0).unsqueeze(-1)
    flat = vertices.flatten(1, 2)
    a, b = (flat.gather(1, (piece + step)[..., None].expand(-1, -1, 2)) for step in (0, 1))
    return a + (b - a) * share, length


def ink(points: Tensor, length: Tensor, width: Tensor, size: int) -> Tensor:
    """Points [N, P, 2], length [N] and width [N] of the strokes -> images [N, size, size], ink 1 on paper 0.

    The sum of the points' Gaussians is one product of matrices, because a Gaussian is a column times a row; its
    logarithm is a soft minimum of the squared distances, so a pixel learns how far it is from the nearest stroke.
    """
    centre = (torch.arange(size, device=points.device) + 0.5) / size
    away = centre[:, None] - points.permute(2, 0, 1).contiguous().unsqueeze(2)
    # Numbers too small for the processor's fast path would make it slow; nine spreads away nothing is left anyway.
    falloff = away.mul_(math.sqrt(0.5) / SPREAD).square_().clamp_(max=40.0).neg_().exp_()
    each = (length / points.shape[1] / (math.sqrt(2 * math.pi) * SPREAD)).view(-1, 1, 1)
    density = torch.bmm(falloff[1], falloff[0].mT).mul_(each)
    distance = density.clamp_(1e-15, 1.0).log_().mul_(-2 * SPREAD**2).sqrt_()
    edge = ((width[:, None, None] / 2 - distance) * (size * 0.5 / EDGE) + 0.5).clamp_(0.0, 1.0)
    return edge.square() * (3 - 2 * edge)
