"""Uploads, from the first byte to the report."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
from starlette.requests import ClientDisconnect
from support.clock import use_clock
from support.footage import posed
from support.web_server import web_server

from monitor.analysis.pipeline import Engines
from monitor.errors import EngineError, OutputError, SourceError
from monitor.flags.archive import FlagArchive
from monitor.flags.from_analysis import AnalysedFile, flag_span
from monitor.media.video_writer import VideoWriter
from monitor.server import uploads as uploads_module
from monitor.server.uploads import JOB_FILE, Upload, Uploads, UploadState
from monitor.settings import Settings
from monitor.types import ClipState, Label

PICTURE = posed((160, 120, 120), width=320, height=240)


@pytest.fixture(scope="module")
def png() -> bytes:
    """A picture with one face."""
    return cv2.imencode(".png", cv2.cvtColor(PICTURE, cv2.COLOR_RGB2BGR))[1].tobytes()


@pytest.fixture(scope="module")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video that takes a while: sixteen seconds with one face."""
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    with VideoWriter(path, fps=25) as video:
        for index in range(400):
            video.write(PICTURE, index / 25)
    return path.read_bytes()


class Gate:
    """Loads the networks, slowly, when the test opens it."""

    def __init__(self, engines: Engines) -> None:
        self._engines, self._opened = engines, threading.Event()
        self.reached = threading.Event()

    def open(self) -> None:
        self._opened.set()

    def __call__(self) -> Engines:
        self.reached.set()
        assert self._opened.wait(60)
        return self._engines


@pytest.fixture
def begin(tmp_path: Path, settings: Settings, engines: Engines) -> Iterator[Callable[..., Uploads]]:
    """Opens the analyses of one folder; each call is a restart of the program."""
    started: list[Uploads] = []

    def begun(load: Callable[[], Engines] = lambda: engines) -> Uploads:
        started.append(Uploads(tmp_path / "analyses", settings=settings, engines=load))
        return started[-1]

    yield begun
    for analyses in started:
        if analyses._worker._thread.is_alive():
            analyses.close()


def put(analyses: Uploads, content: bytes, name: str = "me.png", *, look: bool = False) -> str:
    with analyses.receive(name) as (analysis_id, path):
        path.write_bytes(content)
        if look:
            analyses.check_readable(path, name="diary.txt")
    return analysis_id


def until(analyses: Uploads, analysis_id: str, wanted: Callable[[Upload], bool] | None = None) -> Upload:
    """Waits until the analysis satisfies a condition; default: until it has ended."""
    deadline = time.monotonic() + 60
    while True:
        analysis = analyses.get(analysis_id)
        assert analysis is not None
        if wanted(analysis) if wanted else analysis.state.over:
            return analysis
        assert time.monotonic() < deadline, analysis
        time.sleep(0.01)


def written(tmp_path: Path, analysis_id: str) -> dict:
    return json.loads((tmp_path / "analyses" / analysis_id / JOB_FILE).read_bytes())


def test_an_upload_becomes_a_report(begin: Callable, png: bytes, tmp_path: Path) -> None:
    analyses = begin()
    analysis_id = put(analyses, png, look=True)
    done = until(analyses, analysis_id)
    assert (done.state, done.name, done.why, done.progress) == (UploadState.DONE, "me.png", "", None)
    report = analyses.report(analysis_id)
    assert report is not None
    assert len(report["tracks"]) == 1
    assert report["source"]["name"] == "me.png", "the user's file, no path of the server"
    assert str(tmp_path) not in json.dumps(report["source"])
    results, upload = analyses.results(analysis_id), analyses.upload(analysis_id)
    assert results is not None
    assert {"report.json", "timeline.csv"} <= {path.name for path in results.iterdir()}
    assert upload is not None
    assert upload.read_bytes() == png
    assert written(tmp_path, analysis_id)["state"] == "done"


def test_an_ended_upload_has_its_verdict_and_keeps_it(begin: Callable, png: bytes) -> None:
    analyses = begin()
    analysis_id = put(analyses, png)
    ended = until(analyses, analysis_id)
    report = analyses.report(analysis_id)
    assert report is not None
    assert ended.label is Label(report["verdict"]["label"])
    analyses.close()
    assert begin().get(analysis_id) == ended


def test_the_newest_comes_first(begin: Callable, png: bytes, tmp_path: Path) -> None:
    for day in (2, 3, 1):
        kept(tmp_path, f"job-{day}", png, state="done", created_at=f"2026-11-0{day}T00:00:00+00:00")
    assert [analysis.id for analysis in begin().all] == ["job-3", "job-2", "job-1"]


def test_the_same_file_twice_is_two_analyses_with_results_and_flags_of_their_own(
    begin: Callable, mp4: bytes, tmp_path: Path
) -> None:
    analyses = begin()
    first, second = put(analyses, mp4, "me.mp4"), put(analyses, mp4, "me.mp4")
    for analysis_id in (first, second):
        assert until(analyses, analysis_id).state is UploadState.DONE
    assert [(upload.id, upload.name) for upload in analyses.all] == [(second, "me.mp4"), (first, "me.mp4")]
    folders = [analyses.results(analysis_id) for analysis_id in (first, second)]
    assert len(set(folders)) == 2
    reports = [analyses.report(analysis_id) for analysis_id in (first, second)]
    assert reports[0]["source"] == reports[1]["source"], "one content, one hash, one name"
    assert reports[0]["tracks"] == reports[1]["tracks"], "and one result"

    segment = {"track_id": reports[0]["tracks"][0]["track_id"], "start": 2.0, "end": 4.0, "label": "SUSPICIOUS"}
    segment |= {"peak": 0.8, "best_frame": 75, "best_time": 3.0}
    with FlagArchive(tmp_path / "kept") as archive:
        flags = [
            flag_span(archive, AnalysedFile(analyses.upload(each), "me.mp4", folder, report), segment, reporter=each)
            for each, folder, report in zip((first, second), folders, reports, strict=True)
        ]
        analyses.remove(first)
        assert analyses.report(first) is None
        assert analyses.report(second) == reports[1], "the other one stays"
        stored = [archive.store.get(flag.id) for flag in flags]
        assert [flag.reporter for flag in stored] == [first, second]
        assert [flag.clip for flag in stored] == [ClipState.KEPT] * 2
        assert [archive.files.faults(flag) for flag in stored] == [[], []]


def test_the_newest_comes_first_whatever_the_clock_says(
    begin: Callable, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, analyses = use_clock(monkeypatch, uploads_module), begin()
    put_at = []
    for ahead in (0.0, 3600.0, -3600.0):
        wall.ahead = ahead
        put_at.append(put(analyses, png))
    assert [upload.id for upload in analyses.all] == put_at[::-1]


def test_an_unknown_id_has_no_results(begin: Callable) -> None:
    analyses = begin()
    assert analyses.get("none") is None
    assert analyses.upload("none") is None
    assert analyses.results("none") is None
    assert analyses.report("none") is None
    analyses.cancel("none")
    analyses.remove("none")
    assert analyses.all == []


def test_a_text_is_refused_and_nothing_is_left(begin: Callable, tmp_path: Path) -> None:
    analyses = begin()
    with pytest.raises(SourceError):
        put(analyses, b"Dear diary, today I saw no faces at all.\n" * 40, "diary.txt", look=True)
    assert list((tmp_path / "analyses").iterdir()) == []
    assert analyses.all == []


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (ClientDisconnect(), ClientDisconnect),
        (OSError(28, "No space left on device"), OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_an_interrupted_upload_leaves_nothing(
    begin: Callable, tmp_path: Path, failure: BaseException, raised: type[BaseException]
) -> None:
    analyses = begin()
    with pytest.raises(raised):
        broken_off(analyses, failure)
    assert list((tmp_path / "analyses").iterdir()) == []
    assert analyses.all == []


def broken_off(analyses: Uploads, failure: BaseException) -> None:
    with analyses.receive("a.mp4") as (_, path):
        path.write_bytes(b"the first half")
        raise failure


@pytest.mark.parametrize(
    ("name", "shown", "file"),
    [
        ("../../x.mp4", "x.mp4", "upload.mp4"),
        ("/etc/cron.d/x", "x", "upload"),
        ("holiday.MOV", "holiday.MOV", "upload.mov"),
        ("", "upload", "upload"),
        ("..", "..", "upload"),
        ("a.b c", "a.b c", "upload"),
        ("a.averylongsuffix", "a.averylongsuffix", "upload"),
        ("x" * 300, "x" * 200, "upload"),
    ],
)
def test_a_name_is_shown_and_never_a_path(begin: Callable, tmp_path: Path, name: str, shown: str, file: str) -> None:
    analyses = begin(no_engines)
    with analyses.receive(name) as (analysis_id, path):
        path.write_bytes(b"\0")
        assert path.resolve() == tmp_path / "analyses" / analysis_id / file
    assert until(analyses, analysis_id).name == shown
    assert {path.name for path in tmp_path.iterdir()} == {"analyses"}


def no_engines() -> Engines:
    raise EngineError("no engine can be had")


def test_a_queued_analysis_can_be_cancelled(begin: Callable, engines: Engines, png: bytes, tmp_path: Path) -> None:
    gate = Gate(engines)
    analyses = begin(gate)
    first, second, third = (put(analyses, png) for _ in range(3))
    assert gate.reached.wait(20)
    assert analyses.get(second).state is UploadState.QUEUED
    analyses.cancel(second)
    gate.open()
    assert until(analyses, third).state is UploadState.DONE
    assert analyses.get(first).state is UploadState.DONE
    assert analyses.get(second).state is UploadState.CANCELLED
    assert analyses.results(second) is None
    assert analyses.upload(second) is not None, "the upload stays"
    assert written(tmp_path, second)["state"] == "cancelled"


def test_an_ended_analysis_cannot_be_cancelled(begin: Callable, png: bytes) -> None:
    analyses = begin()
    analysis_id = put(analyses, png)
    until(analyses, analysis_id)
    analyses.cancel(analysis_id)
    assert analyses.get(analysis_id).state is UploadState.DONE


def test_a_running_analysis_reports_progress_and_can_be_cancelled(begin: Callable, mp4: bytes, png: bytes) -> None:
    analyses = begin()
    analysis_id, after = put(analyses, mp4, "me.mp4"), put(analyses, png)
    until(analyses, analysis_id, lambda one: one.state is UploadState.RUNNING and 0 < (one.progress or 0) < 1)
    analyses.cancel(analysis_id)
    until(analyses, after)
    cancelled = analyses.get(analysis_id)
    assert (cancelled.state, cancelled.progress) == (UploadState.CANCELLED, None)
    assert analyses.results(analysis_id) is None


def test_a_cancellation_during_loading_is_kept(begin: Callable, engines: Engines, png: bytes) -> None:
    gate = Gate(engines)
    analyses = begin(gate)
    analysis_id, after = put(analyses, png), put(analyses, png)
    assert gate.reached.wait(20)
    analyses.cancel(analysis_id)
    gate.open()
    until(analyses, after)
    assert analyses.get(analysis_id).state is UploadState.CANCELLED


def test_a_removed_upload_leaves_no_file(begin: Callable, png: bytes, tmp_path: Path) -> None:
    analyses = begin()
    analysis_id, other = put(analyses, png), put(analyses, png)
    until(analyses, other)
    analyses.remove(analysis_id)
    assert [analysis.id for analysis in analyses.all] == [other]
    assert [folder.name for folder in (tmp_path / "analyses").iterdir()] == [other]


def test_an_upload_can_be_removed_during_its_analysis(begin: Callable, mp4: bytes, png: bytes, tmp_path: Path) -> None:
    analyses = begin()
    analysis_id, after = put(analyses, mp4, "me.mp4"), put(analyses, png)
    until(analyses, analysis_id, lambda one: bool(one.progress))
    analyses.remove(analysis_id)
    assert until(analyses, after).state is UploadState.DONE
    assert analyses.get(analysis_id) is None
    assert [folder.name for folder in (tmp_path / "analyses").iterdir()] == [after]


def kept(tmp_path: Path, analysis_id: str, content: bytes, **facts: object) -> Path:
    """The folder of an upload from an earlier run of the program."""
    folder = tmp_path / "analyses" / analysis_id
    folder.mkdir(parents=True)
    (folder / "upload.png").write_bytes(content)
    plain = {"id": analysis_id, "name": "me.png", "created_at": "2026-11-24T12:00:00+00:00", "state": "done"}
    (folder / JOB_FILE).write_text(json.dumps(plain | {"why": "", "progress": None} | facts))
    return folder


@pytest.mark.parametrize("state", ["running", "queued"])
def test_an_interrupted_analysis_is_repeated_after_a_crash(
    begin: Callable, png: bytes, tmp_path: Path, state: str
) -> None:
    folder = kept(tmp_path, "job-1", png, state=state)
    stale = folder / "results" / "me" / "half.mp4"
    stale.parent.mkdir(parents=True)
    stale.touch()
    analyses = begin()
    assert until(analyses, "job-1").state is UploadState.DONE
    assert analyses.report("job-1") is not None
    assert not stale.exists()


def test_an_ended_analysis_is_unchanged_after_a_restart(begin: Callable, png: bytes, tmp_path: Path) -> None:
    kept(tmp_path, "job-1", png, state="cancelled")
    kept(tmp_path, "job-2", png, state="failed", why="no picture")
    analyses = begin(no_engines)
    analyses._worker.wait()
    assert {one.id: (one.state, one.why) for one in analyses.all} == {
        "job-1": (UploadState.CANCELLED, ""),
        "job-2": (UploadState.FAILED, "no picture"),
    }


def test_an_incomplete_upload_is_removed_after_a_crash(begin: Callable, png: bytes, tmp_path: Path) -> None:
    (kept(tmp_path, "job-1", png) / JOB_FILE).unlink()
    assert begin().all == []
    assert list((tmp_path / "analyses").iterdir()) == []


def test_a_damaged_job_file_does_not_delete_the_upload(
    begin: Callable, png: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = kept(tmp_path, "job-2", png)
    before = sorted(path.name for path in folder.iterdir())
    (folder / JOB_FILE).write_text("{")
    assert begin().all == []
    assert sorted(path.name for path in folder.iterdir()) == before
    assert "job-2" in caplog.text


def test_an_analysis_is_repeated_after_a_restart(begin: Callable, mp4: bytes, tmp_path: Path) -> None:
    analyses = begin()
    analysis_id, waiting = put(analyses, mp4, "me.mp4"), put(analyses, mp4, "me.mp4")
    until(analyses, analysis_id, lambda one: bool(one.progress))
    began = time.monotonic()
    analyses.close()
    assert time.monotonic() - began < 5, "it does not wait for the whole video"
    assert [written(tmp_path, one)["state"] for one in (analysis_id, waiting)] == ["queued", "queued"]
    assert "analyses" not in {thread.name for thread in threading.enumerate()}
    again = begin(no_engines)
    assert until(again, analysis_id).state is UploadState.FAILED, "it was tried"


def test_an_error_contains_the_users_file_name(begin: Callable, tmp_path: Path) -> None:
    analyses = begin()
    failed = until(analyses, put(analyses, b"no video" * 99, "holiday.mp4"))
    assert failed.state is UploadState.FAILED
    assert "holiday.mp4" in failed.why
    assert str(tmp_path) not in failed.why


def test_a_failed_analysis_does_not_affect_others(begin: Callable, engines: Engines, png: bytes) -> None:
    loads: list[Callable[[], Engines]] = [no_engines, lambda: engines.nothing_of_that_name, lambda: engines]
    analyses = begin(lambda: loads.pop(0)())
    first, second, third = (put(analyses, png) for _ in range(3))
    assert until(analyses, third).state is UploadState.DONE
    assert (analyses.get(first).state, analyses.get(first).why) == (UploadState.FAILED, "no engine can be had")
    assert analyses.get(second).state is UploadState.FAILED
    assert analyses.get(second).why.startswith("internal error, please report it: AttributeError")


def test_the_file_of_an_address_is_downloaded_and_analysed(begin: Callable, png: bytes, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "me.png").write_bytes(png)
    (tmp_path / "web" / "notes.png").write_text("no picture")
    analyses = begin()
    with web_server(tmp_path / "web") as web:
        names = ("me.png", "notes.png", "x.png")
        good, bad, absent = (analyses.download(f"{web.url}/{name}?token=hidden") for name in names)
        assert (good.name, good.state) == ("me.png", UploadState.QUEUED)
        assert until(analyses, good.id).state is UploadState.DONE
        failed = until(analyses, bad.id)
        assert (failed.state, "notes.png" in failed.why) == (UploadState.FAILED, True), failed.why
        assert "404" in until(analyses, absent.id).why
    report = analyses.report(good.id)
    assert report is not None
    assert report["source"]["name"] == "me.png"
    texts = [path.read_bytes() for path in (tmp_path / "analyses").rglob("*") if path.is_file()]
    assert not any(b"hidden" in text for text in texts), "the address is forgotten"


def test_a_restart_repeats_a_download_and_a_cancelled_one_stays_so(begin: Callable, png: bytes, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "me.png").write_bytes(png)
    analyses = begin()
    analyses._closing.set()  # the program ends before the download
    with web_server(tmp_path / "web") as web:
        repeated, cancelled = (analyses.download(f"{web.url}/me.png") for _ in range(2))
        analyses.cancel(cancelled.id)
        address = tmp_path / "analyses" / repeated.id / "address"
        assert address.stat().st_mode & 0o777 == 0o600
        analyses.close()
        assert web.asked == []
        again = begin()
        assert until(again, repeated.id).state is UploadState.DONE
        assert until(again, cancelled.id).state is UploadState.CANCELLED
        assert len(web.asked) == 1
