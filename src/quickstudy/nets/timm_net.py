"""Any net of the timm library, frozen: ``timm:resnet18``, or ``timm:hf-hub:OWNER/NAME`` from the Hugging Face hub.

timm downloads the weights when the net is first built, and keeps them in a cache of its own. What it brings along has
to be made for the torch that is installed; nothing here imports it unasked.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.errors import UserError
from quickstudy.nets.frozen import Frozen, digest_of
from quickstudy.nets.lite0 import INSTALL


class TimmNet(Frozen):
    """[n, 3, H, W] in [0, 1] -> [n, f], the features in front of the net's own output layer.

    UserError where timm cannot be imported or does not have the net, where its weights cannot be had, and for other
    inputs than pictures in colour.
    """

    def __init__(self, name: str, shape: tuple[int, ...], width: int = 0, norm: str = "none") -> None:
        if len(shape) != 3 or shape[0] != 3:
            raise UserError(f"timm:{name} takes pictures in colour; found inputs of shape {shape}.")
        if width or norm != "none":
            raise UserError(f"timm:{name} is frozen as it is. Leave --width and --norm out.")
        net = made(name)
        super().__init__(int(net.num_features), f"timm:{name}")
        about: dict[str, Any] = getattr(net, "pretrained_cfg", None) or {}
        for of, usual in (("mean", 0.5), ("std", 0.5)):
            value = torch.tensor(about.get(of) or (usual,) * 3, dtype=torch.float32).view(3, 1, 1)
            self.register_buffer(of, value, persistent=False)
        self.inside = net.eval()
        self._freeze(digest_of(net.state_dict()))

    mean: Tensor
    std: Tensor

    def _through_net(self, x: Tensor) -> Tensor:
        features: Tensor = self.inside((x - self.mean) / self.std)
        return features

    def train(self, mode: bool = True) -> TimmNet:
        """The net inside stays as it answers."""
        super().train(mode)
        self.inside.eval()
        return self


def made(name: str) -> Any:
    """timm's net ``name`` with its weights and without its output layer."""
    try:
        timm: Any = importlib.import_module("timm")
    except Exception as error:  # beside another torch than they were made for, its libraries raise what they like
        raise UserError(
            f"timm cannot be imported ({type(error).__name__}: {error}). It needs libraries made for torch "
            f"{torch.__version__}: pip install timm. Or use lite0, which needs {INSTALL} alone."
        ) from error
    try:
        net = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:  # no such net, no weights, no network: each says so in its own words
        raise UserError(
            f"timm does not give {name} ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). "
            f"Expected a name of timm.list_models(pretrained=True) or hf-hub:OWNER/NAME, and a network to have it from."
        ) from error
    if not isinstance(net, nn.Module) or not hasattr(net, "num_features"):
        raise UserError(f"timm's {name} is no net with features. Choose another.")
    return net
