"""A recording's graph without what changes nothing: a chain of views is one, or none, and equal operations are one."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

aten = torch.ops.aten
VIEWS = {
    aten.view.default,
    aten._unsafe_view.default,
    aten.expand.default,
    aten.transpose.int,
    aten.t.default,
    aten.permute.default,
    aten.unsqueeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.select.int,
    aten.slice.Tensor,
    aten.alias.default,
    aten.detach.default,
    aten.as_strided.default,
}


def simplify(module: fx.GraphModule, leaves: list[Tensor]) -> None:
    """Leave out of the graph what changes nothing; a chain of views becomes one, or none."""
    found = _Layouts(module)
    with torch.no_grad():
        found.run(*leaves)
    changed = {_base(node.args[0]) for node in module.graph.nodes if _writes(node)}
    seen: dict[str, fx.Node] = {}
    for node in list(module.graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in VIEWS and node in found.layouts:
            node = _one_view(module.graph, node, found.layouts)
        if node.op != "call_function" or _writes(node) or _base(node) in changed or _reads(node, changed):
            continue
        same = seen.setdefault(f"{node.target} {node.args} {node.kwargs}", node)
        if same is not node and not _random(node):
            node.replace_all_uses_with(same)
            module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    module.recompile()


class _Layouts(fx.Interpreter):
    """Runs the graph once and notes size, strides and offset of each value."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.layouts: dict[fx.Node, tuple[Any, ...]] = {}

    def run_node(self, node: fx.Node) -> Any:
        value = super().run_node(node)
        if isinstance(value, Tensor) and not value._is_zerotensor():  # a tangent of zeros has no memory to look at
            self.layouts[node] = tuple(value.shape), tuple(value.stride()), value.storage_offset()
        return value


def _base(node: Any) -> Any:
    while isinstance(node, fx.Node) and node.op == "call_function" and node.target in VIEWS:
        node = node.args[0]
    return node


def _one_view(graph: fx.Graph, node: fx.Node, layouts: dict[fx.Node, tuple[Any, ...]]) -> fx.Node:
    """The view of the tensor at the start of the chain, or that tensor where it looks the same."""
    base = _base(node)
    if base not in layouts:
        return node
    if layouts[base] == layouts[node]:
        node.replace_all_uses_with(base)
        graph.erase_node(node)
        return base
    size, stride, offset = layouts[node]
    if offset == layouts[base][-1]:
        offset = None  # where the base starts in memory, which of a task's tensors is elsewhere for the next task
    elif base.op == "placeholder" or base.target is operator.getitem:
        return node
    with graph.inserting_before(node):
        new = graph.call_function(aten.as_strided.default, (base, list(size), list(stride), offset))
    layouts[new] = layouts[node]
    node.replace_all_uses_with(new)
    graph.erase_node(node)
    return new


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _reads(node: fx.Node, changed: set[Any]) -> bool:
    return any(_base(one) in changed for one in node.all_input_nodes)


def _random(node: fx.Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
