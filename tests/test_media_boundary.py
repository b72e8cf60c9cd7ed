"""What comes from outside is decoded in the worker process: the server neither opens it nor dies of it."""

import importlib
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from support import clips
from support.certificates import write_signing_files
from support.crashes import crashing_python
from support.footage import posed
from support.signed_media import sign

from monitor.analysis.pipeline import Engines
from monitor.errors import SourceUnreadableError
from monitor.flags.archive import FlagArchive
from monitor.flags.files import FACES
from monitor.flags.from_analysis import AnalysedFile, flag_span
from monitor.media.soundtrack import add_sound
from monitor.media.video_writer import VideoWriter
from monitor.media.worker.isolated_source import available
from monitor.results.result_folder import VIDEO_FILE
from monitor.server.uploads import Upload, Uploads, UploadState
from monitor.settings import Settings
from monitor.types import ClipState, Flag

pytestmark = pytest.mark.skipif(not available(), reason="this system cannot hand descriptors to a process")

SPAN = {"start": 0.2, "end": 0.8, "label": "SUSPICIOUS", "peak": 0.83, "best_frame": 10, "best_time": 0.4}


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One second of one face, with sound."""
    folder = tmp_path_factory.mktemp("talk")
    with VideoWriter(folder / "silent.mp4", fps=25) as video:
        for index in range(25):
            video.write(posed((160, 120, 120), width=320, height=240), index / 25)
    sound = clips.video(folder / "sound.mp4", frames=25, sound=True)
    assert add_sound(sound, folder / "silent.mp4", folder / "talk.mp4", 1.0) is None
    return (folder / "talk.mp4").read_bytes()


@pytest.fixture
def uploads(tmp_path: Path, settings: Settings, engines: Engines) -> Iterator[Uploads]:
    opened = Uploads(tmp_path / "analyses", settings=settings, engines=lambda: engines)
    yield opened
    opened.close()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FlagArchive]:
    with FlagArchive(tmp_path / "kept") as archive:
        yield archive


@pytest.fixture
def crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """From now on, calling a function of a module kills the worker process that does it."""

    def crash(module: str, name: str) -> None:
        assert hasattr(importlib.import_module(module), name)
        monkeypatch.setattr(sys, "executable", crashing_python(tmp_path, module, name))

    return crash


def analysed(uploads: Uploads, content: bytes) -> Upload:
    """The upload once its analysis is over."""
    with uploads.receive("talk.mp4") as (upload_id, path):
        path.write_bytes(content)
    deadline = time.monotonic() + 60
    while not (found := uploads.get(upload_id)) or not found.state.over:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def flagged(uploads: Uploads, upload: Upload, archive: FlagArchive) -> Flag:
    file, results, report = uploads.upload(upload.id), uploads.results(upload.id), uploads.report(upload.id)
    assert file is not None
    assert results is not None
    assert report is not None
    span = SPAN | {"track_id": report["tracks"][0]["track_id"]}
    return flag_span(archive, AnalysedFile(file, upload.name, results, report), span, reporter="ada")


def has_sound(uploads: Uploads, upload: Upload) -> bool:
    results = uploads.results(upload.id)
    assert results is not None
    with av.open(results / VIDEO_FILE) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25
        return bool(container.streams.audio)


def test_the_server_opens_no_file_from_outside(
    uploads: Uploads, archive: FlagArchive, talk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = av.open

    def write_only(file: Any, mode: str = "r", *given: Any, **named: Any) -> Any:
        assert mode == "w", f"{file} is opened in the server process"
        return opened(file, mode, *given, **named)

    def refuse(file: Any, *_: Any, **__: Any) -> None:
        raise AssertionError(f"{file} is opened in the server process")

    with monkeypatch.context() as patch:
        patch.setattr(av, "open", write_only)
        patch.setattr(Image, "open", refuse)
        done = analysed(uploads, talk)
        assert (done.state, done.why) == (UploadState.DONE, "")
        flag = flagged(uploads, done, archive)
    assert (flag.clip, flag.clip_why) == (ClipState.KEPT, "")
    (face,) = json.loads((archive.files.folder(flag.id) / FACES).read_bytes())["faces"]
    assert flag.box is not None
    assert (face["track_id"], face["box"]) == (flag.track_id, list(flag.box))
    assert face["probability"] == flag.probability
    assert has_sound(uploads, done)
    assert archive.faults() == []


@pytest.mark.fault
def test_sound_that_crashes_its_reader_leaves_a_silent_video(
    uploads: Uploads, talk: bytes, crashing: Callable[[str, str], None], caplog: pytest.LogCaptureFixture
) -> None:
    crashing("monitor.media.soundtrack", "_first_picture")
    with caplog.at_level(logging.WARNING):
        done = analysed(uploads, talk)
    assert (done.state, done.why) == (UploadState.DONE, "")
    assert not has_sound(uploads, done)
    said, again = [record.getMessage() for record in caplog.records]  # of the videos with and without the heat-map
    assert again == said
    assert "crashed (SIGABRT); is it damaged?; the annotated video has no sound" in said


@pytest.mark.fault
def test_a_span_that_crashes_its_cutter_is_flagged_without_a_clip(
    uploads: Uploads, archive: FlagArchive, talk: bytes, crashing: Callable[[str, str], None]
) -> None:
    done = analysed(uploads, talk)
    crashing("monitor.media.span_cutter", "_examine")
    flag = flagged(uploads, done, archive)
    assert flag.clip is ClipState.MISSING
    assert flag.clip_why.endswith("the process that reads it crashed (SIGABRT); is it damaged?")
    assert archive.faults() == []


@pytest.mark.fault
def test_a_file_that_crashes_the_decoder_is_one_sentence(
    uploads: Uploads, archive: FlagArchive, talk: bytes, crashing: Callable[[str, str], None]
) -> None:
    done = analysed(uploads, talk)
    crashing("monitor.media.sources.container", "rgb")
    failed = analysed(uploads, talk)
    assert failed.state is UploadState.FAILED
    assert failed.why == "talk.mp4: the process that reads it crashed (SIGABRT); is it damaged?"
    with pytest.raises(SourceUnreadableError, match=r"crashed \(SIGABRT\); is it damaged\?$"):
        flagged(uploads, done, archive)
    assert archive.store.count() == 0


@pytest.mark.fault
def test_content_credentials_that_crash_their_reader_do_not_end_the_analysis(
    uploads: Uploads, talk: bytes, crashing: Callable[[str, str], None], tmp_path: Path
) -> None:
    signed = sign(talk, write_signing_files(tmp_path / "signer"), kind="video/mp4")
    crashing("monitor.media.content_credentials", "describe_manifests")
    done = analysed(uploads, signed)
    assert (done.state, done.why) == (UploadState.DONE, "")
    report = uploads.report(done.id)
    assert report is not None
    assert report["content_credentials"]["state"] == "UNREADABLE"
    assert report["content_credentials"]["reason"] == "the process that reads it crashed (SIGABRT); is it damaged?"
    assert report["tracks"]
