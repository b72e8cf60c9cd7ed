"""The documentation page of the API, written from its description; it loads nothing and runs no script."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
from fastapi import FastAPI, HTTPException
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from monitor.server import service
from monitor.server.api.authentication import CHALLENGE, DOCS, find_caller
from monitor.server.auth.authorization import authorize
from monitor.server.auth.sessions import COOKIE
from monitor.server.auth.user import Role

_TEMPLATE: Final = Path(__file__).with_name("docs_page.html.j2")
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}
_NOT_SIGNED_IN: Final = "open this page from the dashboard's page System, where you are signed in, or send a key"


@dataclass(frozen=True, slots=True)
class DocumentedPath:
    """One method of one path, as the page shows it."""

    method: str
    path: str
    summary: str
    description: str
    role: str
    scope: str
    parameters: list[tuple[str, str, str, str]]  # name, place, type, description
    body: str  # name of its schema, or its media type; "" without a body
    answers: list[tuple[str, str, str]]  # status, schema, description


def add_docs(app: FastAPI) -> None:
    """Add ``/docs``, for signed-in users of the dashboard and for keys."""

    @app.get(DOCS, include_in_schema=False)
    async def read_docs(request: Request) -> Response:
        await _check_access(request)
        return HTMLResponse(render(app.openapi()), headers=_HEADERS)


async def _check_access(request: Request) -> None:
    """Refuse a request without a session of the dashboard, a page's token, or a key.

    Raises:
        HTTPException: 401.
    """
    if "authorization" in request.headers:  # checked before
        return
    sessions = service.current().sessions
    if await asyncio.to_thread(sessions.is_active, request.cookies.get(COOKIE, "")):
        return
    if await authorize(request, Role.VIEWER) is not None:
        return
    try:
        await find_caller(request)  # the mode "open"
    except HTTPException:
        raise HTTPException(401, _NOT_SIGNED_IN, headers=CHALLENGE) from None


def render(schema: Mapping[str, Any]) -> str:
    """HTML of a description, complete in itself."""
    paths = [
        _documented(path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    groups: dict[str, list[DocumentedPath]] = {}
    for one in paths:
        groups.setdefault(_tag(schema, one), []).append(one)
    schemas = {
        name: [_field(key, value, found) for key, value in found.get("properties", {}).items()]
        for name, found in sorted(schema["components"]["schemas"].items())
    }
    return _template().render(info=schema["info"], groups=groups, schemas=schemas)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["code"] = _with_code
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def _with_code(text: str) -> Markup:
    """Text with its `code` in backticks as HTML."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _tag(schema: Mapping[str, Any], one: DocumentedPath) -> str:
    tags = schema["paths"][one.path][one.method.lower()].get("tags", ["other"])
    return str(tags[0])


def _documented(path: str, method: str, operation: Mapping[str, Any]) -> DocumentedPath:
    bodies = operation.get("requestBody", {}).get("content", {})
    return DocumentedPath(
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        role=operation.get("x-role", ""),
        scope=operation.get("x-scope") or "all scopes",
        parameters=[
            (one["name"], one["in"], _type_name(one.get("schema", {})), one.get("description", ""))
            for one in operation.get("parameters", ())
        ],
        body=", ".join(_type_name(content.get("schema", {})) or media for media, content in bodies.items()),
        answers=[
            (status, ", ".join(_content_name(media, found) for media, found in one.get("content", {}).items()), text)
            for status, one in sorted(operation["responses"].items())
            for text in (one.get("description", "").replace("Successful Response", ""),)
            if status.startswith("2") or status in ("404", "409", "412")
        ],
    )


def _content_name(media: str, content: Mapping[str, Any]) -> str:
    return _type_name(content.get("schema", {})) if media == "application/json" else media


def _field(name: str, value: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    return name, _type_name(value), value.get("description", ""), name in schema.get("required", ())


def _type_name(schema: Mapping[str, Any]) -> str:
    """The name of a type in the manner of the description: ``array of StreamAnswer``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(filter(None, (_type_name(one) for one in schema["anyOf"])))
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    kind = str(schema.get("type", ""))
    if kind == "array":
        return f"array of {_type_name(schema.get('items', {})) or 'any'}"
    return f"{kind}, {schema['format']}" if "format" in schema else kind
