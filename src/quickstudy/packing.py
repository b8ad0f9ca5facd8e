"""A run to hand on: what answers, without what only training needed, in half the bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from quickstudy import confidence, runs
from quickstudy.errors import UserError


def pack(run: runs.Run, out: Path) -> runs.Run:
    """Write ``run`` into the folder ``out`` with its matrices and kernels in half precision; the run that it is then.

    Vectors (scales, moments) stay as they are: they are few, and their errors would be everywhere. Raises UserError
    where something is at ``out`` already, or where a weight is too large for half precision.
    """
    if out.exists():
        raise UserError(f"{out} is there already. Choose another folder.")
    learner = run.learner().lean()
    made = replace(run, path=out, config=learner.config)
    tensors = {name: _half(name, value) for name, value in learner.state_dict().items()}
    runs.write_card(made)
    runs.write_tensors(out / runs.WEIGHTS, tensors)
    if (known := confidence.read(run.path / confidence.FILE)) is not None:
        confidence.write(known, out / confidence.FILE)
    return made


def _half(name: str, value: Tensor) -> Tensor:
    if value.dtype != torch.float32 or value.dim() < 2:
        return value
    if value.abs().max() > torch.finfo(torch.float16).max:
        raise UserError(f"{name} holds weights too large for half precision. Hand on the run folder as it is.")
    return value.half()
