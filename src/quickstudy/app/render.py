"""Pictures of a model by MuJoCo, where there is EGL or OSMesa.

Rendering is another process's work: which OpenGL there is can be found out by trying alone, and a driver that fails
takes its process with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

PATIENCE = 30.0
"""Seconds that a rendering may take."""
RENDER = """
import sys
import mujoco, numpy as np
given = np.load(sys.argv[1])
model = mujoco.MjModel.from_binary_path(sys.argv[2])
data, kind = mujoco.MjData(model), mujoco.mjtState.mjSTATE_FULLPHYSICS
with mujoco.Renderer(model, int(given["height"]), int(given["width"])) as renderer:
    frames = []
    for state in given["states"]:
        mujoco.mj_setState(model, data, state, kind)
        mujoco.mj_forward(model, data)
        renderer.update_scene(data, str(given["camera"]))
        frames.append(renderer.render())
np.save(sys.argv[3], np.stack(frames))
"""


def rendered(model: Any, states: np.ndarray, camera: str, size: tuple[int, int]) -> np.ndarray | None:
    """[frames, height, width, 3] uint8 of a model's ``states`` [frames, state], seen by its ``camera``; None where
    there is no OpenGL."""
    import mujoco

    with tempfile.TemporaryDirectory() as folder:
        given, binary, made = Path(folder) / "given.npz", Path(folder) / "model.mjb", Path(folder) / "made.npy"
        np.savez(given, states=states, camera=camera, width=size[0], height=size[1])
        mujoco.mj_saveModel(model, str(binary))
        for way in ("egl", "osmesa"):
            command = [sys.executable, "-c", RENDER, str(given), str(binary), str(made)]
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
