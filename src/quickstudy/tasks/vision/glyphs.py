"""Handwritten characters that nobody has ever written: the embedded data set.

A class is a form of up to five pen strokes, built as alphabets build theirs: lines, arcs, hooks, loops, waves and
zigzags that meet at their ends or cross, are repeated or mirrored, with a dot now and then. A writer bends, slants,
stretches and shifts it. The amounts are set so that the images resemble those of Omniglot (Lake, Salakhutdinov,
Tenenbaum 2015, "Human-level concept learning through probabilistic program induction"), of which nothing is copied.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import (
    Examples,
    Predict,
    Spec,
    Split,
    Task,
    WholeTasks,
    accuracy,
    balanced,
    check_counts,
    check_split,
)
from quickstudy.tasks.vision.strokes import bridge, choose, curve, ink, strokes, trace

STROKES = 5
KNOTS = 8
COUNTS = (0.08, 0.32, 0.32, 0.18, 0.10)
"""How often a class has one stroke, two, three, ..."""
STRETCH, BOW, WAVE, TREMBLE, SHIFT = 0.10, 0.022, 0.015, 0.014, 0.025
"""What a writer does to each stroke: standard deviations in shares of the stroke (the first) or of the character."""
TILT, SLANT, GROW, ASPECT, PLACE = 0.09, 0.10, 0.10, 0.05, 0.042
"""What a writer does to the character: radians, shear, logarithms of size and aspect, shares of the sheet."""
WIDTH, WIDTH_SPREAD = 0.047, 0.08
"""Width of the pen in shares of the sheet, and the standard deviation of its logarithm."""
CHUNK = 512
"""Images of 28 pixels made at once, which bounds the temporary memory."""
BLOCK = 25
"""Classes that are drawn at once."""
SAMPLE_CLASSES = 500
SAMPLE_EXAMPLES = 20


class Form(NamedTuple):
    """What N classes look like before anybody writes them."""

    knots: Tensor
    """[N, STROKES, KNOTS, 2] within the sheet; strokes that a class lacks are a point on another stroke."""
    smooth: Tensor
    """[N, STROKES, KNOTS] 0 at corners, 1 where the pen runs round."""


def _pick(line: Tensor, key: Tensor, stream: str) -> Tensor:
    """Vertices [N, V, 2] -> [N, 1, 2] a place on them: the start, the end, the middle, or anywhere."""
    kind, anywhere = draw.uniform(key, 2, stream).unbind(-1)
    fixed = torch.where(kind < 0.3, 0.0, torch.where(kind < 0.6, 1.0, 0.5))
    share = torch.where(kind < 0.75, fixed, anywhere)
    index = (share * (line.shape[1] - 1)).round().to(torch.int64)
    return line.gather(1, index[:, None, None].expand(-1, -1, 2))


def _apart(knots: Tensor, line: Tensor, key: Tensor) -> Tensor:
    """Knots [N, KNOTS, 2] moved to where they stand beside, above or below ``line`` [N, V, 2]."""
    gap, compass, off = draw.uniform(key, 3, "apart").unbind(-1)
    angle = (compass * 8).floor() * (math.pi / 4) + (off - 0.5) * 0.6
    side = torch.stack([angle.cos(), angle.sin()], -1).unsqueeze(1)
    middle, own = line.mean(1, keepdim=True), knots - knots.mean(1, keepdim=True)
    far = ((line - middle) * side).sum(-1).amax(-1) - (own * side).sum(-1).amin(-1)
    return own + middle + side * (far + 0.08 + 0.2 * gap)[:, None, None]


def _join(key: Tensor, knots: Tensor, smooth: Tensor, host: Tensor, host_smooth: Tensor) -> tuple[Tensor, Tensor]:
    """Join strokes [N, KNOTS, 2] to their hosts [N, KNOTS, 2], each with its smoothness [N, KNOTS]."""
    copy, mode, flip_x, flip_y = draw.uniform(key, 4, "join").view(-1, 4, 1, 1).unbind(1)
    line = curve(host, host_smooth)
    # Some strokes repeat their host, turned over in some cases: the bars of E, both halves of an M.
    flip = torch.cat([torch.where(flip_x < 0.35, -1.0, 1.0), torch.where(flip_y < 0.25, -1.0, 1.0)], -1)
    copied = copy < 0.15
    knots = torch.where(copied, (host - host[:, :1]) * flip, knots)
    smooth = torch.where(copied[..., 0], host_smooth, smooth)
    anchor = _pick(line, key, "host")
    joined = knots + anchor - _pick(curve(knots, smooth), key, "own")
    # Some close a figure: both ends lie on the host, as the bow of D; others stand apart, as the two bars of =.
    bridged, stretch = bridge(knots, anchor, _pick(line, key, "goal"))
    joined = torch.where((mode > 0.70) & (stretch > 0.4) & (stretch < 1.5), bridged, joined)
    return torch.where(mode < 0.16, _apart(knots, line, key), joined), smooth


def _assemble(key: Tensor) -> tuple[Tensor, Tensor]:
    """[N] keys -> characters: knots [N, STROKES, KNOTS, 2] and smoothness [N, STROKES, KNOTS] of joined strokes."""
    knots, smooth = strokes(key, STROKES, KNOTS)
    count = 1 + choose(key, 1, "count", torch.tensor(COUNTS, device=key.device)).unsqueeze(-1)
    scale = (0.35 * draw.normal(key, STROKES, "scale")).exp()
    scale = torch.where(draw.uniform(key, STROKES, "dot") < 0.04, 0.07, scale)
    knots = knots * scale[..., None, None]
    rows = torch.arange(len(key), device=key.device)
    placed, rounds = [knots[:, 0]], [smooth[:, 0]]
    for number in range(1, STROKES):
        hand = draw.mix(key ^ draw.salt("stroke", number))
        host = draw.bits(hand, 1, "host").squeeze(-1) % number
        joined, rounded = _join(
            hand,
            knots[:, number],
            smooth[:, number],
            torch.stack(placed, 1)[rows, host],
            torch.stack(rounds, 1)[rows, host],
        )
        placed.append(torch.where(number < count, joined, knots[:, 0, :1]))
        rounds.append(rounded)
    return torch.stack(placed, 1), torch.stack(rounds, 1)


def forms(key: Tensor) -> Form:
    """[N] int64 keys -> the forms of N classes, fitted into the middle of the sheet."""
    knots, smooth = _assemble(key)
    outline = curve(knots, smooth).flatten(1, 2)
    low, high = outline.amin(1), outline.amax(1)
    extent = (high - low).amax(-1)
    size = 0.66 * (0.14 * draw.normal(key, 1, "size").squeeze(-1)).exp()
    size = torch.where(draw.uniform(key, 1, "tiny").squeeze(-1) < 0.05, size * 0.5, size).clamp(max=0.8)
    grow = size / extent.clamp(min=0.05)
    middle = 0.485 + 0.02 * draw.normal(key, 2, "middle")
    knots = (knots - ((low + high) / 2)[:, None, None]) * grow[:, None, None, None]
    # Letters are taller than wide more often than not.
    lies = (high - low)[:, 0] > (high - low)[:, 1]
    turn = lies & (draw.uniform(key, 1, "upright").squeeze(-1) < 0.3)
    knots = torch.where(turn[:, None, None, None], knots.flip(-1), knots)
    return Form(knots + middle[:, None, None], smooth)


def _reshape(form: Form, key: Tensor) -> tuple[Tensor, Tensor]:
    """A writer's strokes: each is bent, stretched and shifted as a whole, then every knot trembles."""
    n = len(key)

    def normal(stream: str, *shape: int) -> Tensor:
        return draw.normal(key, math.prod(shape), stream).view(n, *shape)

    care = (0.35 * normal("care", 1, 1, 1)).exp()
    extent = (form.knots.amax((1, 2)) - form.knots.amin((1, 2))).amax(-1).view(n, 1, 1, 1)
    # A short stroke ends in repeated knots, and they have to stay together.
    moves = (form.knots[:, :, 1:] != form.knots[:, :, :-1]).any(-1).to(torch.int64).cumsum(-1)
    knot = torch.nn.functional.pad(moves, (1, 0)).unsqueeze(-1)
    share = knot / moves[..., -1:].clamp(min=1).unsqueeze(-2)
    tremble = normal("tremble", STROKES, KNOTS, 2).gather(2, knot.expand(-1, -1, -1, 2))
    bow = (share * math.pi).sin() * normal("bow", STROKES, 1, 2)
    wave = (share * 2 * math.pi).sin() * normal("wave", STROKES, 1, 2)
    shift = normal("shift", STROKES, 1, 2)
    centre = form.knots.mean(2, keepdim=True)
    own = form.knots - centre
    stretched = own @ normal("stretch", STROKES, 2, 2)
    off = TREMBLE * tremble + BOW * bow + WAVE * wave + SHIFT * shift
    knots = form.knots + care * (STRETCH * stretched + extent * off)
    smooth = form.smooth + 0.25 * normal("round", STROKES, KNOTS)
    return knots, smooth.clamp(0.0, 1.2)


def write(form: Form, key: Tensor, size: int) -> Tensor:
    """Forms of N characters and a writer's [N] keys -> images [N, size, size]."""
    n = len(key)
    vertices = curve(*_reshape(form, key)).flatten(1, 2)
    middle = ((form.knots.amax((1, 2)) + form.knots.amin((1, 2))) / 2).unsqueeze(1)
    tilt, slant, grow, aspect, width, x, y = draw.normal(key, 7, "hand").unbind(-1)
    tilt, slant, grow, aspect = TILT * tilt, SLANT * slant, (GROW * grow).exp(), (ASPECT * aspect).exp()
    cos, sin = tilt.cos(), tilt.sin()
    rows = [cos * aspect, sin * aspect, (cos * slant - sin) / aspect, (sin * slant + cos) / aspect]
    matrix = (torch.stack(rows, -1) * grow.unsqueeze(-1)).view(n, 2, 2)
    vertices = (vertices - middle) @ matrix + middle + PLACE * torch.stack([x, y], -1).unsqueeze(1)
    points, length = trace(vertices.view(n, STROKES, -1, 2))
    return ink(points, length, WIDTH * (WIDTH_SPREAD * width).exp(), size)


class Glyphs:
    """Classification of invented characters; every split draws its own without end.

    ``size`` is the side of an image in pixels. ``classes`` is the number of training classes; 0 means no limit.
    """

    splits: tuple[Split, ...] = ("train", "val", "test")

    def __init__(self, *, size: int = 28, classes: int = 0) -> None:
        if not 8 <= size <= 512:
            raise UserError(f"glyphs: size is {size}; characters can be drawn at 8 to 512 pixels a side.")
        if classes < 0:
            raise UserError(f"glyphs: classes is {classes}; give a number of training classes, or 0 for no limit.")
        self.size = size
        self.classes = classes
        options = [f"size={size}"] * (size != 28) + [f"classes={classes}"] * (classes > 0)
        self.spec = Spec(
            name=":".join(["glyphs", *options]),
            kind="classification",
            shape=(1, size, size),
            classes=classes or None,
            form="drawings",
        )

    def _limit(self, split: Split) -> int:
        """Number of classes of a split, 0 where there is no limit."""
        return self.classes if split == "train" else 0

    def images(self, split: Split, classes: Tensor, writers: Tensor) -> Tensor:
        """Class ids [N] and writers' numbers [N, n] -> images [N, n, 1, size, size], a pure function of each pair."""
        class_key = draw.keys(classes, "glyphs", split)
        key = draw.mix(class_key.unsqueeze(-1) ^ draw.mix(writers)).flatten()
        parts = [forms(some) for some in torch.split(class_key, CHUNK)]
        form = Form(*(torch.cat(leaf) for leaf in zip(*parts, strict=True)))
        row = torch.arange(len(classes), device=key.device).repeat_interleave(writers.shape[1])
        chunk = max(1, CHUNK * 28 // max(self.size, 28))
        images = [
            write(Form(form.knots[rows], form.smooth[rows]), hand, self.size)
            for rows, hand in zip(torch.split(row, chunk), torch.split(key, chunk), strict=True)
        ]
        return torch.cat(images).view(*writers.shape, *self.spec.shape)

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] episodes of ``way`` classes, ``shot`` support and ``query`` query examples of each."""
        split = check_split(self, split)
        check_counts(way=way, shot=shot, query=query)
        limit = self._limit(split)
        if limit and way > limit:
            raise UserError(f"--way is {way}, but {self.spec.name} trains on {limit} classes. Ask for fewer.")
        key = draw.keys(index, "glyphs", split, seed)
        classes = draw.order(key, limit, "classes", way) if limit else draw.bits(key, way, "classes")
        hand = draw.mix(key.unsqueeze(-1) ^ draw.mix(classes))

        # One call for both, so that each form is made once.
        writers = torch.cat([draw.bits(hand, shot, "support"), draw.bits(hand, query, "query")], -1)
        images = self.images(split, classes.flatten(), writers.flatten(0, 1))
        images = images.view(len(index), way, shot + query, *self.spec.shape)
        return balanced(images, shot, classes, index, key)

    def tasks(self, split: Split) -> WholeTasks:
        """Classes by 20 writers each: x [20, 1, size, size]; 500 classes where there is no limit."""
        known, count = check_split(self, split), self._limit(split) or SAMPLE_CLASSES

        @functools.lru_cache(maxsize=1)
        def block(number: int) -> Tensor:
            some = torch.arange(number * BLOCK, min((number + 1) * BLOCK, count))
            return self.images(known, some, torch.arange(SAMPLE_EXAMPLES).expand(len(some), -1))

        def whole(number: int) -> Examples:
            x = block(number // BLOCK)[number % BLOCK]
            return Examples(x, torch.ones(len(x), 1), torch.ones(len(x), dtype=torch.bool))

        return WholeTasks(count, whole)

    def members(self, split: Split) -> frozenset[str] | None:
        """Names such as ``glyphs/train/17``; None where there is no limit: each split hashes its own forms."""
        limit = self._limit(check_split(self, split))
        return frozenset(f"glyphs/{split}/{number}" for number in range(limit)) if limit else None

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """``accuracy``: share of right answers among the queries [T]."""
        return accuracy(predict, task)
