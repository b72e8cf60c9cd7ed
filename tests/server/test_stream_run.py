"""A stream that runs in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.waiting import until

from monitor.analysis.pipeline import Engines
from monitor.flags.archive import FlagArchive
from monitor.runtime import BackgroundWorker, StreamState, Subscription
from monitor.server.stream_run import LocalRun, StreamOrder
from monitor.settings import EvidenceSettings, Settings, SourceSettings
from monitor.types.events import Event


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FlagArchive]:
    with FlagArchive.open(EvidenceSettings(folder=tmp_path)) as archive:
        yield archive


def test_its_connections_go_on_counting_where_another_process_has_stopped(
    settings: Settings, engines: Engines, archive: FlagArchive
) -> None:
    seen: list[Event] = []
    with BackgroundWorker("clips") as worker:
        run = LocalRun(
            "demo:",
            engines=lambda: engines,
            settings=settings.model_copy(update={"source": SourceSettings(demo_seconds=0.4)}),
            archive=archive,
            worker=worker,
            observers=[Subscription(seen.append, "all")],
            connections=4,
        )
        run.start()
        until(lambda: run.status.state is StreamState.ENDED)
        run.stop()
    assert {event.connection for event in seen if event.type != "stream_state_changed"} == {5}
    assert (run.node, run.status.connection, run.observer_failures) == ("", 5, {})
    assert run.flagger is run.flag_recorder


def test_an_order_shows_no_password() -> None:
    order = StreamOrder(stream_id="a", url="rtsp://ada:hush@camera/live", settings=Settings())
    assert "hush" not in repr(order)
