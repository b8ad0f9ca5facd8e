"""A value of a shape that OpenAPI describes: its own example where it has one."""

from __future__ import annotations

from typing import Any

PLAIN: dict[str, Any] = {"string": "word", "integer": 1, "number": 0.5, "boolean": True, "null": None}

NAMED: dict[str, Any] = {
    "id": "1",
    "ids": ["1"],
    "label": "cat",
    "labels": ["cat", "dog"],
    "weakest": "cat",
    "name": "characters",
    "learner": "protonet",
    "size": [1, 28, 28],
    "next": None,
    "created": "2026-11-26T10:00:00.000Z",
}
"""What stands in fields of these names where their shape shows no example."""


def sample(schema: dict[str, Any], shapes: dict[str, Any]) -> Any:
    """An example of ``schema``; ``shapes`` are what it refers to, by name."""
    if "$ref" in schema:
        return sample(shapes[schema["$ref"].rpartition("/")[2]], shapes)
    if schema.get("examples"):
        return schema["examples"][0]
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], shapes)
    return _of_type(schema, shapes)


def _of_type(schema: dict[str, Any], shapes: dict[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "array":
        parts = schema.get("prefixItems") or [schema.get("items", {})] * max(1, schema.get("minItems", 1))
        return [sample(one, shapes) for one in parts]
    if kind == "object" or kind is None:
        more = schema.get("additionalProperties")
        fields = schema.get("properties", {}).items()
        found = {name: NAMED[name] if name in NAMED else sample(one, shapes) for name, one in fields}
        return found or ({"name": sample(more, shapes)} if isinstance(more, dict) and more else {})
    return PLAIN[kind]
