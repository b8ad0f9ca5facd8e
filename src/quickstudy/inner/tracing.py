"""What a function of tensors does, operation by operation, as a graph.

PyTorch's own tracer (make_fx) makes a stand-in of each value beside it, for compilers, which takes most of its time and
is of no use to what is played back as it was.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

aten = torch.ops.aten
LAYOUT = "layout"
"""Where a node's ``meta`` has size, strides and offset of the tensor that it gives."""
GIVES_A_NUMBER = torch.Tag.data_dependent_output
DECIDING = {GIVES_A_NUMBER, torch.Tag.dynamic_output_shape}
"""Marks of operations with which the value of a tensor gets into Python, as a number or as the size of another one."""


READS: set[Any] = {
    Tensor.numpy,
    Tensor.tolist,
    Tensor.__array__,
    Tensor.__dlpack__,
    Tensor.data_ptr,
    Tensor.untyped_storage,
    torch.tensor_split,
    Tensor.tensor_split,
}
"""What takes values out of a tensor's memory without an operation."""


class Traced(NamedTuple):
    """What a function did."""

    graph: fx.Graph
    held: nn.Module
    """What holds the tensors that it uses beside its arguments."""
    decided: list[tuple[Tensor, int]]
    """Those of them whose values decided what is done, with their versions then: written into, they decide anew."""


def traced(function: Callable[..., Sequence[Tensor]], leaves: Sequence[Tensor]) -> Traced:
    """Graph of ``function(*leaves)``.

    Raises RuntimeError where the values of tensors decide what is done.
    """
    tracer = Tracer()
    # each is a tensor of its own: what comes twice now, or is known to the function otherwise too, may not do so again
    own = [aten.alias(leaf) for leaf in leaves]
    for number, leaf in enumerate(own):
        tracer.note(leaf, tracer.graph.placeholder(f"leaf_{number}"))
    with tracer, Reading(tracer):
        out = function(*own)
    tracer.graph.output([tracer.node(value) for value in out])
    return Traced(tracer.graph, tracer.held, [(value, value._version) for value in tracer.decided.values()])


class Tracer(TorchDispatchMode):
    """Writes down the operations within it, as autograd and the transforms of torch.func leave them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph, self.held = fx.Graph(), nn.Module()
        self.nodes = WeakTensorKeyDictionary()
        self.known = set[fx.Node]()
        """Those that depend on no argument of the function: their values may be looked at."""
        self.decided: dict[fx.Node, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is aten.lift_fresh.default:
            func = aten.lift_fresh_copy.default  # or writing to it would change what is held
        used: list[fx.Node] = []
        nodes = self._nodes(args, used), {name: self._nodes(value, used) for name, value in kwargs.items()}
        if not DECIDING.isdisjoint(func.tags):
            self._decide(func, [self.node(mask) for mask in _masks(args[1])] if func is aten.index.Tensor else used)
        out = func(*args, **kwargs)
        if GIVES_A_NUMBER not in func.tags:
            fixed = bool(used) and self.known.issuperset(used)
            self._write(out, func, *nodes, fixed and torch.Tag.nondeterministic_seeded not in func.tags)
        return out

    def _decide(self, func: Any, nodes: list[fx.Node]) -> None:
        """That the values of ``nodes`` decide; RuntimeError where they are not known."""
        if not self.known.issuperset(nodes):
            raise RuntimeError(f"the value of a tensor decides what is done next, by {func}")
        seen, left = set[fx.Node](), list(nodes)
        while left:
            node = left.pop()
            if node.op == "get_attr":
                self.decided[node] = self.held.get_buffer(str(node.target))
            seen.add(node)
            left += [other for other in node.all_input_nodes if other not in seen]

    def _nodes(self, value: Any, used: list[fx.Node]) -> Any:
        """An argument of an operation with a node in the place of each tensor; they are ``used`` too."""
        if isinstance(value, Tensor):
            used.append(node := self.node(value))
            return node
        if isinstance(value, tuple | list):
            return type(value)([self._nodes(part, used) for part in value])
        return value

    def node(self, value: Tensor) -> fx.Node:
        """What gives ``value``: an operation, an argument, or else it was there before."""
        node: fx.Node | None = self.nodes.get(value)
        if node is None:
            name = f"held_{len(self.held._buffers)}"
            self.held.register_buffer(name, value)
            node = self.graph.get_attr(name)
            self.known.add(node)
            self.note(value, node)
        return node

    def note(self, value: Tensor, node: fx.Node) -> None:
        """That ``node`` gives ``value``."""
        self.nodes[value] = node
        if not value._is_zerotensor():  # a tangent of zeros has no memory to look at
            node.meta[LAYOUT] = tuple(value.shape), tuple(value.stride()), value.storage_offset()

    def _write(self, out: Any, func: Any, args: Any, kwargs: Any, known: bool) -> None:
        """``func(*args, **kwargs)``, which gave ``out``."""
        node = self.graph.create_node("call_function", func, args, kwargs, name="value")  # theirs take long to make up
        if known:
            self.known.add(node)
        if isinstance(out, Tensor):
            self.note(out, node)
        elif isinstance(out, tuple | list):
            for number, part in enumerate(out):
                self._write(part, operator.getitem, (node, number), {}, known)


class Reading(TorchFunctionMode):
    """Sees what reads a tensor's memory past the operations that a tracer writes down."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in READS:
            # of tensor_split the indices alone, which may be numbers
            read = args[1:2] if func in (torch.tensor_split, Tensor.tensor_split) else args[:1]
            self.tracer._decide(func, [self.tracer.node(value) for value in read if isinstance(value, Tensor)])
        return func(*args, **(kwargs or {}))


def _masks(indices: Sequence[Tensor | None]) -> list[Tensor]:
    """Those that say of each place whether it is taken."""
    return [index for index in indices if index is not None and index.dtype in (torch.bool, torch.uint8)]
