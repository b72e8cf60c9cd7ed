"""Everything behind the dashboard, in one place."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.flagging import flag

from monitor.analysis.pipeline import Engines
from monitor.errors import UsageError
from monitor.flags.archive import FlagArchive
from monitor.runtime import StreamState
from monitor.server import service as module
from monitor.server.service import MOST_CHANNELS, MonitorService
from monitor.settings import DashboardSettings, EvidenceSettings, Preset, Settings
from monitor.types import ClipState, Origin

_FILES = Path("/proc/self/fd")
NOWHERE = "rtsp://ada:hush@127.0.0.1:9/live"  # nobody answers there, at once


@pytest.fixture
def station(tmp_path: Path, settings: Settings) -> Iterator[MonitorService]:
    """A station; files of ``tmp_path/media`` may be watched."""
    (tmp_path / "media").mkdir()
    ours = settings.model_copy(
        update={
            "evidence": EvidenceSettings(folder=tmp_path / "kept"),
            "dashboard": DashboardSettings(media_folders=(tmp_path / "media",)),
        }
    )
    station = MonitorService.open(ours)
    yield station
    if station._worker._thread.is_alive():
        station.close()


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    module.install(None)
    yield
    module.install(None)


def held(file: Path) -> bool:
    """Whether this process has a file open; told where the system has a folder of those."""
    return _FILES.is_dir() and any(open_file.resolve() == file for open_file in _FILES.iterdir())


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def failed(station: MonitorService, channel_id: str) -> str:
    """Why a channel failed, as it soon does."""
    deadline = time.monotonic() + 20
    channel = station.channel(channel_id)
    assert channel is not None
    while channel.status.state is not StreamState.FAILED:
        assert time.monotonic() < deadline, channel.status
        time.sleep(0.01)
    return channel.status.reason


def test_sources_are_watched_until_they_are_removed(station: MonitorService, engines: Engines) -> None:
    station._engines = engines
    one = station.add(NOWHERE, name="  Door ")
    other = station.add("rtsp://127.0.0.1:9/other")
    assert station.channels == (one, other)
    assert station.channel(one.id) is one
    assert (one.name, other.name) == ("Door", "rtsp://127.0.0.1:9/other")
    assert "watch" in names()
    station.remove(one.id)
    assert station.channels == (other,)
    assert station.channel(one.id) is None
    assert one.hub.over == "the source was removed"
    station.remove(one.id)
    station.remove(other.id)
    assert "watch" not in names()


def test_there_are_not_more_than_the_machine_can_bear(station: MonitorService, engines: Engines) -> None:
    station._engines = engines
    channels = [station.add(NOWHERE) for _ in range(MOST_CHANNELS)]
    with pytest.raises(UsageError, match="16 sources are watched already: remove one first"):
        station.add(NOWHERE)
    station.remove(channels[3].id)
    station.add(NOWHERE)


def test_a_browser_may_not_open_any_file_but_who_starts_the_server_may(
    station: MonitorService, engines: Engines, tmp_path: Path
) -> None:
    station._engines = engines
    private = tmp_path / "private.mp4"
    with pytest.raises(UsageError, match="files of the server"):
        station.add(str(private))
    assert station.channels == ()
    assert "does not exist" in failed(station, station.add(str(private), trusted=True).id)
    assert "does not exist" in failed(station, station.add(str(tmp_path / "media" / "a.mp4")).id)


def test_spaces_around_an_address_do_no_harm(station: MonitorService, engines: Engines) -> None:
    station._engines = engines
    channel = station.add("  demo: \n")
    deadline = time.monotonic() + 20
    while channel.status.state is StreamState.CONNECTING:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert channel.status.state is StreamState.LIVE, channel.status.reason


def test_the_networks_are_loaded_once_and_when_needed(
    station: MonitorService, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Settings] = []

    def load(settings: Settings) -> Engines:
        loads.append(settings)
        time.sleep(0.1)
        return engines

    monkeypatch.setattr(Engines, "load", load)
    assert station.loaded is None
    askers = [threading.Thread(target=station.engines) for _ in range(3)]
    for thread in askers:
        thread.start()
    for thread in askers:
        thread.join()
    assert station.engines() is station.loaded is engines
    assert loads == [station.settings]


def test_the_faster_engine_is_built_beside_the_frames_until_the_server_ends(
    station: MonitorService, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, object]] = []

    class Build:
        def __init__(self, served: object, settings: object) -> None:
            done.append(("of", served))

        def start(self) -> None:
            done.append(("start", None))

        def close(self) -> None:
            done.append(("close", None))

    monkeypatch.setattr("monitor.server.service.EngineBuild", Build)
    monkeypatch.setattr("monitor.server.service.Engines.load", lambda _: engines)
    station.engines()
    station.engines()
    assert done == [("of", engines), ("start", None)]
    station.close()
    assert done[-1] == ("close", None)


def test_what_a_kill_left_half_done_is_put_right(tmp_path: Path) -> None:
    settings = EvidenceSettings(folder=tmp_path / "kept")
    with FlagArchive.open(settings) as archive:
        archive.store.add(replace(flag(), clip=ClipState.PENDING), actor="ada")
        archive.files.create("never-committed", {"frame.jpg": b"a picture"})
    station = MonitorService.open(Settings(evidence=settings))
    assert (station.repaired.orphans, station.repaired.lost) == (1, 1)
    assert station.archive.store.get(flag().id).clip is ClipState.MISSING
    station.close()


def test_current_is_what_was_installed(station: MonitorService) -> None:
    module.install(station)
    assert module.current() is station is module.current()


def test_current_opens_what_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__FOLDER", str(tmp_path / "named"))
    station = module.current()
    assert station.archive.folder == tmp_path / "named"
    assert module.current() is station
    station.close()


def test_closing_ends_every_thread_and_lets_go_of_the_database(
    station: MonitorService, engines: Engines, tmp_path: Path
) -> None:
    station._engines = engines
    channel = station.add(NOWHERE)
    assert held(tmp_path / "kept" / "flags.db") or not _FILES.is_dir()
    assert {"watch", "clips", "analyses"} <= names()
    station.close()
    assert not {"watch", "clips", "analyses"} & names()
    assert channel.hub.over
    assert not held(tmp_path / "kept" / "flags.db")


def test_a_preset_holds_for_what_is_opened_from_then_on(station: MonitorService, engines: Engines) -> None:
    station._engines = engines
    before = station.add("demo:", trusted=True)
    station.judge_by(Preset.NEWSROOM)
    after = station.add("demo:", trusted=True)
    assert before.settings.verdict.preset == "balanced"
    assert (after.settings.verdict.preset, after.settings.verdict.suspicious_at) == ("newsroom", 0.6)
    assert station.analyses.settings.verdict.suspicious_at == 0.6
    assert after.settings.record()["verdict"]["preset"] == "newsroom", "as it goes into flags"


def test_what_is_kept_long_enough_goes_while_the_server_runs(station: MonitorService, engines: Engines) -> None:
    station._engines = engines
    old = datetime.now(UTC) - timedelta(days=2)
    one = flag(0, origin=Origin.AUTOMATIC, clip=ClipState.KEPT, created_at=old)
    station.archive.store.add(one, actor="")
    station.settings = station.settings.model_copy(
        update={"evidence": station.settings.evidence.model_copy(update={"keep_days": 1.0})}
    )
    station.begin()
    deadline = time.monotonic() + 20
    while station.archive.store.count() or station.heartbeat.last is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert station.heartbeat.last.healthy
    station.close()
    assert not names() & {"heartbeat", "retention"}


def test_a_camera_that_hangs_does_not_hold_up_the_end(
    station: MonitorService, engines: Engines, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    station._engines = engines
    release = threading.Event()
    channels = [station.add("demo:", trusted=True) for _ in range(3)]
    for channel in channels[:2]:
        stop = channel.stop
        monkeypatch.setattr(channel, "stop", lambda stop=stop: (release.wait(20), stop())[1])
    began = time.monotonic()
    station.close()
    assert time.monotonic() - began < 4
    assert station.hanging >= 2
    assert "of 6 threads did not end in time" in caplog.text
    release.set()
    while names() & {"side by side", "watch"}:
        assert time.monotonic() - began < 60
        time.sleep(0.01)
