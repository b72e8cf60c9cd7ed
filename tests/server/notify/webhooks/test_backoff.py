from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from monitor.server.notify.webhooks.backoff import parse_retry_after, pause_after


def test_pauses_double_from_a_second_to_five_minutes() -> None:
    for attempts, (shortest, longest) in {
        1: (1.0, 1.25),
        2: (2.0, 2.5),
        5: (16, 20),
        9: (240, 300),
        10_000: (240, 300),
    }.items():
        pauses = [pause_after(attempts) for _ in range(200)]
        assert all(shortest <= pause <= longest for pause in pauses)
        assert len(set(pauses)) > 100, "with jitter"


def test_the_receiver_may_ask_for_a_longer_pause() -> None:
    assert pause_after(1, retry_after=90.0) == 90.0
    assert pause_after(9, retry_after=1.0) >= 240
    assert pause_after(1, retry_after=1e9) == 3600.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120.0), (" 0 ", 0.0), (None, None), ("", None), ("soon", None), ("-5", None), ("1.5", None), ("²", None)],
)
def test_retry_after_is_a_number_of_seconds(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header) == seconds


def test_retry_after_is_a_date() -> None:
    moment = datetime.now(UTC) + timedelta(seconds=100)
    assert 90 < (parse_retry_after(format_datetime(moment, usegmt=True)) or 0) <= 100
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
