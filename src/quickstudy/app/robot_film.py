"""The film of a gripper, three times side by side: rendered by MuJoCo where there is EGL or OSMesa, else drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from quickstudy.app import film, render
from quickstudy.app.film import Film, Window
from quickstudy.sim.gripper_mujoco import LEFT, OBJECT, PALM, RIGHT, SIZES, STEP, described

EVERY = 0.04
"""Seconds between two frames."""
SIZE = (240, 220)
WINDOW = Window(-0.13, 0.13, -0.012, 0.2)
PALM_COLOUR, FINGER, THING, TABLE = "#4d5966", "#3373b3", "#d9802e", "#c8ccd2"
GOOD, BAD = "#2b7a3d", "#c01f45"
"""Of what came of a grip."""


def gripping(shape: str, grips: Sequence[tuple[str, str, np.ndarray]], picture: str) -> Film:
    """Of ``grips``: who grips, what comes of it, and states [steps, state]."""
    each = round(EVERY / STEP)
    states = [states[::each] for _, _, states in grips]
    pixels = rendered(shape, np.concatenate(states)) if picture == "auto" else None
    parts = None if pixels is None else np.split(pixels, len(grips))
    pictures = []
    for frame in range(len(states[0])):
        panels = []
        for number, (who, outcome, _) in enumerate(grips):
            own = drawn(shape, states[number][frame]) if parts is None else film.from_pixels(parts[number][frame])
            last = frame >= len(states[0]) - 15
            panels.append(film.titled(own, who, outcome if last else "", GOOD if outcome == "held" else BAD))
        pictures.append(film.beside(panels))
    return Film(pictures, EVERY * len(pictures), pixels is not None)


def rendered(shape: str, states: np.ndarray) -> np.ndarray | None:
    """[frames, height, width, 3] uint8 by MuJoCo; None where it cannot."""
    import mujoco

    return render.rendered(mujoco.MjModel.from_xml_string(described(shape)), states, "front", SIZE)


def drawn(shape: str, state: np.ndarray) -> Image.Image:
    """One moment, from the poses."""
    half = SIZES[shape][1]
    palm = 0.1 + state[PALM]
    x, _, z, w, _, turn, _ = state[OBJECT]
    tilt = -2 * float(np.arctan2(turn, w))
    thing = film.disc(x, z, 0.03, THING) if shape == "sphere" else film.box(x, z, half, 0.03, THING, tilt)
    reach = half + 0.0101
    scene = [
        film.box(0, -0.006, 0.2, 0.006, TABLE),
        thing,
        film.box(-reach + state[LEFT], palm - 0.064, 0.01, 0.035, FINGER),
        film.box(reach - state[RIGHT], palm - 0.064, 0.01, 0.035, FINGER),
        film.box(-reach + state[LEFT], palm - 0.02, 0.006, 0.012, PALM_COLOUR),
        film.box(reach - state[RIGHT], palm - 0.02, 0.006, 0.012, PALM_COLOUR),
        film.box(0, palm, 0.09, 0.01, PALM_COLOUR),
    ]
    return film.draw(scene, WINDOW, SIZE)
