"""Times in a query: ISO 8601 with a time zone, and no other form that pydantic would understand."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator


def _require_iso(value: object) -> object:
    """Refuses numbers, which pydantic takes for seconds since 1970."""
    if isinstance(value, str) and "-" not in value[1:]:
        raise ValueError("must be a time in ISO 8601, such as 2026-11-24T12:00:00Z")
    return value


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time between the years 1 and 9999 in UTC") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_require_iso), AfterValidator(_to_utc)]  # in UTC
