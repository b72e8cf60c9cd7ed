"""Refuses query parameters that a path does not have: a misspelt filter would otherwise select everything."""

from collections.abc import Iterator
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import HTTPConnection


async def check_query(connection: HTTPConnection) -> None:
    """A dependency of every path; async, so that it runs on the event loop and not on a thread.

    Raises:
        RequestValidationError: a parameter is unknown.
    """
    if not connection.query_params:
        return
    known = frozenset(_names(connection.scope["route"].dependant))
    unknown = [name for name in connection.query_params if name not in known]
    if unknown:
        raise RequestValidationError(
            [{"type": "extra_forbidden", "loc": ("query", name[:100]), "msg": "", "input": None} for name in unknown]
        )


def _names(dependant: Any) -> Iterator[str]:  # noqa: ANN401 - FastAPI's Dependant
    """The query parameters of a path and of its dependencies."""
    for field in dependant.query_params:
        yield field.alias
    for inner in dependant.dependencies:
        yield from _names(inner)
