"""Lists in pages: an opaque cursor names the last item of the page before."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Query
from pydantic import ConfigDict, Field, TypeAdapter

from monitor.errors import UsageError

DEFAULT: Final = 50
LONGEST: Final = 200
_FOREIGN: Final = "the cursor is not one of this list: begin again without a cursor"

_WHOLE: Final = 2**63 - 1  # the largest whole number of a database

Item = TypeVar("Item")
Position = tuple[str | int | float, ...]  # of an item in the order of its list
_PARTS: Final[TypeAdapter[Position]] = TypeAdapter(
    tuple[str | Annotated[int, Field(ge=-_WHOLE, le=_WHOLE)] | float, ...],
    config=ConfigDict(strict=True, allow_inf_nan=False),
)


@dataclass(frozen=True, slots=True)
class Paging:
    """One page of a list, as it was asked for."""

    limit: int = DEFAULT  # items
    after: Position | None = None  # position of the last item of the page before; None: the first page

    def position(self, *kinds: type) -> Position | None:
        """The position after which the page begins; None for the first page.

        Args:
            kinds: the types of the position's parts.

        Raises:
            UsageError: the cursor belongs to another list.
        """
        if self.after is not None and tuple(map(type, self.after)) != kinds:
            raise UsageError(_FOREIGN)
        return self.after


def encode_cursor(position: Position) -> str:
    """The opaque text of a position."""
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Position:
    """The position of a cursor.

    Raises:
        UsageError: the text is not a cursor.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = _PARTS.validate_json(base64.b64decode(padded, altchars=b"-_", validate=True))
    except ValueError:
        raise UsageError(_FOREIGN) from None
    return parts


async def read_paging(
    limit: Annotated[int, Query(ge=1, le=LONGEST, description="Maximum number of items.")] = DEFAULT,
    cursor: Annotated[
        str | None, Query(max_length=512, description="The value `next` of the page before; none: the first page.")
    ] = None,
) -> Paging:
    """The page that a request asks for."""
    return Paging(limit, None if cursor is None else decode_cursor(cursor))


Page = Annotated[Paging, Depends(read_paging)]


def cut(
    items: Sequence[Item], paging: Paging, *, position: Callable[[Item], Position]
) -> tuple[Sequence[Item], str | None]:
    """The items of one page, and the cursor of the next one; None after the last page.

    Args:
        items: those after ``paging.after``, in order; one more than ``paging.limit`` is enough.
        position: the position of an item, which :meth:`Paging.position` returns for the next page.
    """
    kept = items[: paging.limit]
    return kept, encode_cursor(position(kept[-1])) if len(items) > len(kept) else None
