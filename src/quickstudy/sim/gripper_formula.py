"""The gripper by Coulomb's law alone: for tests, and for whoever has no MuJoCo.

Until an object that is held has the lift's speed v it stays behind: with an upward acceleration of 2 mu F / m - g, by

    slip = v^2 / 2 (1 / (2 mu F / m - g) - ramp / v)

and one that is not held stays on the table.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quickstudy.sim.gripper import DROPPED, GRAVITY, LIFTED, RAMP, SPEED, Array, Felt, Objects, coulomb_need, height

FAR = float(height(np.array(LIFTED)))
"""How far the gripper has risen after a lift."""


class FormulaGripper:
    """Objects that obey the formulas."""

    def __init__(self, objects: Objects) -> None:
        self.objects, self.blown = objects, 0

    def lift(self, force: Array) -> Felt:
        """See ``Gripper``."""
        mass, friction = self.objects.mass[:, None], self.objects.friction[:, None]
        upward = np.maximum(2 * friction * force / mass - GRAVITY, 1e-9)
        slip = np.clip(SPEED**2 / 2 * (1 / upward - RAMP / SPEED), 0, FAR)
        return Felt(force.copy(), np.minimum(mass * GRAVITY, 2 * friction * force), slip)

    def shake(self, force: Array, which: npt.NDArray[np.int64] | None = None) -> Array:
        """See ``Gripper``."""
        need = coulomb_need(self.objects)[slice(None) if which is None else which]
        return np.where(force >= need, 0.0, 5 * DROPPED)
