from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from monitor.client import calls
from monitor.client.retries import RequestAttempts, Retries, read_retry_after
from monitor.errors import RemoteConflictError, ResourceNotFoundError, ServerUnavailableError

REQUEST = httpx.Request("GET", "http://127.0.0.1/api/v1/analyses")
LOST, REFUSED = httpx.ReadError("lost", request=REQUEST), httpx.ConnectError("refused", request=REQUEST)


def answer(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, request=REQUEST)


def test_pauses_grow_to_the_longest_one() -> None:
    retries = Retries(attempts=8, first_pause=1.0, longest_pause=5.0)
    for attempt, longest in enumerate((1.0, 2.0, 4.0, 5.0, 5.0), start=1):
        pauses = [retries.pause(attempt) or 0.0 for _ in range(200)]
        assert max(pauses) <= longest
        assert max(pauses) > 0.7 * longest
    assert retries.pause(8) is None
    with pytest.raises(ValueError, match="at least 1"):
        Retries(attempts=0)


def test_the_server_decides_on_the_pause_unless_it_is_too_long() -> None:
    retries = Retries(longest_retry_after=10.0)
    assert (retries.pause(1, 7.0), retries.pause(1, 0.0)) == (7.0, 0.0)
    assert retries.pause(1, 11.0) is None


def test_retry_after_is_a_number_or_a_date() -> None:
    assert (read_retry_after("12"), read_retry_after(None), read_retry_after("soon")) == (12.0, None, None)
    later = read_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert later is not None
    assert 25 < later <= 30
    assert read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again(status: int) -> None:
    attempts = RequestAttempts(calls.list_analyses(), Retries(attempts=3, first_pause=0.1))
    assert attempts.take(answer(status, **{"retry-after": "2"})) == 2.0
    assert attempts.take(answer(status)) is not None
    with pytest.raises(ServerUnavailableError) as told:
        attempts.take(answer(status, **{"retry-after": "2"}))
    assert (told.value.status, told.value.retry_after) == (status, 2.0)
    assert attempts.take(answer(200)) is None


def test_a_lost_connection_is_tried_again_if_the_request_may_be_repeated() -> None:
    attempts = RequestAttempts(calls.list_analyses(), Retries(attempts=2))
    assert attempts.fail(LOST) >= 0
    with pytest.raises(ServerUnavailableError, match=r"http://127\.0\.0\.1.*is it running"):
        attempts.fail(LOST)


def test_a_request_that_may_not_be_repeated_is_sent_once_more_only_if_nothing_was_done() -> None:
    flag = calls.create_flag("door", track_id=None, category="", note="")
    with pytest.raises(ServerUnavailableError):
        RequestAttempts(flag, Retries()).fail(LOST)
    with pytest.raises(ServerUnavailableError):
        RequestAttempts(flag, Retries()).take(answer(503))
    assert RequestAttempts(flag, Retries()).take(answer(429)) is not None
    assert RequestAttempts(flag, Retries()).fail(REFUSED) >= 0


def test_a_request_whose_first_attempt_still_runs_is_repeated() -> None:
    attempts = RequestAttempts(calls.upload_file("a.mp4", size=1, key="one"), Retries())
    attempts.fail(LOST)
    assert attempts.take(answer(409, **{"retry-after": "5"})) == 5.0
    with pytest.raises(RemoteConflictError):
        attempts.take(answer(409))
    with pytest.raises(RemoteConflictError):
        RequestAttempts(calls.delete_analysis("one"), Retries()).take(answer(409, **{"retry-after": "5"}))


def test_a_deletion_whose_answer_was_lost_is_done() -> None:
    attempts = RequestAttempts(calls.delete_analysis("one"), Retries())
    attempts.fail(LOST)
    assert attempts.take(answer(404)) is None
    with pytest.raises(ResourceNotFoundError):
        RequestAttempts(calls.delete_analysis("one"), Retries()).take(answer(404))


def test_no_message_contains_the_key() -> None:
    attempts = RequestAttempts(calls.list_analyses(), Retries(attempts=1), secret="dfm_1_hidden")  # noqa: S106
    with pytest.raises(ServerUnavailableError) as told:
        attempts.fail(httpx.ReadError("illegal header Bearer dfm_1_hidden", request=REQUEST))
    assert "hidden" not in str(told.value)
