"""Errors as problem details (RFC 9457), with one sentence that says what to do."""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, ValidationException, WebSocketRequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from monitor import errors
from monitor.errors import kind_of
from monitor.settings.sentences import describe
from monitor.system.logs import mask_text

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MEDIA_TYPE: Final = "application/problem+json"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_BLANK: Final = "about:blank"
_VALIDATION: Final = "urn:deepfake-monitor:validation"
_UNREADABLE: Final = "There was an error parsing the body"  # FastAPI's, with the status 400
_MAX_ITEMS: Final = 20  # errors listed in one problem
_STATUS: Final[Mapping[type[errors.MonitorError], int]] = {  # the most special class first
    errors.ConflictError: 409,
    errors.FlagNotFoundError: 404,
    errors.WebhookNotFoundError: 404,
    errors.FlagChangedError: 412,
    errors.SignInError: 401,
    errors.StoreError: 503,
    errors.OutputError: 507,
    errors.EngineError: 503,
    errors.ModelError: 503,
    errors.UsageError: 422,
    errors.SourceError: 422,
    errors.BundleError: 422,
}
TOO_LARGE: Final = "the body is too large: send less in one request"
_SENTENCES: Final = {
    404: "there is nothing at this path: the description at openapi.json lists all paths",
    405: "this path does not allow this method: the header Allow lists those that it allows",
    413: TOO_LARGE,
}

_log = logging.getLogger(__name__)


class ProblemItem(BaseModel):
    """One invalid part of a request."""

    detail: str
    pointer: str | None = Field(None, description="Place in the body, as a JSON pointer.")
    parameter: str | None = Field(None, description="Name of the parameter in the path, the query or the header.")


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = Field(description="about:blank, or urn:deepfake-monitor: with the name of the error.")
    title: str
    status: int
    detail: str = Field(description="One sentence: what failed, with what, what to do.")
    errors: list[ProblemItem] | None = None


def problem(
    status: int,
    detail: str,
    *,
    kind: str = _BLANK,
    items: Sequence[ProblemItem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for an error.

    Args:
        detail: one sentence; addresses in it are masked.
        kind: URI of the kind of error.
        items: the invalid parts of the request.
    """
    body = Problem(
        type=kind,
        title=HTTPStatus(status).phrase,
        status=status,
        detail=mask_text(detail),
        errors=list(items) or None,
    )
    content = body.model_dump_json(exclude_none=True)
    return Response(content, status, media_type=MEDIA_TYPE, headers={**HEADERS, **(headers or {})})


def describe_errors(errors_by_status: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """The errors of a path for its description; each answer is a problem.

    Args:
        errors_by_status: one sentence per status.
    """
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": text, "content": content} for status, text in errors_by_status.items()}


def status_of(error: errors.MonitorError) -> int:
    """The HTTP status of an error of this program."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def answer_errors(app: FastAPI, allowed_methods: Callable[[str], Sequence[str]]) -> None:
    """Answer every error of an app with a problem.

    Args:
        allowed_methods: the methods of a path below the mount.
    """

    async def from_http(connection: HTTPConnection, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - narrows the type
        phrase = HTTPStatus(error.status_code).phrase
        own = isinstance(error.detail, str) and error.detail not in (phrase, "", "Content Too Large")
        if error.detail == _UNREADABLE:
            return problem(422, "the body is not JSON in UTF-8: correct it", kind=_VALIDATION)
        detail = error.detail if own else _SENTENCES.get(error.status_code, phrase)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # Starlette names those of the first route only
            path = connection.scope["path"].removeprefix(connection.scope.get("root_path", ""))
            headers["Allow"] = ", ".join(allowed_methods(path))
        return problem(error.status_code, str(detail), headers=headers)

    app.add_exception_handler(HTTPException, from_http)
    app.add_exception_handler(RequestValidationError, _from_validation)
    app.add_exception_handler(WebSocketRequestValidationError, _from_validation)
    app.add_exception_handler(errors.MonitorError, _from_monitor)
    app.add_exception_handler(Exception, _from_failure)


async def _from_validation(connection: HTTPConnection, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, ValidationException)  # noqa: S101 - narrows the type
    items = [_item(found) for found in error.errors()[:_MAX_ITEMS]]
    first = items[0]
    where = first.parameter or (first.pointer and f"{first.pointer} in the body") or "the body"
    return problem(422, f"{where}: {first.detail}", kind=_VALIDATION, items=items)


def _item(found: Mapping[str, Any]) -> ProblemItem:
    """The invalid part, without the value that was sent: it may be a secret."""
    place, *path = found["loc"] or ("body",)
    sentence = describe(cast("ErrorDetails", found))
    if place == "body":
        pointer = "".join(f"/{part}" for part in path) if found["type"] != "json_invalid" else ""
        return ProblemItem(detail=sentence, pointer=f"#{pointer}", parameter=None)
    return ProblemItem(detail=sentence, pointer=None, parameter=".".join(map(str, path)) or str(place))


async def _from_monitor(connection: HTTPConnection, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, errors.MonitorError)  # noqa: S101 - narrows the type
    status = status_of(error)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if isinstance(error, errors.ConflictError) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return problem(status, str(error), kind=kind_of(error), headers=headers)


async def _from_failure(connection: HTTPConnection, error: Exception) -> Response:
    _log.error("%s %s failed", connection.scope.get("method", "WS"), connection.url.path, exc_info=error)
    return problem(500, "the server failed at this request: its log explains why, at this time")
