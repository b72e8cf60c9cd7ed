"""Turns a failed request into an error with one sentence: the server's own (RFC 9457), or one for its status."""

import re
from collections.abc import Mapping
from typing import Any, Final

import httpx

from monitor.errors import (
    AccessDeniedError,
    RemoteConflictError,
    RemoteError,
    RequestRefusedError,
    ResourceNotFoundError,
    ServerUnavailableError,
    class_of,
)

_KINDS: Final[Mapping[int, type[RemoteError]]] = {
    400: RequestRefusedError,
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: ResourceNotFoundError,
    409: RemoteConflictError,
    412: RemoteConflictError,
    413: RequestRefusedError,
    415: RequestRefusedError,
    422: RequestRefusedError,
    429: ServerUnavailableError,
    502: ServerUnavailableError,
    503: ServerUnavailableError,
    504: ServerUnavailableError,
}
_LONGEST: Final = 1000  # characters of a sentence
_ADVICE: Final = "is it running, and is this its address?"


def refusal_of(response: httpx.Response, *, retry_after: float | None = None, secret: str = "") -> RemoteError:
    """The error of an answer, whose body was read.

    Its ``exit_code`` is that of the same error on the server, so the command line ends alike.

    Args:
        retry_after: seconds, as the server asks.
        secret: the key, which no message contains.
    """
    problem = _read_problem(response)
    status = response.status_code
    sentence = str(problem.get("detail") or problem.get("title") or "") or _describe(response)
    kind = _KINDS.get(status, RemoteError)
    error = kind(_hide(sentence, secret), status=status, problem=problem, retry_after=retry_after)
    own = class_of(str(problem.get("type", "")))
    if own is not None:
        error.exit_code = own.exit_code
    return error


def connection_error(error: httpx.TransportError, *, secret: str = "") -> ServerUnavailableError:
    """The error of a request without an answer."""
    request = error.request if getattr(error, "_request", None) is not None else None
    server = "the server" if request is None else f"the server {_origin(request.url)}"
    reason = str(error) or re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
    return ServerUnavailableError(_hide(f"{server} does not answer ({reason}): {_ADVICE}", secret))


def unreadable_answer(response: httpx.Response, error: Exception) -> RemoteError:
    """The error of an answer that has another form than version 1 of the API."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    server, request = _origin(response.request.url), response.request
    return RemoteError(
        f"the answer of {server} to {request.method} {request.url.path} is not one of deepfake-monitor "
        f"({reason[:200]}): check the address, or update this program",
        status=response.status_code,
    )


def _read_problem(response: httpx.Response) -> dict[str, Any]:
    if "json" not in response.headers.get("content-type", ""):
        return {}
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _describe(response: httpx.Response) -> str:
    server, status = _origin(response.request.url), response.status_code
    if response.has_redirect_location:
        return f"{server} redirects to {response.headers['location']}: use that address"
    request = response.request
    return f"{server} answers {status} {response.reason_phrase} to {request.method} {request.url.path}"


def _origin(url: httpx.URL) -> str:
    """Scheme, host and port, without a password."""
    return f"{url.scheme}://{url.netloc.decode()}"


def _hide(sentence: str, secret: str) -> str:
    return (sentence.replace(secret, "***") if secret else sentence)[:_LONGEST]
