"""Two fingers squeeze an object, lift it, and shake it: what every simulation of that has in common.

A test lift squeezes with a force F for 0.1 s, lifts for 0.3 s, and feels how hard the fingers press (touch), how much
they carry (load) and how far the object stayed behind (slip). The question is the least force with which a lift and
2 s of shaking lose nothing. By Coulomb's law of friction, for a mass m, friction mu and two fingers:

    load = min(m g, 2 mu F),    need = m (g + a) / (2 mu),    a the shaking's largest acceleration

Masses are in kg, forces in N, lengths in m; arrays are of numpy, [N] objects or [N, L] forces for each of them.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
SHAPES = ("box", "cylinder", "sphere")
GRAVITY = 9.81
SQUEEZED, LIFTED, SHAKEN = 0.1, 0.4, 2.4
"""When each part of a trial ends."""
SPEED, RAMP = 0.2, 0.08
"""The lift's speed, and how long the gripper takes to get there."""
RATE = 4.0
"""Shakes in a second; they begin with the lift's speed, so that nothing jerks."""
SHAKING = SPEED * 2 * np.pi * RATE
"""Largest acceleration of the shaking: 5.03 m/s^2."""
FELT = (0.2, 0.28)
"""The time in a lift over which touch and load are averaged: at even speed."""
DROPPED = 0.01
"""An object that has slipped further was not held."""
CRUSHED = 2.5
"""An object that is gripped so many times as hard as it needs counts as crushed; an assumption."""
WEAKEST, STRONGEST = 0.3, 80.0
"""Forces that the fingers can have."""
FINEST = 3
"""Halvings of the interval in which the force needed is."""


class Objects(NamedTuple):
    """What is between the fingers."""

    mass: Array
    friction: Array
    shape: npt.NDArray[np.int64]
    """[N] number in ``SHAPES``."""

    def at(self, which: npt.NDArray[np.int64] | slice) -> Objects:
        """Those of them."""
        return Objects(self.mass[which], self.friction[which], self.shape[which])


class Felt(NamedTuple):
    """What test lifts felt, without the noise of the sensors."""

    touch: Array
    """How hard each finger presses."""
    load: Array
    """What both fingers carry beside their own weight."""
    slip: Array
    """How far the object stayed behind."""


class Gripper(Protocol):
    """A hand that tries ``objects``; each try begins anew, with the object on the table between the fingers."""

    objects: Objects
    blown: int
    """Tries so far in which the simulation failed: they count as drops."""

    def lift(self, force: Array) -> Felt:
        """Test lifts of every object with its forces [N, L]; each of what is felt is [N, L]."""
        ...

    def shake(self, force: Array, which: npt.NDArray[np.int64] | None = None) -> Array:
        """How far each object, or those of ``which``, slipped [n] in a lift and 2 s of shaking with ``force`` [n]."""
        ...


def coulomb_need(objects: Objects) -> Array:
    """[N] the force needed by Coulomb's law."""
    return objects.mass * (GRAVITY + SHAKING) / (2 * objects.friction)


def height(time: Array) -> Array:
    """How far the gripper has risen at each ``time`` of a trial."""
    since = np.clip((time - SQUEEZED) / RAMP, 0, None)
    lifting = SPEED * RAMP * np.where(since < 1, since**2 / 2, since - 0.5)
    turn = 2 * np.pi * RATE
    shaking = SPEED * (LIFTED - SQUEEZED - RAMP / 2) + SPEED / turn * np.sin(turn * (time - LIFTED))
    return np.where(time > LIFTED, shaking, lifting)


def needed(gripper: Gripper) -> Array:
    """[N] the least force that holds each object through the shaking, to 1.5 %; infinite where the strongest does not.

    Found by bisection in the simulation, in an interval around Coulomb's answer that grows where it has to.
    """
    guess = coulomb_need(gripper.objects)
    low = np.minimum(0.9 * guess, STRONGEST / 1.1)
    high = np.minimum(guess, STRONGEST)
    ask = np.arange(len(guess))
    while (ask := ask[gripper.shake(high[ask], ask) > DROPPED]).size:  # too weak
        low[ask] = high[ask]
        high[ask] = np.where(high[ask] >= STRONGEST, np.inf, np.minimum(1.3 * high[ask], STRONGEST))
        ask = ask[np.isfinite(high[ask])]
    ask = able = np.flatnonzero(np.isfinite(high))
    while (ask := ask[gripper.shake(low[ask], ask) <= DROPPED]).size:  # strong enough
        high[ask], low[ask] = low[ask], low[ask] / 1.3
    for _ in range(FINEST):
        middle = np.sqrt(low[able] * high[able])
        held = gripper.shake(middle, able) <= DROPPED
        high[able], low[able] = np.where(held, middle, high[able]), np.where(held, low[able], middle)
    return high
