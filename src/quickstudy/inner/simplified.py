"""A recording's graph without what changes nothing: a chain of views is one, or none, and equal operations are one."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from quickstudy.inner.tracing import LAYOUT

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


def simplify(graph: fx.Graph) -> None:
    """Leave out of a graph of ``traced`` what changes nothing; a chain of views becomes one, or none."""
    changed = {_memory(node.args[0]) for node in graph.nodes if _writes(node)}
    seen: dict[str, fx.Node] = {}
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in VIEWS and LAYOUT in node.meta:
            node = _one_view(graph, node)
        if node.op != "call_function" or _writes(node) or _memory(node) in changed or _reads(node, changed):
            continue
        same = seen.setdefault(f"{node.target} {node.args} {node.kwargs}", node)
        if same is not node and not _random(node):
            node.replace_all_uses_with(same)
            graph.erase_node(node)
    for node in reversed(list(graph.nodes)):  # their own removal of dead code looks at each in many more ways
        if node.op in ("call_function", "get_attr") and not (node.users or _writes(node) or _random(node)):
            graph.erase_node(node)


def _base(node: Any) -> Any:
    while isinstance(node, fx.Node) and node.op == "call_function" and node.target in VIEWS:
        node = node.args[0]
    return node


def _memory(node: Any) -> Any:
    """Whose memory it is that ``node`` shows: by any operation that gives a part of what it is given, or several."""
    while isinstance(node, fx.Node) and node.op == "call_function" and (_shows(node) or node.target in VIEWS):
        node = node.args[0]
    return node


def _shows(node: fx.Node) -> bool:
    if node.target is operator.getitem:
        return isinstance(node.args[0], fx.Node) and _shows(node.args[0])
    schema = getattr(node.target, "_schema", None)
    return schema is not None and not schema.is_mutable and any(one.alias_info is not None for one in schema.returns)


def _one_view(graph: fx.Graph, node: fx.Node) -> fx.Node:
    """The view of the tensor at the start of the chain, or that tensor where it looks the same."""
    base = _base(node)
    if LAYOUT not in base.meta:
        return node
    if base.meta[LAYOUT] == node.meta[LAYOUT]:
        node.replace_all_uses_with(base)
        graph.erase_node(node)
        return base
    size, stride, offset = node.meta[LAYOUT]
    if offset == base.meta[LAYOUT][-1]:
        offset = None  # where the base starts in memory, which of a task's tensors is elsewhere for the next task
    elif base.op == "placeholder" or base.target is operator.getitem:
        return node
    with graph.inserting_before(node):
        new = graph.call_function(aten.as_strided.default, (base, list(size), list(stride), offset))
    new.meta[LAYOUT] = node.meta[LAYOUT]
    node.replace_all_uses_with(new)
    graph.erase_node(node)
    return new


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _reads(node: fx.Node, changed: set[Any]) -> bool:
    return any(_memory(one) in changed for one in node.all_input_nodes)


def _random(node: fx.Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
