"""The wall clock and the time zone are changed under a running stream with flags: what is stored stays in order."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from support.clock import use_clock
from support.footage import decoded
from support.waiting import until

from monitor.analysis.pipeline import Engines
from monitor.flags import builder as builder_module
from monitor.flags import database as database_module
from monitor.flags.archive import FlagArchive
from monitor.flags.files import CLIP
from monitor.flags.recorder import FlagRequest
from monitor.media.sources import demo as demo_module
from monitor.runtime import BackgroundWorker, StreamState
from monitor.runtime import observers as observers_module
from monitor.runtime import session as session_module
from monitor.server.auth import audit as audit_module
from monitor.server.auth.audit import AuditLog
from monitor.server.stream import Stream
from monitor.settings import EvidenceSettings, Settings, SourceSettings
from monitor.types import ClipState, Flag

MODULES = (builder_module, database_module, demo_module, observers_module, session_module, audit_module)
HOUR = 3600.0
SETTINGS = {"pre_roll": 1.0, "post_roll": 1.0}


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FlagArchive]:
    with FlagArchive.open(EvidenceSettings(folder=tmp_path)) as archive:
        yield archive


@pytest.fixture
def stream(settings: Settings, engines: Engines, archive: FlagArchive) -> Iterator[Stream]:
    ours = settings.model_copy(
        update={
            "source": SourceSettings(demo_seconds=60.0),
            "evidence": EvidenceSettings.model_validate({"folder": archive.folder, **SETTINGS}),
        }
    )
    with BackgroundWorker("clips") as worker:
        stream = Stream(
            "demo:", name="", engines=lambda: engines, settings=ours, archive=archive, worker=worker, repeat=False
        )
        stream.start()
        yield stream
        stream.stop()


@pytest.fixture
def time_zone() -> Iterator[Callable[[str | None], None]]:
    """Sets this process's time zone."""
    before = os.environ.get("TZ")

    def change(name: str | None) -> None:
        os.environ.pop("TZ", None)
        if name is not None:
            os.environ["TZ"] = name
        time.tzset()

    yield change
    change(before)


def flag_now(stream: Stream, *, reporter: str) -> Flag:
    """Flags the newest picture, after at least one second of new ones."""
    earlier = stream.broadcaster.now
    begin = earlier["time"] if earlier else 0.0
    until(lambda: stream.broadcaster.now and stream.broadcaster.now["time"] > begin + 1)
    now = stream.broadcaster.now
    assert now is not None
    request = FlagRequest(
        connection=now["connection"], media_time=now["time"], frame_index=now["frame"], reporter=reporter
    )
    return stream.flag_recorder.flag(request)


def test_flags_log_audit_and_charts_stay_in_order_when_the_clock_is_set(
    stream: Stream, archive: FlagArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = use_clock(monkeypatch, *MODULES)
    audit = AuditLog(archive.store.database)
    flags, names = [], ["before", "forward", "back", "again"]
    for name, ahead in zip(names, (0.0, HOUR, -HOUR, 0.0), strict=True):
        wall.ahead = ahead
        flags.append(flag_now(stream, reporter=name))
        audit.note("flagged", person=name)
        assert stream.status.state is StreamState.LIVE
    until(lambda: all(archive.store.get(flag.id).clip is not ClipState.PENDING for flag in flags))
    assert [entry.person for entry in audit.last(10)] == names[::-1]
    logged = [event.flag_id for event in archive.store.events() if event.action == "flagged"]
    assert logged == [flag.id for flag in flags]
    assert archive.store.first_fault() is None
    assert [round((flag.created_at - flags[0].created_at) / timedelta(hours=1)) for flag in flags] == [0, 1, -1, 0]
    for flag in map(archive.store.get, [flag.id for flag in flags]):
        assert flag.clip is ClipState.KEPT
        assert flag.clip_start is not None
        assert flag.clip_end is not None
        assert flag.clip_start <= flag.media_time <= flag.clip_end
        assert decoded(archive.files.folder(flag.id) / CLIP)
        assert abs(flag.created_at - flag.captured_at) < timedelta(minutes=1), "one clock for both"
    points = stream.verdict_history.points
    assert all(one.media_time <= other.media_time for one, other in pairwise(points))
    assert points[-1].media_time - points[0].media_time < 60, "no hour in the chart"


def test_a_time_zone_that_changes_moves_no_flag(
    stream: Stream, archive: FlagArchive, time_zone: Callable[[str | None], None]
) -> None:
    flags = []
    for name in ("Pacific/Auckland", "America/Los_Angeles"):
        time_zone(name)
        flags.append(flag_now(stream, reporter=name))
        stored = archive.store.get(flags[-1].id)
        assert abs(stored.created_at - datetime.now(UTC)) < timedelta(minutes=1)
        assert flags[-1].id.startswith(f"{stored.created_at.astimezone(UTC):%Y%m%dT%H%M%S}")
    assert stream.status.state is StreamState.LIVE
    assert [flag.reporter for flag in archive.store.find()] == [flag.reporter for flag in flags[::-1]]
