"""Everything behind the dashboard, in one place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flagging import flag

from monitor.dashboard import station as module
from monitor.dashboard.station import MOST_CHANNELS, Station
from monitor.errors import UsageError
from monitor.evidence.archive import Archive
from monitor.pipeline import Engines
from monitor.session import WatchState
from monitor.settings import DashboardSettings, EvidenceSettings, Settings
from monitor.types import ClipState

_FILES = Path("/proc/self/fd")
NOWHERE = "rtsp://ada:hush@127.0.0.1:9/live"  # nobody answers there, at once


@pytest.fixture
def station(tmp_path: Path, settings: Settings) -> Iterator[Station]:
    """A station; files of ``tmp_path/media`` may be watched."""
    (tmp_path / "media").mkdir()
    ours = settings.model_copy(
        update={
            "evidence": EvidenceSettings(folder=tmp_path / "kept"),
            "dashboard": DashboardSettings(media_folders=(tmp_path / "media",)),
        }
    )
    station = Station.open(ours)
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


def failed(station: Station, channel_id: str) -> str:
    """Why a channel failed, as it soon does."""
    deadline = time.monotonic() + 20
    channel = station.channel(channel_id)
    assert channel is not None
    while channel.status.state is not WatchState.FAILED:
        assert time.monotonic() < deadline, channel.status
        time.sleep(0.01)
    return channel.status.why


def test_sources_are_watched_until_they_are_removed(station: Station, engines: Engines) -> None:
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


def test_there_are_not_more_than_the_machine_can_bear(station: Station, engines: Engines) -> None:
    station._engines = engines
    channels = [station.add(NOWHERE) for _ in range(MOST_CHANNELS)]
    with pytest.raises(UsageError, match="16 sources are watched already: remove one first"):
        station.add(NOWHERE)
    station.remove(channels[3].id)
    station.add(NOWHERE)


def test_a_browser_may_not_open_any_file_but_who_starts_the_server_may(
    station: Station, engines: Engines, tmp_path: Path
) -> None:
    station._engines = engines
    private = tmp_path / "private.mp4"
    with pytest.raises(UsageError, match="files of the server"):
        station.add(str(private))
    assert station.channels == ()
    assert "does not exist" in failed(station, station.add(str(private), trusted=True).id)
    assert "does not exist" in failed(station, station.add(str(tmp_path / "media" / "a.mp4")).id)


def test_spaces_around_an_address_do_no_harm(station: Station, engines: Engines) -> None:
    station._engines = engines
    channel = station.add("  demo: \n")
    deadline = time.monotonic() + 20
    while channel.status.state is WatchState.CONNECTING:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert channel.status.state is WatchState.LIVE, channel.status.why


def test_only_tokens_that_were_handed_out_are_admitted(station: Station) -> None:
    one, other = station.admit(), station.admit()
    assert one != other
    assert len(one) >= 32
    assert station.admitted(one)
    assert station.admitted(other)
    assert not station.admitted("")
    assert not station.admitted(one[:-1])


def test_a_token_lasts_as_long_as_it_is_used(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("monitor.dashboard.station.time.monotonic", lambda: now)
    used, idle = station.admit(), station.admit()
    now += 11 * 3600
    assert station.admitted(used)
    now += 11 * 3600
    assert station.admitted(used)
    assert not station.admitted(idle)
    now += 12 * 3600 + 1
    assert not station.admitted(used)
    assert station._tokens == {}, "forgotten"


def test_tokens_are_handed_out_while_others_are_checked(station: Station) -> None:
    faults: list[Exception] = []
    over = threading.Event()

    def check(token: str) -> None:
        while not over.is_set():
            try:
                assert station.admitted(token)
            except Exception as error:  # noqa: BLE001 - told below
                faults.append(error)
                return

    for _ in range(2000):
        station.admit()
    checkers = [threading.Thread(target=check, args=(station.admit(),)) for _ in range(2)]
    for thread in checkers:
        thread.start()
    for _ in range(3000):
        station.admit()
    over.set()
    for thread in checkers:
        thread.join()
    assert faults == []


def test_the_networks_are_loaded_once_and_when_needed(
    station: Station, engines: Engines, monkeypatch: pytest.MonkeyPatch
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


def test_what_a_kill_left_half_done_is_put_right(tmp_path: Path) -> None:
    settings = EvidenceSettings(folder=tmp_path / "kept")
    with Archive.open(settings) as archive:
        archive.store.add(replace(flag(), clip=ClipState.PENDING), actor="ada")
        archive.exhibits.keep("never-committed", {"frame.jpg": b"a picture"})
    station = Station.open(Settings(evidence=settings))
    assert (station.repaired.orphans, station.repaired.lost) == (1, 1)
    assert station.archive.store.get(flag().id).clip is ClipState.MISSING
    station.close()


def test_current_is_what_was_installed(station: Station) -> None:
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
    station: Station, engines: Engines, tmp_path: Path
) -> None:
    station._engines = engines
    channel = station.add(NOWHERE)
    assert held(tmp_path / "kept" / "flags.db") or not _FILES.is_dir()
    assert {"watch", "clips", "analyses"} <= names()
    station.close()
    assert not {"watch", "clips", "analyses"} & names()
    assert channel.hub.over
    assert not held(tmp_path / "kept" / "flags.db")
