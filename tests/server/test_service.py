"""Everything behind the dashboard, in one place."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.flag_storage import BucketStorage
from support.flagging import flag

from monitor.analysis.pipeline import Engines
from monitor.errors import OutputError, UsageError
from monitor.flags.archive import FlagArchive
from monitor.runtime import StreamState
from monitor.server import service as module
from monitor.server.service import MonitorService
from monitor.settings import DashboardSettings, EvidenceSettings, Preset, Settings
from monitor.types import ClipState, Origin

_FILES = Path("/proc/self/fd")
NOWHERE = "rtsp://ada:hush@127.0.0.1:9/live"  # nobody answers there, at once


@pytest.fixture
def monitor_service(tmp_path: Path, settings: Settings) -> Iterator[MonitorService]:
    """A station; files of ``tmp_path/media`` may be watched."""
    (tmp_path / "media").mkdir()
    ours = settings.model_copy(
        update={
            "evidence": EvidenceSettings(folder=tmp_path / "kept"),
            "dashboard": DashboardSettings(media_folders=(tmp_path / "media",)),
        }
    )
    monitor_service = MonitorService.open(ours)
    yield monitor_service
    if monitor_service._worker._thread.is_alive():
        monitor_service.close()


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


def failed(monitor_service: MonitorService, stream_id: str) -> str:
    """Why a channel failed, as it soon does."""
    deadline = time.monotonic() + 20
    stream = monitor_service.stream(stream_id)
    assert stream is not None
    while stream.status.state is not StreamState.FAILED:
        assert time.monotonic() < deadline, stream.status
        time.sleep(0.01)
    return stream.status.reason


def test_sources_are_watched_until_they_are_removed(monitor_service: MonitorService, engines: Engines) -> None:
    monitor_service._engines = engines
    one = monitor_service.add(NOWHERE, name="  Door ")
    other = monitor_service.add("rtsp://127.0.0.1:9/other")
    assert monitor_service.streams == (one, other)
    assert monitor_service.stream(one.id) is one
    assert (one.name, other.name) == ("Door", "rtsp://127.0.0.1:9/other")
    assert "watch" in names()
    monitor_service.remove(one.id)
    assert monitor_service.streams == (other,)
    assert monitor_service.stream(one.id) is None
    assert one.broadcaster.over == "the source was removed"
    monitor_service.remove(one.id)
    monitor_service.remove(other.id)
    assert "watch" not in names()


def test_there_are_not_more_than_the_machine_can_bear(monitor_service: MonitorService, engines: Engines) -> None:
    monitor_service._engines = engines
    streams = [monitor_service.add(NOWHERE) for _ in range(16)]
    with pytest.raises(UsageError, match="16 sources are watched already: remove one first"):
        monitor_service.add(NOWHERE)
    monitor_service.remove(streams[3].id)
    monitor_service.add(NOWHERE)


def test_a_fleet_may_raise_the_limit_of_sources(tmp_path: Path, settings: Settings, engines: Engines) -> None:
    ours = settings.model_copy(
        update={
            "evidence": EvidenceSettings(folder=tmp_path / "kept"),
            "dashboard": DashboardSettings(max_sources=18),
        }
    )
    monitor_service = MonitorService.open(ours)
    monitor_service._engines = engines
    try:
        for _ in range(18):
            monitor_service.add(NOWHERE)
        with pytest.raises(UsageError, match=r"18 sources are .*, or raise dashboard\.max_sources"):
            monitor_service.add(NOWHERE)
    finally:
        monitor_service.close()


def test_a_browser_may_not_open_any_file_but_who_starts_the_server_may(
    monitor_service: MonitorService, engines: Engines, tmp_path: Path
) -> None:
    monitor_service._engines = engines
    private = tmp_path / "private.mp4"
    with pytest.raises(UsageError, match="files of the server"):
        monitor_service.add(str(private))
    assert monitor_service.streams == ()
    assert "does not exist" in failed(monitor_service, monitor_service.add(str(private), trusted=True).id)
    assert "does not exist" in failed(monitor_service, monitor_service.add(str(tmp_path / "media" / "a.mp4")).id)


def test_spaces_around_an_address_do_no_harm(monitor_service: MonitorService, engines: Engines) -> None:
    monitor_service._engines = engines
    stream = monitor_service.add("  demo: \n")
    deadline = time.monotonic() + 20
    while stream.status.state is StreamState.CONNECTING:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert stream.status.state is StreamState.LIVE, stream.status.reason


def test_the_networks_are_loaded_once_and_when_needed(
    monitor_service: MonitorService, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Settings] = []

    def load(settings: Settings, on_step: Callable[[str], None]) -> Engines:
        loads.append(settings)
        on_step("a_network")
        time.sleep(0.1)
        return engines

    shown: list[tuple[StreamState, str]] = []
    door = SimpleNamespace(broadcaster=SimpleNamespace(show_state=lambda *said: shown.append(said)), stop=lambda: None)
    monkeypatch.setattr(monitor_service, "_streams", {"door": door})

    monkeypatch.setattr(Engines, "load", load)
    assert monitor_service.loaded is None
    askers = [threading.Thread(target=monitor_service.engines) for _ in range(3)]
    for thread in askers:
        thread.start()
    for thread in askers:
        thread.join()
    assert monitor_service.engines() is monitor_service.loaded is engines
    assert loads == [monitor_service.settings]
    (waiting, network), after = shown  # for the viewers of a source that waits
    assert (waiting, after) == (StreamState.CONNECTING, (StreamState.CONNECTING, ""))
    assert "preparing a_network" in network


def test_the_faster_engine_is_built_beside_the_frames_until_the_server_ends(
    monitor_service: MonitorService, engines: Engines, monkeypatch: pytest.MonkeyPatch
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
    monkeypatch.setattr("monitor.server.service.Engines.load", lambda _, on_step: engines)
    monitor_service.engines()
    monitor_service.engines()
    assert done == [("of", engines), ("start", None)]
    monitor_service.close()
    assert done[-1] == ("close", None)


def test_what_a_kill_left_half_done_is_put_right(tmp_path: Path) -> None:
    settings = EvidenceSettings(folder=tmp_path / "kept")
    with FlagArchive.open(settings) as archive:
        archive.store.add(replace(flag(), clip=ClipState.PENDING), actor="ada")
        archive.files.create("never-committed", {"frame.jpg": b"a picture"})
    monitor_service = MonitorService.open(Settings(evidence=settings))
    assert (monitor_service.repaired.orphans, monitor_service.repaired.lost) == (1, 1)
    assert monitor_service.archive.store.get(flag().id).clip is ClipState.MISSING
    monitor_service.close()


def test_current_is_what_was_installed(monitor_service: MonitorService) -> None:
    module.install(monitor_service)
    assert module.current() is monitor_service is module.current()


def test_current_opens_what_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__FOLDER", str(tmp_path / "named"))
    monitor_service = module.current()
    assert monitor_service.archive.folder == tmp_path / "named"
    assert module.current() is monitor_service
    monitor_service.close()


def test_what_another_machine_left_unfinished_is_repaired_while_the_server_runs(
    bucket: BucketStorage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    service = MonitorService.open(Settings(evidence=bucket.settings))
    try:
        old = service.archive.add(flag(1), {"frame.jpg": b"a picture"})
        young = service.archive.add(flag(2, created_at=datetime.now(UTC)), {"frame.jpg": b"a picture"})
        service._repair()
        store = service.archive.store
        assert (store.get(old.id).clip, store.get(young.id).clip) == (ClipState.MISSING, ClipState.PENDING)
        assert "repair: 0 unfinished files removed, 0 clips recorded, 1 clips missing" in caplog.text
    finally:
        service.close()


def test_a_server_starts_while_the_store_of_the_files_does_not_answer(
    bucket: BucketStorage, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = bucket.settings.model_copy(update={"files": "s3://no-such-bucket/flags"})
    service = MonitorService.open(Settings(evidence=elsewhere))
    try:
        with pytest.raises(OutputError, match="no such file or bucket"):
            service.archive.add(flag(1), {"frame.jpg": b"a picture"})
        assert service.archive.store.count() == 0
        service.archive.store.add(flag(1), actor="ada")
        service._repair()
        assert service.archive.store.get(flag(1).id).clip is ClipState.PENDING, "nobody can know"
    finally:
        service.close()
    assert caplog.text.count("could not be repaired: s3://no-such-bucket/flags cannot be read") == 2
    assert "Traceback" not in caplog.text


def test_closing_ends_every_thread_and_lets_go_of_the_database(
    monitor_service: MonitorService, engines: Engines, tmp_path: Path
) -> None:
    monitor_service._engines = engines
    stream = monitor_service.add(NOWHERE)
    assert held(tmp_path / "kept" / "flags.db") or not _FILES.is_dir()
    assert {"watch", "clips", "analyses"} <= names()
    monitor_service.close()
    assert not {"watch", "clips", "analyses"} & names()
    assert stream.broadcaster.over
    assert not held(tmp_path / "kept" / "flags.db")


def test_a_preset_holds_for_what_is_opened_from_then_on(monitor_service: MonitorService, engines: Engines) -> None:
    monitor_service._engines = engines
    before = monitor_service.add("demo:", trusted=True)
    monitor_service.judge_by(Preset.NEWSROOM)
    after = monitor_service.add("demo:", trusted=True)
    assert before.settings.verdict.preset == "balanced"
    assert (after.settings.verdict.preset, after.settings.verdict.suspicious_at) == ("newsroom", 0.74)
    assert monitor_service.analyses.settings.verdict.suspicious_at == 0.74
    assert after.settings.record()["verdict"]["preset"] == "newsroom", "as it goes into flags"


def test_what_is_kept_long_enough_goes_while_the_server_runs(monitor_service: MonitorService, engines: Engines) -> None:
    monitor_service._engines = engines
    old = datetime.now(UTC) - timedelta(days=2)
    one = flag(0, origin=Origin.AUTOMATIC, clip=ClipState.KEPT, created_at=old)
    monitor_service.archive.store.add(one, actor="")
    monitor_service.settings = monitor_service.settings.model_copy(
        update={"evidence": monitor_service.settings.evidence.model_copy(update={"keep_days": 1.0})}
    )
    monitor_service.begin()
    deadline = time.monotonic() + 20
    while monitor_service.archive.store.count() or monitor_service.heartbeat.last is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert monitor_service.heartbeat.last.healthy
    monitor_service.close()
    assert not names() & {"heartbeat", "retention"}


def test_a_camera_that_hangs_does_not_hold_up_the_end(
    monitor_service: MonitorService, engines: Engines, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monitor_service._engines = engines
    release = threading.Event()
    streams = [monitor_service.add("demo:", trusted=True) for _ in range(3)]
    for stream in streams[:2]:
        stop = stream.stop
        monkeypatch.setattr(stream, "stop", lambda stop=stop: (release.wait(20), stop())[1])
    began = time.monotonic()
    monitor_service.close()
    assert time.monotonic() - began < 4
    assert monitor_service.hanging >= 2
    assert "of 7 threads did not end in time" in caplog.text
    release.set()
    while names() & {"side by side", "watch"}:
        assert time.monotonic() - began < 60
        time.sleep(0.01)
