"""A backbone that was trained elsewhere, once for all: its weights do not train and are not saved.

They come from where they came from again whenever the net is built; what is saved with a learner is a checksum of
them, and a learner is not loaded beside other weights than it was trained with.

Features that it has made before are an input too: [n, features] pass through as they are. So whoever asks about the
same pictures again and again, as a training does, has them go through the net once (``quickstudy.embedding``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.errors import UserError
from quickstudy.nets.backbone import Backbone
from quickstudy.nets.layout import batched
from quickstudy.nets.norm import Moments
from quickstudy.nets.remembered import Remembered

TOGETHER = 8
"""Pictures that go through at once on a processor, where more are no faster and take more memory."""
ON_A_GPU = 128


class Frozen(Backbone):
    """Base of frozen backbones: [n, 3, H, W] in [0, 1], or features [n, ``features``] -> [n, ``features``].

    ``source`` says where the weights are from, in an error.
    """

    checksum: Tensor
    """[32] uint8, SHA-256 of the weights; all that a run keeps of them."""

    def __init__(self, features: int, source: str) -> None:
        super().__init__([])
        self.features, self.source = features, source
        self.remembered: Remembered | None = None

    def remember(self) -> None:
        """From now on keep the features of the last pictures, for they will come again."""
        self.remembered = Remembered()

    def _through_net(self, x: Tensor) -> Tensor:
        """Features of a few pictures."""
        raise NotImplementedError

    def _freeze(self, digest: bytes) -> None:
        """Called once all weights are there, whose hash is ``digest``."""
        freeze(self)
        self.register_buffer("checksum", torch.tensor(list(digest), dtype=torch.uint8))

    def _through_blocks(self, x: Tensor, mask: Tensor, moments: Mapping[str, Tensor] | None) -> tuple[Tensor, Moments]:
        if x.dim() == 2:
            return x, {}
        if not len(x):
            return x.new_zeros(0, self.features), {}
        if self.remembered is None or batched(x):
            return self._in_parts(x), {}
        return self.remembered.features(x, self._in_parts), {}

    def _in_parts(self, x: Tensor) -> Tensor:
        return torch.cat([self._through_net(part) for part in x.split(TOGETHER if x.is_cpu else ON_A_GPU)])

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *rest: Any
    ) -> None:  # called by load_state_dict
        kept = state_dict.get(f"{prefix}checksum")
        if kept is not None and not torch.equal(kept.to(self.checksum), self.checksum):
            raise UserError(
                f"the weights of {self.source} on this machine are not those that it was trained with. Install the "
                f"version that it was trained with, or train again."
            )
        super()._load_from_state_dict(state_dict, prefix, *rest)


def freeze(module: nn.Module) -> None:
    """Make every parameter and buffer of ``module``, which is in evaluation mode, neither trained nor saved."""
    for part in module.modules():
        for name, weight in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, weight.detach(), persistent=False)
        for name, value in list(part.named_buffers(recurse=False)):
            part.register_buffer(name, value, persistent=False)
        if isinstance(part, nn.modules.batchnorm._NormBase):
            part.track_running_stats = False  # else it would look for its counter among what is loaded


def digest_of(weights: Mapping[str, Tensor]) -> bytes:
    """SHA-256 of names and numbers."""
    of = hashlib.sha256()
    for name, value in sorted(weights.items()):
        of.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        of.update(value.detach().cpu().contiguous().numpy().tobytes())
    return of.digest()


def frozen(module: nn.Module) -> Frozen | None:
    """The frozen backbone inside ``module``, if there is one."""
    return next((part for part in module.modules() if isinstance(part, Frozen)), None)
