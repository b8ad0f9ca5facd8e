"""Features of pictures that went through a frozen net before, for whoever asks about the same ones again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

MOST = 4096
"""Pictures of which features are kept, those used last: 20 MB of 1280 features each."""


class Remembered:
    """The features of up to ``most`` pictures, found again by a hash of their pixels."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.known: OrderedDict[bytes, Tensor] = OrderedDict()

    def features(self, x: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
        """[n, f]: what ``make`` makes of ``x`` [n, ...], called for those alone that are not known."""
        keys = [hashlib.sha1(one, usedforsecurity=False).digest() for one in x.detach().cpu().contiguous().numpy()]
        have = {key: one for key in keys if (one := self.known.get(key)) is not None}
        missing = [at for at, key in enumerate(keys) if key not in have]
        if missing:
            made = make(x if len(missing) == len(x) else x[missing])
            have |= {keys[at]: one.detach().clone() for at, one in zip(missing, made, strict=True)}
        for key, one in have.items():
            self.known[key] = one
            self.known.move_to_end(key)
        while len(self.known) > self.most:
            self.known.popitem(last=False)
        return torch.stack([have[key] for key in keys])

    def __deepcopy__(self, memo: object) -> Remembered:
        """Copies of a net have the same weights, and remember in one place."""
        return self
