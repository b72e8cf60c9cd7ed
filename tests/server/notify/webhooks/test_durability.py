"""Some hundred events through a receiver that is down half of the time, with kill -9; the benchmark has 10,000."""

import time
from pathlib import Path

from support.waiting import until
from support.webhook_load import DONE, SETTINGS, Windows, accepted_numbers, committed, emitting, url_in
from support.webhook_receiver import receiving

from monitor.server.notify.webhooks.store import WebhookStore
from monitor.system.database import Database

EVENTS, STREAMS, RATE = 400, 4, 50.0  # events; streams; events per second


def test_nothing_committed_is_lost_or_out_of_order_when_the_server_is_killed(tmp_path: Path) -> None:
    with receiving() as receiver:
        with Database.open(url_in(tmp_path)) as database:
            secret = WebhookStore(database, SETTINGS.webhooks).add(receiver.url).secret
        receiver.answer = Windows(up=0.7, down=0.7, began=time.monotonic())
        with emitting(tmp_path, events=EVENTS, streams=STREAMS, rate=RATE) as process:
            until(lambda: len(receiver.accepted) > 20)
            process.kill()  # SIGKILL
            process.wait()
        before = committed(tmp_path)
        assert sum(map(len, before.values())) < EVENTS, "killed amid them"
        with emitting(tmp_path, events=EVENTS, streams=STREAMS, rate=RATE) as process:
            assert process.stdout is not None
            lines = [line.split() for line in process.stdout]
        assert lines[-1] == [DONE]
        assert lines[0][-1] == "0", "no event was lost in memory"
        accepted = accepted_numbers(receiver.accepted)
    expected = {source: list(range(EVENTS // STREAMS)) for source in before}
    assert len(expected) == STREAMS
    assert accepted == committed(tmp_path) == expected
    assert all(one.is_signed_with(secret) for one in receiver.received)
    assert len(receiver.received) > len(receiver.accepted), "it was down at times"
