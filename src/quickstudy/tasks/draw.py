"""Random numbers without state: a counter hash in int64 tensor arithmetic.

Every number is a pure function of (key, stream, counter), so it is the same on every device, in any order and in any
batch. The mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom
number generators"); int64 multiplication wraps, and the masks make the arithmetic shift a logical one.
"""

import hashlib
import math

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15
_MIX1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX2 = -7723592293110705685  # 0x94D049BB133111EB


def mix(value: Tensor) -> Tensor:
    """Hash int64 to int64, element by element; a bijection."""
    value = value + _GOLDEN
    value = (value ^ ((value >> 30) & 0x3FFFFFFFF)) * _MIX1
    value = (value ^ ((value >> 27) & 0x1FFFFFFFFF)) * _MIX2
    return value ^ ((value >> 31) & 0x1FFFFFFFF)


def salt(*words: object) -> int:
    """A number below 2**62 from words, the same in every process."""
    digest = hashlib.sha256("\x1f".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2


def keys(index: Tensor, *words: object) -> Tensor:
    """One key for each of ``index`` [T] under ``words`` (family, split, seed)."""
    return mix(mix(index.to(torch.int64)) ^ salt(*words))


def bits(key: Tensor, n: int, stream: str) -> Tensor:
    """[...] -> [..., n] non-negative int64, independent for each stream name."""
    counter = mix(torch.arange(n, device=key.device) ^ salt(stream))
    return mix(key.unsqueeze(-1) ^ counter) & 0x7FFFFFFFFFFFFFFF


def uniform(key: Tensor, n: int, stream: str, low: float = 0.0, high: float = 1.0) -> Tensor:
    """[...] -> [..., n] float32 in [low, high): 24 random bits each, exact on every device."""
    unit = (bits(key, n, stream) >> 39).to(torch.float32) * 2.0**-24
    return low + (high - low) * unit


def normal(key: Tensor, n: int, stream: str) -> Tensor:
    """[...] -> [..., n] float32 standard normal numbers (Box-Muller)."""
    radius = (-2 * (1 - uniform(key, n, stream + "/radius")).log()).sqrt()
    return radius * torch.cos(uniform(key, n, stream + "/angle", high=2 * math.pi))


def order(key: Tensor, n: int, stream: str, first: int | None = None, allowed: Tensor | None = None) -> Tensor:
    """[...] -> [..., first] the beginning of a random order of range(n); those not ``allowed`` [..., n] come last."""
    rank = bits(key, n, stream)
    if allowed is not None:
        rank = torch.where(allowed, rank >> 1, torch.iinfo(torch.int64).max)
    if first is None or first == n:
        return rank.argsort(stable=True, dim=-1)
    return rank.topk(first, dim=-1, largest=False, sorted=True).indices
