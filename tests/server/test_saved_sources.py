"""Sources that people added outlive the server."""

import json
import logging
import threading
from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.flags.archive import FlagArchive
from monitor.runtime import run_parallel
from monitor.server.saved_sources import FILE, SavedSource, read_sources, write_sources
from monitor.server.service import MonitorService
from monitor.settings import EvidenceSettings, Settings

DOOR = "rtsp://ada:hush@127.0.0.1:9/live"  # nobody answers there, at once


@pytest.fixture
def own_settings(tmp_path: Path, settings: Settings) -> Settings:
    return settings.model_copy(update={"evidence": EvidenceSettings(folder=tmp_path / "kept")})


def names(service: MonitorService) -> list[str]:
    return [stream.name for stream in service.streams]


def test_an_added_source_is_watched_again_under_its_last_name_until_it_is_removed(own_settings: Settings) -> None:
    first = MonitorService.open(own_settings)
    stream = first.add_saved(f" {DOOR}\n", name="Door", repeat=False)
    first.add(DOOR, name="of the command line", trusted=True)
    first.rename(stream, "Back door")
    first.close()
    second = MonitorService.open(own_settings)
    second.restore()
    assert names(second) == ["Back door"], "the other one is given anew at each start"
    second.remove(second.streams[0].id)
    second.close()
    third = MonitorService.open(own_settings)
    third.restore()
    assert third.streams == ()
    third.close()


def test_a_source_is_not_added_twice(own_settings: Settings) -> None:
    service = MonitorService.open(own_settings)
    service.add_saved(DOOR, name="Door", repeat=False)
    with pytest.raises(UsageError, match=r"rtsp://ada:\*\*\*@127.0.0.1:9/live is watched already, as Door: rename it"):
        service.add_saved(f"{DOOR} ", name="Again", repeat=False)
    assert names(service) == ["Door"]
    service.close()


def test_two_requests_at_once_add_a_source_once(own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)
    monkeypatch.setattr("monitor.server.service.check_address", lambda *_, **__: both.wait(10))
    service = MonitorService.open(own_settings)
    refused: list[str] = []

    def add() -> None:
        try:
            service.add_saved(DOOR, name="Door", repeat=False)
        except UsageError as error:
            refused.append(str(error))

    assert run_parallel([add, add], timeout=30) == 0
    assert names(service) == ["Door"]
    assert len(refused) == 1
    service.close()


def test_a_source_that_is_not_allowed_now_stays_saved(
    own_settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    FlagArchive.open(own_settings.evidence).store.close()
    private = tmp_path / "private.mp4"
    write_sources(tmp_path / "kept", [SavedSource(url=str(private)), SavedSource(url=DOOR)])
    service = MonitorService.open(own_settings)
    with caplog.at_level(logging.WARNING):
        service.restore()
    assert names(service) == ["rtsp://ada:***@127.0.0.1:9/live"]
    assert "private.mp4 is not watched" in caplog.text
    service.remove(service.streams[0].id)
    assert [saved.url for saved in read_sources(tmp_path / "kept")] == [str(private)]
    service.close()


def test_only_the_user_can_read_the_passwords(tmp_path: Path) -> None:
    write_sources(tmp_path, [SavedSource(url=DOOR)])
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_moved_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_text(json.dumps([{"address": "rtsp://x/"}]))
    assert read_sources(tmp_path) == []
    assert "add the sources again" in caplog.text
    assert json.loads((tmp_path / "sources.damaged").read_text()) == [{"address": "rtsp://x/"}]
    assert not (tmp_path / FILE).exists()
    assert read_sources(tmp_path) == []


def test_a_folder_that_cannot_be_written_does_not_stop_the_watching(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    write_sources(tmp_path / "file", [SavedSource(url=DOOR)])
    assert "gone after a restart" in caplog.text
