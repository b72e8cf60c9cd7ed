from collections.abc import Iterator
from pathlib import Path

import pytest
from support.flagging import clip, flag

from monitor.errors import SourceError, SourceUnavailableError
from monitor.flags import clip_check
from monitor.flags.clip_check import StatedClip, clip_faults
from monitor.media.worker import task
from monitor.types import ClipState


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "clip.mp4").write_bytes(clip())
    return tmp_path / "clip.mp4"


def stated(path: Path, name: str, end: float) -> StatedClip:
    return StatedClip(name, path, requested=(10.0, 14.0), span=(10.0, end))


def test_a_flag_and_its_json_state_the_same(path: Path) -> None:
    for span in ({}, {"clip_start": 10.5, "clip_end": 14.0}):
        one = flag(clip=ClipState.KEPT, **span)
        assert StatedClip.read(one.record(), path, name=f"{one.id}/clip.mp4") == StatedClip.of(one, path)


def test_every_wrong_clip_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_check, "BATCH", 2)
    clips = [stated(path, "a", 14.0), stated(path, "b", 13.0), stated(path, "c", 14.05)]
    assert clip_faults(clips) == ["b has 4.00 s, but the flag states 3.00 s"]
    assert clip_faults([]) == []


def test_a_clip_that_kills_its_reader_is_the_only_fault(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = path.with_name("bad.mp4")

    def run(_: object, *paths: Path, settings: object) -> list[float]:
        if bad in paths:
            raise SourceError("the process died")
        return [4.0] * len(paths)

    monkeypatch.setattr(task, "run_isolated", run)
    assert clip_faults([stated(path, "a", 14.0), stated(bad, "b", 14.0), stated(path, "c", 14.0)]) == [
        "b cannot be read as a video"
    ]


def test_without_a_process_no_clip_is_blamed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> list[float]:
        raise SourceUnavailableError("no process can be started")

    monkeypatch.setattr(task, "run_isolated", run)
    with pytest.raises(SourceUnavailableError):
        clip_faults([stated(path, "a", 14.0)])
