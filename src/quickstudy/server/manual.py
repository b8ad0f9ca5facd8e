"""The page at /docs: every route as OpenAPI has it, with an example; HTML that needs no script and no internet."""

from __future__ import annotations

import json
import shlex
from html import escape
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from quickstudy.server.page import HEADERS
from quickstudy.server.samples import sample

Row = dict[str, Any]
STRICT = HEADERS | {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
}
FILES = {"application/octet-stream": "--data-binary @pets.qs", "text/csv": "--data-binary @table.csv"}


def add_manual(app: FastAPI) -> None:
    """Serve the page from ``app``."""

    @app.get("/docs", include_in_schema=False)
    async def manual(request: Request) -> HTMLResponse:
        return HTMLResponse(written(app.openapi(), str(request.base_url).rstrip("/")), headers=STRICT)


def written(described: Row, address: str) -> str:
    """The page of what OpenAPI says; ``address`` is what its examples ask."""
    shapes = described["components"]["schemas"]
    routes = [
        _route(method, path, operation, shapes, address)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]
    about = "".join(f"<p>{_words(part)}</p>" for part in described["info"]["description"].split("\n\n"))
    styles = "".join(f'<link rel="stylesheet" href="/static/css/{name}.css">' for name in ("base", "frame", "manual"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>quickstudy: routes</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><link rel="icon" href="/static/icon.svg" type="image/svg+xml">{styles}</head><body>'
        '<header class="top"><a class="wordmark" href="/"><span class="swipe">quick</span>study</a></header>'
        f'<main class="manual"><div class="intro"><h1>Routes</h1>{about}<p>The same for programs: '
        f'<a href="/openapi.json">openapi.json</a>, of version {escape(described["info"]["version"])}.</p></div>'
        f"{''.join(routes)}</main></body></html>\n"
    )


def _route(method: str, path: str, operation: Row, shapes: Row, address: str) -> str:
    parts = [f"<h2><b>{method.upper()}</b> <code>{escape(path)}</code></h2>"]
    parts.append(f"<p>{_words(operation.get('description') or operation['summary'])}</p>")
    if given := operation.get("parameters"):
        parts.append(f"<dl>{''.join(map(_parameter, given))}</dl>")
    bodies: Row = operation.get("requestBody", {}).get("content", {})
    url = address + _filled(path, operation.get("parameters", []))
    for kind, body in (bodies or {"": {}}).items():
        parts.append(_block(_curl(method, url, kind, body, shapes)))
        if kind == "text/csv":
            parts.append(_block(body["example"], "table.csv"))
    status, answer = next((code, told) for code, told in operation["responses"].items() if code.startswith("2"))
    for kind, body in answer.get("content", {"": {}}).items():
        parts.append(_block(*_answer(status, kind, body, shapes)))
    return f'<section class="route">{"".join(parts)}</section>'


def _parameter(given: Row) -> str:
    schema = given["schema"]
    kinds = [one.get("type", "") for one in schema.get("anyOf", [schema])]
    facts = [f"in the {given['in']}", next(kind for kind in kinds if kind != "null")]
    if schema.get("default") not in (None, ""):
        facts.append(f"{schema['default']} if it is left out")
    elif not given.get("required"):
        facts.append("may be left out")
    words = given.get("description") or schema.get("description")
    told = f": {_words(words)}" if words else ""
    return f"<dt><code>{escape(given['name'])}</code></dt><dd>{escape(', '.join(facts))}{told}</dd>"


def _filled(path: str, parameters: list[Row]) -> str:
    """The path, with an example of what has to be in it."""
    asked = []
    for given in parameters:
        value = quote(str(sample(given["schema"], {})), safe="")
        if given["in"] == "path":
            path = path.replace(f"{{{given['name']}}}", value)
        elif given.get("required"):
            asked.append(f"{given['name']}={value}")
    return path + "?" * bool(asked) + "&".join(asked)


def _curl(method: str, url: str, kind: str, body: Row, shapes: Row) -> str:
    if kind == "text/csv" and url.endswith("/examples"):
        url += "?target=kind"
    words = ["curl", shlex.quote(url)]
    if method != ("post" if kind else "get"):
        words.insert(1, f"-X {method.upper()}")
    if kind == "application/json":
        words.append(f"\\\n  --json {shlex.quote(json.dumps(sample(body['schema'], shapes), ensure_ascii=False))}")
    elif kind == "multipart/form-data":
        label = "-F label=cat " if "label" in body["schema"]["properties"] else ""
        words.append(f"\\\n  {label}-F files=@cat.png")
    elif kind:
        words.append(f"\\\n  -H 'Content-Type: {kind}' {FILES[kind]}")
    return " ".join(words)


def _answer(status: str, kind: str, body: Row, shapes: Row) -> tuple[str, str]:
    if kind != "application/json":
        return kind or "no body", status
    shape = body.get("schema", {})
    return json.dumps(sample(shape, shapes), indent=2, ensure_ascii=False), status


def _block(text: str, title: str = "") -> str:
    head = f"<figcaption>{escape(title)}</figcaption>" if title else ""
    return f'<figure>{head}<pre tabindex="0"><code>{escape(text.rstrip())}</code></pre></figure>'


def _words(text: str) -> str:
    """A sentence in which what stands between backticks is code."""
    parts = escape(text.replace("``", "`")).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
