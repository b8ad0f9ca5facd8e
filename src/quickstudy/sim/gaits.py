"""Gaits as a few numbers: a central pattern generator drives every joint with a sine of one common frequency.

    target_j(t) = rest_j + o_j + r(t) Re(c_j exp(-2 pi i f t)),   r rises from 0 to 1 in the first fifth of a second

A gait is a row of numbers from -1 to 1. The first is the frequency f, then come the offsets o, then real and imaginary
parts of the amplitudes c: how far a joint swings and when. Where a joint should swing is said without angles of phase,
so that equal gaits have equal numbers and near ones have near numbers (Ijspeert 2008, "Central pattern generators for
locomotion control in animals and robots"). The phase of the whole is that of the first joint, whose c is real.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RISE = 0.2
"""Seconds until joints swing in full."""


@dataclass(frozen=True, kw_only=True)
class Gait:
    """How numbers from -1 to 1 become angles of joints."""

    frequency: tuple[float, float]
    """Least and largest, in hertz."""
    rest: Array
    """[joints] angles of standing, in radians."""
    offsets: Array
    """[numbers, joints] how far each number of offsets turns each joint."""
    swings: Array
    """[joints] the largest amplitude that a number says."""
    legs: tuple[tuple[int, ...], ...]
    """Joints of each leg, those that lead first: the others of a leg swing by one common multiple of them for each
    place. Of legs with one joint each swings on its own."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each number is."""
        lead = [f"swing {leg}" for leg in range(len(self.legs))]
        follow = [f"follow {place}" for place in range(1, len(self.legs[0]))]
        parts = [f"{name} {part}" for name in (*lead, *follow) for part in ("in phase", "a quarter late")]
        parts.remove("swing 0 a quarter late")
        return ("frequency", *(f"offset {number}" for number in range(len(self.offsets))), *parts)

    def without(self, joint: int) -> Array:
        """[p] of 0 and 1: what is left of a gait that leaves ``joint`` still, and with it whatever follows it alike."""
        parts = np.ones((len(self.legs) + len(self.legs[0]) - 1, 2))
        for leg, joints in enumerate(self.legs):
            if joint in joints:
                place = joints.index(joint)
                parts[leg if place == 0 else len(self.legs) + place - 1] = 0
        return np.concatenate([np.ones(1 + len(self.offsets)), np.delete(parts.flatten(), 1)])

    def targets(self, numbers: Array, times: Array) -> Array:
        """[n, steps, joints] of gaits ``numbers`` [n, p] at ``times`` [steps], in radians."""
        count = len(self.offsets)
        low, high = self.frequency
        frequency = low + (high - low) * (numbers[:, :1] + 1) / 2
        offset = self.rest + numbers[:, 1 : 1 + count] @ self.offsets
        turn = np.exp(-2j * np.pi * frequency * times) * np.minimum(times / RISE, 1)
        swing = (turn[:, :, None] * self._swings(numbers[:, 1 + count :])[:, None]).real
        found: Array = offset[:, None] + swing
        return found

    def _swings(self, parts: Array) -> NDArray[np.complex128]:
        """[n, joints] complex amplitudes."""
        parts = np.insert(parts, 1, 0.0, axis=1)
        pairs = parts[:, ::2] + 1j * parts[:, 1::2]
        lead, follow = pairs[:, : len(self.legs)], pairs[:, len(self.legs) :]
        found = np.zeros((len(parts), len(self.rest)), complex)
        for leg, joints in enumerate(self.legs):
            found[:, joints[0]] = lead[:, leg]
            for place, joint in enumerate(joints[1:]):
                found[:, joint] = lead[:, leg] * follow[:, place]
        found *= self.swings
        return found


def each_joint(rest: Any, ranges: Any, frequency: tuple[float, float]) -> Gait:
    """A gait in which every joint has an offset and a swing of its own, within ``ranges`` [joints, 2]."""
    rest, ranges = np.asarray(rest, float), np.asarray(ranges, float)
    reach = (ranges[:, 1] - ranges[:, 0]) / 2
    middle = ranges.mean(1)
    return Gait(
        frequency=frequency,
        rest=rest + 0.25 * (middle - rest),
        offsets=np.diag(0.5 * reach),
        swings=0.8 * reach,
        legs=tuple((joint,) for joint in range(len(rest))),
    )
