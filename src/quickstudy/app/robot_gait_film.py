"""The film of bodies that walk the same ground, one above the other: rendered by MuJoCo where there is EGL or OSMesa,
else drawn from the poses, with the ground tilted as it is."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from quickstudy.app import film, render
from quickstudy.app.film import Film, Polygon, Scene, Window
from quickstudy.sim.bodies import BUMPS, Condition, compiled, on_bumps
from quickstudy.sim.strides import Ground
from quickstudy.tasks.robots import grounds

EVERY = 0.02
"""Seconds of a stride between two frames."""
SLOWER = 3.0
"""Times as long as the stride takes."""
WIDTH, LEAST, MOST = 520, 90, 240
"""Of a lane in pixels, and its least and largest height."""
LETTERS = 78
"""Of a heading, in one line."""
NEAR, FAR, BROKEN, LOAD, MARK = "#3373b3", "#9db8d2", "#c01f45", "#8a6d3b", "#8a94a0"
FLOOR, ICE, GRIPPY = "#c8ccd2", "#cfe6f5", "#b9a893"
CAMERA = "side of the way"
DISTANCE = 12.0
"""Metres from the camera to the body: so far away that lanes can be compared."""


class Lane(NamedTuple):
    """One that walks."""

    who: str
    outcome: str
    states: np.ndarray
    """[steps, state] of a stride."""


def walking(ground: Ground, lanes: Sequence[Lane], picture: str) -> Film:
    """Of strides on one ground; whose simulation broke off stays where it last was."""
    each = round(EVERY / ground.model.opt.timestep)
    count = -(-ground.steps // each)
    at = np.arange(count) * each
    moments = [lane.states[np.minimum(at, len(lane.states) - 1)] for lane in lanes]
    window = seen(ground, np.concatenate(moments))
    shape = (window.top - window.bottom) / (window.right - window.left)
    size = (WIDTH, round(min(max(WIDTH * shape, LEAST), MOST)))
    pixels = rendered(ground, np.concatenate(moments), window, size) if picture == "auto" else None
    parts = None if pixels is None else np.split(pixels, len(lanes))
    start, begin = film.across(front(ground), window, size), ground.start[1]
    pictures = []
    for frame in range(count):
        own = [
            drawn(ground, moments[lane][frame], window, size) if parts is None else film.from_pixels(parts[lane][frame])
            for lane in range(len(lanes))
        ]
        panels = [
            film.titled(film.ruled(image, start), f"{lane.who}: {lane.outcome}", f"{states[frame, 1] - begin:+.2f} m")
            for lane, image, states in zip(lanes, own, moments, strict=True)
        ]
        pictures.append(headed(ground, film.above(panels)))
    return Film(pictures, SLOWER * ground.steps * ground.model.opt.timestep, pixels is not None)


def headed(ground: Ground, picture: Image.Image) -> Image.Image:
    """``picture`` below what there is to know of the ground and of the film."""
    what = f"{grounds.said(ground.condition, ground.body.joints)}; {SLOWER:g} times slower, from the dashed line"
    for line in reversed(textwrap.wrap(what, LETTERS)):
        picture = film.titled(picture, line)
    return picture


def front(ground: Ground) -> float:
    """How far the standing body reaches forwards, with the ground tilted."""
    slope = ground.condition.slope
    return max(x for polygon in posed(ground, ground.start) for x, _ in tilted(polygon, slope).points)


def seen(ground: Ground, states: np.ndarray) -> Window:
    """What all of ``states`` [n, state] reach over, and a little more, with the ground tilted."""
    corners = [
        points
        for state in states[:: max(len(states) // 40, 1)]
        for polygon in posed(ground, state)
        for points in tilted(polygon, ground.condition.slope).points
    ]
    x, z = np.array(corners).T
    room = 0.12 * float(z.max() - z.min()) + 0.02
    return Window(float(x.min()) - 2 * room, float(x.max()) + 2 * room, float(z.min()) - room, float(z.max()) + room)


def drawn(ground: Ground, state: np.ndarray, window: Window, size: tuple[int, int]) -> Image.Image:
    """One moment, from the pose."""
    scene = [*floor(ground.condition, window), *posed(ground, state)]
    return film.draw([tilted(polygon, ground.condition.slope) for polygon in scene], window, size)


def floor(condition: Condition, window: Window) -> Iterator[Polygon]:
    """The ground from the side, with a mark every half metre."""
    width = window.right - window.left + 4
    x = np.linspace(-width, width, 401)
    height = profile(x) * condition.bumps
    colour = ICE if condition.friction < 0.35 else GRIPPY if condition.friction > 1.2 else FLOOR
    outline = list(zip(x.tolist(), height.tolist(), strict=True))
    yield Polygon([*outline, (width, -5.0), (-width, -5.0)], colour)
    for number in range(-4, round(2 * width)):
        yield film.box(number / 2, -0.02, 0.006 if number else 0.015, 0.02, MARK)


def profile(x: np.ndarray) -> np.ndarray:
    """Height of bumps one metre high at ``x``, in the middle of the way."""
    import mujoco

    bare = mujoco.MjSpec()
    bare.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 1])
    rows = np.asarray(on_bumps(bare).compile().hfield_data).reshape(BUMPS, BUMPS)
    found: np.ndarray = np.interp(x, np.linspace(-6, 6, BUMPS), rows[BUMPS // 2 - 1 : BUMPS // 2 + 1].mean(0))
    return found


def posed(ground: Ground, state: np.ndarray) -> Scene:
    """The body's parts from the side, the far ones first."""
    import mujoco

    model, data = ground.model, ground.data[0]
    mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_FULLPHYSICS)
    mujoco.mj_kinematics(model, data)
    shown = solid(model)
    order = shown[np.argsort(-data.geom_xpos[shown, 1], kind="stable")]
    hurt = broken_bodies(ground)
    middle = data.geom_xpos[shown, 1].mean()
    scene: list[Polygon] = []
    for number in order.tolist():
        far = ground.body.free and data.geom_xpos[number, 1] > middle + 0.02
        colour = BROKEN if model.geom_bodyid[number] in hurt else FAR if far else NEAR
        scene += [Polygon(outline(points), colour) for points in part(model, data, number)]
    if ground.condition.payload:
        x, _, z = data.body(ground.body.trunk).xpos
        above = [height for polygon in scene for across, height in polygon.points if abs(across - x) < 0.1]
        top, side = max([float(z), *above]), 0.3 * float(np.cbrt(ground.condition.payload)) * max(float(z), 0.1)
        scene.append(film.box(float(x), top + side / 2, side / 2, side / 2, LOAD))
    return scene


def solid(model: Any) -> np.ndarray:
    """Numbers of the geoms of a body that touch something; where none does, all."""
    own = model.geom_bodyid > 0
    touching = own & ((model.geom_contype != 0) | (model.geom_conaffinity != 0))
    return np.flatnonzero(touching if touching.any() else own)


def broken_bodies(ground: Ground) -> set[int]:
    """Numbers of the parts that weak or dead joints move."""
    driven = ground.model.actuator_trnid[:, 0]
    strength = ground.condition.strength or (1.0,) * len(driven)
    pairs = zip(driven, strength, strict=True)
    return {int(ground.model.jnt_bodyid[joint]) for joint, share in pairs if share < 1}


def part(model: Any, data: Any, number: int) -> Iterator[np.ndarray]:
    """Points [n, 2] around what is seen of one geom from the side."""
    import mujoco

    kinds = mujoco.mjtGeom
    kind, size = kinds(int(model.geom_type[number])), model.geom_size[number]
    place, turn = data.geom_xpos[number], data.geom_xmat[number].reshape(3, 3)
    circle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(circle), np.sin(circle)], 1)
    if kind in (kinds.mjGEOM_SPHERE, kinds.mjGEOM_ELLIPSOID):
        yield place[[0, 2]] + size[0] * ring
    elif kind in (kinds.mjGEOM_CAPSULE, kinds.mjGEOM_CYLINDER):
        ends = [place + side * size[1] * turn[:, 2] for side in (-1, 1)]
        yield np.concatenate([end[[0, 2]] + size[0] * ring for end in ends])
    elif kind == kinds.mjGEOM_MESH:
        mesh = model.geom_dataid[number]
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        yield (place + model.mesh_vert[first : first + count] @ turn.T)[:, [0, 2]]
    else:
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * size
        yield (place + corners @ turn.T)[:, [0, 2]]


def outline(points: np.ndarray) -> list[tuple[float, float]]:
    """The convex hull of ``points`` [n, 2], corner by corner (Andrew 1979)."""
    ordered = sorted({(round(float(x), 6), round(float(z), 6)) for x, z in points})
    found: list[tuple[float, float]] = []
    for way in (ordered, ordered[::-1]):
        side: list[tuple[float, float]] = []
        for x, z in way:
            while len(side) > 1 and turns_right(side[-2], side[-1], (x, z)):
                side.pop()
            side.append((x, z))
        found += side[:-1]
    return found


def turns_right(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Whether the way from ``a`` by ``b`` to ``c`` does not turn left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) <= 0


def tilted(polygon: Polygon, slope: float) -> Polygon:
    """The same on a ground that rises by ``slope`` degrees."""
    c, s = math.cos(math.radians(slope)), math.sin(math.radians(slope))
    return Polygon([(c * x - s * z, s * x + c * z) for x, z in polygon.points], polygon.colour)


def rendered(ground: Ground, states: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray | None:
    """[frames, height, width, 3] uint8 by MuJoCo, from a camera at the side that sees ``window``; None where it cannot.

    The ground is level in the model, whose gravity is tilted: the camera is tilted as well.
    """
    bumps = ground.condition.bumps
    made = on_bumps(ground.body.spec) if bumps else ground.body.spec.copy()
    slope = math.radians(ground.condition.slope)
    c, s = math.cos(slope), math.sin(slope)
    high = max(window.top - window.bottom, (window.right - window.left) * size[1] / size[0])
    x, z = (window.left + window.right) / 2, window.bottom + high / 2
    half, turn = math.sqrt(0.5), slope / 2
    made.worldbody.add_camera(
        name=CAMERA,
        pos=[c * x + s * z, -DISTANCE, c * z - s * x],
        quat=[half * math.cos(turn), half * math.cos(turn), half * math.sin(turn), -half * math.sin(turn)],
        fovy=math.degrees(2 * math.atan(high / 2 / DISTANCE)),
    )
    model = compiled(made, ground.body.name)
    if bumps:
        model.hfield_size[0, 2] = bumps
    model.geom_group[solid(model)] = 0  # files hide what only touches, but some have nothing else
    model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = 0.3, 0.5
    hurt = np.isin(model.geom_bodyid, list(broken_bodies(ground)))
    model.geom_matid[hurt] = -1
    model.geom_rgba[hurt] = [0.75, 0.12, 0.27, 1.0]
    return render.rendered(model, states, CAMERA, size)
