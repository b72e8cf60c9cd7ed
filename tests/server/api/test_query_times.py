from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from monitor.server.api.query_times import Moment

TIMES = TypeAdapter(Moment)


@pytest.mark.parametrize("text", ["2026-11-24T12:00:00Z", "2026-11-24T13:00:00+01:00", "2026-11-24 12:00:00.000Z"])
def test_a_time_becomes_utc(text: str) -> None:
    found = TIMES.validate_python(text)
    assert (found, found.tzinfo) == (datetime(2026, 11, 24, 12, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    "text", ["0.5", "-1", "1764000000", "2026-11-24T12:00:00", "", "now", "0001-01-01T00:00:00+23:59"]
)
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TIMES.validate_python(text)
