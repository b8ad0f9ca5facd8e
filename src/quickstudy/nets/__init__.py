"""Backbones by name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, cast

from torch import nn

from quickstudy.errors import UserError, unknown
from quickstudy.nets.backbone import Backbone
from quickstudy.nets.norm import NormKind

BACKBONES = {
    "conv4": ("quickstudy.nets.conv4:Conv4", "four 3x3 convolutions with max-pooling (Vinyals et al. 2016)"),
    "conv4m": ("quickstudy.nets.conv4:MapsConv4", "conv4 that pools twice, for learners of maps (Sung et al. 2018)"),
    "conv4s": ("quickstudy.nets.conv4:StridedConv4", "conv4 with stride 2 instead of pooling (Finn et al. 2017)"),
    "resnet8": ("quickstudy.nets.resnet:ResNet8", "three residual blocks and an embedding, for drawn characters"),
    "resnet12": ("quickstudy.nets.resnet:ResNet12", "four residual blocks of three convolutions (Lee et al. 2019)"),
    "mlp": ("quickstudy.nets.mlp:MLP", "two hidden layers, for numbers (Finn et al. 2017)"),
    "lite0": ("quickstudy.nets.lite0:Lite0", "EfficientNet-Lite0 of ImageNet, frozen, for photographs (extra: photos)"),
}
TIMM = "timm:"
"""What the name of a net of the timm library begins with."""


@dataclass(frozen=True, kw_only=True)
class NetConfig:
    """Which backbone a learner uses."""

    backbone: str = "auto"
    """Name of a backbone, or timm:NAME for a frozen net of the timm library; auto is the learner's own for images
    (conv4, or conv4m if it compares maps), else mlp."""
    width: int = 0
    """Filters or hidden units; 0 is the backbone's own default."""
    norm: str = "auto"
    """Normalisation: task, batch, group or none; auto is the learner's own default."""


Config = TypeVar("Config", bound=NetConfig)


def settled(config: Config, shape: tuple[int, ...], norm: NormKind, images: str = "conv4") -> Config:
    """``config`` with nothing left open for inputs of ``shape``; on images ``images`` and ``norm`` stand in for auto.

    It is what a run keeps, so that it stays what it is when defaults change.
    Raises UserError for an unknown backbone and a width below 0.
    """
    name = config.backbone
    if name == "auto":
        name = images if len(shape) == 3 else "mlp"
    if name not in BACKBONES and not name.startswith(TIMM):
        raise unknown("backbone", name, BACKBONES)
    if config.width < 0:
        raise UserError(f"--width is {config.width}; it must be 0 (the backbone's default) or more.")
    width = config.width or inspect.signature(_class(name)).parameters["width"].default
    kind = config.norm if config.norm != "auto" else ("none" if name == "mlp" or is_frozen(name) else norm)
    return replace(config, backbone=name, width=width, norm=kind)


def build(config: NetConfig, shape: tuple[int, ...]) -> Backbone:
    """The backbone that a settled ``config`` names; UserError for a shape that it does not take."""
    return _class(config.backbone)(shape, norm=config.norm, width=config.width)


def is_frozen(name: str) -> bool:
    """Whether the backbone of that name was trained elsewhere, and trains no more (see ``frozen.py``)."""
    return name == "lite0" or name.startswith(TIMM)


def _class(name: str) -> Callable[..., Backbone]:
    if name.startswith(TIMM):
        from quickstudy.nets.timm_net import TimmNet

        return partial(TimmNet, name.removeprefix(TIMM))
    module, _, attribute = BACKBONES[name][0].partition(":")
    return cast(Callable[..., Backbone], getattr(importlib.import_module(module), attribute))


def transductive(net: Backbone, wanted: bool) -> bool:
    """``wanted``, or UserError where query moments would change nothing."""
    if wanted and not net.keeps_moments:
        raise UserError("--transductive normalises queries with their own moments; that needs --norm task.")
    return wanted


def train_in_bfloat16(module: nn.Module, wanted: bool) -> None:
    """Set the arithmetic of training passes in every backbone of ``module``."""
    for part in module.modules():
        if isinstance(part, Backbone):
            part.trains_in_bfloat16 = wanted
