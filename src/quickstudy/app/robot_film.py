"""The film of a gripper, three times side by side: rendered by MuJoCo where there is EGL or OSMesa, else drawn.

Rendering is another process's work: which OpenGL there is can be found out by trying alone, and a driver that fails
takes its process with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from quickstudy import runs
from quickstudy.app import film
from quickstudy.app.film import Window
from quickstudy.sim.gripper_mujoco import LEFT, OBJECT, PALM, RIGHT, SIZES, STEP, described

EVERY = 0.04
"""Seconds between two frames."""
SIZE = (240, 220)
WINDOW = Window(-0.13, 0.13, -0.012, 0.2)
PATIENCE = 60.0
"""Seconds that a rendering may take."""
PALM_COLOUR, FINGER, THING, TABLE = "#4d5966", "#3373b3", "#d9802e", "#c8ccd2"
RENDER = """
import sys
import mujoco, numpy as np
given = np.load(sys.argv[1])
model = mujoco.MjModel.from_xml_string(str(given["model"]))
data, kind = mujoco.MjData(model), mujoco.mjtState.mjSTATE_FULLPHYSICS
with mujoco.Renderer(model, int(given["height"]), int(given["width"])) as renderer:
    frames = []
    for state in given["states"]:
        mujoco.mj_setState(model, data, state, kind)
        mujoco.mj_forward(model, data)
        renderer.update_scene(data, "front")
        frames.append(renderer.render())
np.save(sys.argv[2], np.stack(frames))
"""


class Film(NamedTuple):
    """Pictures one after the other."""

    pictures: list[Image.Image]
    seconds: float
    rendered: bool
    """By MuJoCo, rather than drawn."""


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
            panels.append(film.titled(own, who, outcome if last else ""))
        pictures.append(film.beside(panels))
    return Film(pictures, EVERY * len(pictures), pixels is not None)


def rendered(shape: str, states: np.ndarray) -> np.ndarray | None:
    """[frames, height, width, 3] uint8 by MuJoCo; None where it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.npz", Path(folder) / "made.npy"
        np.savez(given, model=described(shape), states=states, width=SIZE[0], height=SIZE[1])
        for way in ("egl", "osmesa"):
            command = [sys.executable, "-c", RENDER, str(given), str(made)]
            try:
                ran = subprocess.run(
                    command, env=os.environ | {"MUJOCO_GL": way}, capture_output=True, timeout=PATIENCE, check=False
                )
            except (OSError, subprocess.TimeoutExpired):
                continue
            if ran.returncode == 0 and made.is_file():
                found: np.ndarray = np.load(made)
                return found
    return None


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


def write_error_plot(path: Path, errors: Sequence[float]) -> None:
    """``errors`` in doublings by the number of tries, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 3), layout="constrained")
    panel = figure.subplots()
    panel.plot(range(len(errors)), [100 * (2**error - 1) for error in errors], marker="o", color="#3373b3")
    panel.set(xlabel="test lifts", ylabel="error of the force believed to be needed, %", xticks=range(len(errors)))
    panel.set_ylim(bottom=0)
    panel.spines[["top", "right"]].set_visible(False)
    runs.write_atomic(path, lambda temporary: figure.savefig(temporary, format="png", dpi=150))
