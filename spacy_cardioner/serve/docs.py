"""The page that describes the service, made from its OpenAPI schema, without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Schema = Mapping[str, Any]


def page(openapi: Schema) -> str:
    """The page. Its links are relative, so that it works behind a proxy."""
    info = openapi["info"]
    title = escape(f"{info['title']} {info['version']}")
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width">',
        '<link rel="stylesheet" href="docs.css"></head><body>',
        f"<h1>{title}</h1><p>{escape(info['description'])}</p>",
        '<p>As <a href="openapi.json">OpenAPI</a>, for programs.</p>',
        *(
            part
            for path, methods in openapi["paths"].items()
            for method, operation in methods.items()
            for part in _operation(method, path, operation)
        ),
        *(part for item in _models(openapi).items() for part in _model(*item)),
        "</body></html>",
    ]
    return "\n".join(parts)


def _models(openapi: Schema) -> dict[str, Schema]:
    schemas = openapi["components"]["schemas"]
    return {name: schema for name, schema in schemas.items() if "properties" in schema}


def _operation(method: str, path: str, operation: Schema) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    for text in operation.get("description", "").split("\n\n"):
        yield f"<p>{_prose(text)}</p>"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(kind)}</code>, {_type(content['schema'])}</p>"
    rows = [
        (f"<code>?{escape(one['name'])}</code>", _type(one["schema"]), one.get("description", ""))
        for one in operation.get("parameters", ())
    ]
    rows += [
        (f"<code>{status}</code>", "", answer["description"])
        for status, answer in operation["responses"].items()
    ]
    yield _table(rows)


def _model(name: str, schema: Schema) -> Iterator[str]:
    yield f'<h2 id="{escape(name)}">{escape(name)}</h2>'
    yield f"<p>{_prose(schema.get('description', ''))}</p>"
    yield _table(
        [
            (f"<code>{escape(field)}</code>", _type(one), one.get("description", ""))
            for field, one in schema["properties"].items()
        ]
    )


def _table(rows: list[tuple[str, str, str]]) -> str:
    lines = (f"<tr><td>{a}</td><td>{b}</td><td>{_prose(c)}</td></tr>" for a, b, c in rows)
    return f"<table>{''.join(lines)}</table>"


def _type(schema: Schema) -> str:
    """A type in words, with the default."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        words = " or ".join(map(_type, schema["anyOf"]))
    elif "enum" in schema:
        words = " or ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    elif schema.get("type") == "array":
        words = f"list of {_type(schema['items'])}"
    else:
        words = escape(schema.get("type", "any"))
    if schema.get("default") is not None:
        words += f", default <code>{escape(str(schema['default']).lower())}</code>"
    return words


def _prose(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))
