"""Answers with an ETag: a client that has the newest one receives 304 without a body (RFC 9110)."""

import hashlib
from collections.abc import Mapping
from typing import Final

from fastapi import HTTPException
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

HEADERS: Final = {
    "Cache-Control": "private, no-cache",  # a browser may keep it, and asks each time whether it is still the newest
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def etag_of(content: bytes) -> str:
    """The ETag of some bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def answer(
    request: Request, content: object, *, status: int = 200, headers: Mapping[str, str] | None = None, etag: str = ""
) -> Response:
    """A JSON answer with its ETag; 304 if the request names the same one.

    Args:
        content: a pydantic model, or JSON values.
        etag: of the resource; default: of the JSON text.
    """
    body = to_json(content, inf_nan_mode="null")
    return answer_bytes(request, body, media_type="application/json", status=status, headers=headers, etag=etag)


def answer_bytes(
    request: Request,
    body: bytes,
    *,
    media_type: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    etag: str = "",
) -> Response:
    """An answer of any type with its ETag; 304 if the request names the same one."""
    tag = etag or etag_of(body)
    shown = {**HEADERS, **(headers or {}), "ETag": tag}
    if request.method in ("GET", "HEAD") and is_known(request, tag):
        return Response(status_code=304, headers=shown)
    return Response(body, status, media_type=media_type, headers=shown)


def is_known(request: Request, etag: str) -> bool:
    """Whether the client has this version already (If-None-Match)."""
    return _names(request.headers.get("if-none-match", ""), etag)


def answer_file(request: Request, file: Response) -> Response:
    """The answer with a file; 304 if the request names the file's ETag."""
    tag = file.headers.get("etag", "")
    if tag and is_known(request, tag):
        return Response(status_code=304, headers={**HEADERS, "ETag": tag})
    return file


def check_if_match(request: Request, etag: str) -> None:
    """Refuse a change of a resource that another client has changed meanwhile.

    Raises:
        HTTPException: 412, the header If-Match names another version.
    """
    wanted = request.headers.get("if-match")
    if wanted is not None and not _names(wanted, etag):
        raise HTTPException(412, "another client has changed this meanwhile: read it again, then repeat the change")


def _names(header: str, etag: str) -> bool:
    """Whether a list of ETags contains this one; weak ones compare as strong ones do."""
    tags = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in tags or etag in tags
