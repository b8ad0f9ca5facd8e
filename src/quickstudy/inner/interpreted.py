"""A recording played by PyTorch's own interpreter (TorchScript), which holds no lock of Python's.

Played by Python, a task's thousand small operations wait for those of another thread each time: two threads take a
third longer than one alone would for its half.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

WORDS = {
    r"(torch\.ops\.aten\.\w+)\.\w+\(": r"\1(",  # which form of an operation it is follows from the arguments
    r"; +(?:\w+ = )+None": "",  # values are let go of after their last use by themselves
    r"^ *\w+ = self\.\w+ *$": "",
    r"\bdevice\(type=": "torch.device(",
    r"\b(inf|nan)\b": r"float('\1')",
}
"""What Python writes otherwise than TorchScript."""


def interpreted(graph: fx.GraphModule) -> Callable[..., Any]:
    """``graph.forward``, or the same without Python where TorchScript knows all that is in it."""
    constants = {node.name: getattr(graph, node.target) for node in graph.graph.nodes if node.op == "get_attr"}
    given = [node.name for node in graph.graph.nodes if node.op == "placeholder"]
    try:
        made = torch.jit.CompilationUnit(source(graph.code, [*given, *constants])).play
    except RuntimeError:  # an operation that is not PyTorch's own, or one that it has no words for
        return graph.forward
    held = list(constants.values())
    return (lambda *leaves: made(*leaves, *held)) if held else made


def source(code: str, arguments: list[str]) -> str:
    """The function of ``code`` as TorchScript writes it; what its module held are ``arguments`` too."""
    body = code[code.index("\n", code.index("def forward(")) :]
    for word, ours in WORDS.items():
        body = re.sub(word, ours, body, flags=re.MULTILINE)
    return f"def play({', '.join(f'{name}: Tensor' for name in arguments)}):{body}"
