import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import clips, faults, rtsp_server

from monitor.cli import watch as module
from monitor.errors import OutputError
from monitor.lab.bench.clips import one_face_clip
from monitor.results.recorder import ResultRecorder
from monitor.runtime.load_shedder import LADDER


def test_watching_the_demo_says_lines_and_keeps_the_results(cli: Callable, tmp_path: Path) -> None:
    said = cli("watch", "demo:", "--out", "kept")
    assert said.code == 0, said.err
    assert "watching demo: (1280x720) on onnxruntime-fp32" in said.out
    assert "face 1  appears: not enough evidence" in said.out
    assert "verdict:" in said.out
    assert "30 frames" in said.out
    assert "dropped: none" in said.out
    assert (tmp_path / "kept" / "demo" / "annotated.mp4").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("typed", "clause"),
    [("0", "webcam:0"), ("rtsp://", "the host is missing"), ("rtsp://127.0.0.1:99999/", "ports are 1 to 65535")],
)
def test_an_impossible_address_is_not_tried_again(cli: Callable, typed: str, clause: str) -> None:
    said = cli("watch", typed)
    assert said.code == 2
    assert clause in said.err + said.out
    assert "reconnecting" not in said.err + said.out


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are not text")
def test_a_file_with_a_name_that_is_no_unicode_is_watched(cli: Callable, tmp_path: Path) -> None:
    clip = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    clips.video(clip, frames=5)
    said = cli("watch", clip, "--out", "kept")
    assert said.code == 0, said.err
    assert (tmp_path / "kept" / "caf�" / "report.json").exists()


def test_json_lines(cli: Callable) -> None:
    said = cli("watch", "demo:", "--json")
    events = [json.loads(line) for line in said.out.splitlines()]
    assert events[0]["type"] == "stream_opened"
    assert [event["type"] for event in events[-3:]] == ["stream_closed", "result", "stream_state_changed"]
    assert events[-3]["frames"]["frames_analysed"] == 30
    assert events[-1]["state"] == "ended"
    assert {event["type"] for event in events} <= {
        "stream_opened", "stream_state_changed", "face_appeared", "face_left", "label_changed", "segment_closed",
        "stream_closed", "result", "status",
    }  # fmt: skip
    assert {event["stream"] for event in events} == {"demo:"}


def test_a_duration_ends_the_watch_and_keeps_what_was_seen(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_SOURCE__DEMO_SECONDS", "600")
    said = cli("watch", "demo:", "--duration", "1", "--out", "kept", "--json")
    assert said.code == 0, said.err
    (result,) = [event for event in map(json.loads, said.out.splitlines()) if event["type"] == "result"]
    assert 1 <= result["frames"]["frames_analysed"] < 600 * 25
    report = json.loads((tmp_path / "kept" / "demo" / "report.json").read_text(encoding="utf-8"))
    assert report["frames"]["read"] == report["frames"]["analysed"] + sum(report["frames"]["dropped"].values())


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_watch_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "DEEPFAKE_MONITOR_SOURCE__DEMO_SECONDS": "600"}
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", "watch", "demo:", "--out", "kept", "--json"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "stream_opened"
        timer = threading.Timer(1.0, process.send_signal, [number])
        timer.start()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "result" in [json.loads(line)["type"] for line in out.splitlines()]
    assert sorted(path.name for path in (tmp_path / "kept" / "demo").iterdir()) == [
        "annotated.mp4",
        "report.json",
        "timeline.csv",
    ]


def test_a_wrong_port_is_one_sentence_with_the_password_masked(cli: Callable) -> None:
    started = time.monotonic()
    said = cli("watch", "rtsp://guard:geheim@127.0.0.1:9/cam", "--set", "source.open_timeout=2")
    assert said.code == 3
    assert "geheim" not in said.out + said.err
    assert "127.0.0.1:9" in said.err
    assert time.monotonic() - started < 60, "it gave up"


def test_sources_are_watched_side_by_side_each_line_with_its_name(cli: Callable, tmp_path: Path) -> None:
    one_face_clip(tmp_path / "other.mp4", seconds=1)
    said = cli("watch", "demo:", "other.mp4", "--out", "kept")
    assert said.code == 0, said.err
    for name in ("demo:", "other.mp4"):
        assert f"{name}  watching {name} (" in said.out
        assert f"{name}  verdict:" in said.out
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["demo", "other"]


def test_one_source_that_is_not_there_does_not_end_the_others(cli: Callable, tmp_path: Path) -> None:
    said = cli("watch", "missing.mp4", "demo:", "--json")
    assert said.code == 3
    assert "missing.mp4" in said.err
    events = [json.loads(line) for line in said.out.splitlines()]
    assert ("missing.mp4", "failed") in [(event["stream"], event.get("state")) for event in events]
    results = [event for event in events if event["type"] == "result"]
    assert [result["source"] for result in results] == ["demo:"]
    assert results[0]["frames"]["frames_analysed"] == 30


@pytest.mark.rtsp
def test_a_camera_that_is_lost_is_opened_again_and_both_times_are_kept(tmp_path: Path) -> None:
    if reason := rtsp_server.missing():
        pytest.skip(reason)
    camera = faults.Camera(one_face_clip(tmp_path / "cam.mp4", seconds=4))
    camera.start()
    command = [sys.executable, "-m", "monitor", "watch", camera.url, "--json", "--out", "kept"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            events = map(json.loads, process.stdout)
            next(event for event in events if event["type"] == "stream_opened" and event["connection"] == 1)
            next(event for event in events if event["type"] == "face_appeared")
            camera.kill()
            lost = list(until(events, lambda event: event.get("state") == "reconnecting"))
            assert lost[-1]["attempt"] >= 1
            camera.start()
            again = list(until(events, lambda event: event["type"] == "stream_opened"))
            assert again[-1]["connection"] == 2
            list(until(events, lambda event: event["type"] == "face_appeared"))
            process.send_signal(signal.SIGINT)
            rest = list(events)
        finally:
            process.kill()
            camera.kill()
    results = [event for event in (*lost, *again, *rest) if event["type"] == "result"]
    assert [bool(result["error"]) for result in results] == [True, False]
    assert all(":right@" not in json.dumps(event) for event in (*lost, *again, *rest)), "the password"
    folders = list((tmp_path / "kept").iterdir())
    assert len(folders) == 2
    for folder in folders:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        assert report["frames"]["read"] == report["frames"]["analysed"] + sum(report["frames"]["dropped"].values())


def test_a_source_that_cannot_be_opened_yet_is_waited_for_if_wanted(cli: Callable) -> None:
    said = cli("watch", "rtsp://127.0.0.1:9/cam", "--wait", "--json", "--set", "source.max_retries=2")
    assert said.code == 3
    assert "given up after 2 more attempts" in said.err
    states = [event for event in map(json.loads, said.out.splitlines()) if event["type"] == "stream_state_changed"]
    assert [state["state"] for state in states] == ["reconnecting", "failed"]


def test_the_terminal_is_told_when_the_machine_is_too_busy(capsys: pytest.CaptureFixture[str]) -> None:
    module._print_cadence(LADDER[4], as_json=False)
    module._print_cadence(LADDER[4], as_json=True)
    line, record = capsys.readouterr().out.splitlines()
    assert line == str(LADDER[4])
    assert json.loads(record) == {"type": "cadence", "fps": 10, "rest": 0.5, "reason": line}


def test_a_recording_that_cannot_be_published_at_the_end_is_an_error(
    cli: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ResultRecorder, *_: object, **__: object) -> Path:
        self.abort()
        raise OutputError("kept: no space left")

    monkeypatch.setenv("DEEPFAKE_MONITOR_SOURCE__DEMO_SECONDS", "600")
    monkeypatch.setattr(ResultRecorder, "finish", full)
    said = cli("watch", "demo:", "--duration", "1", "--out", "kept")
    assert said.code == 1
    assert "kept: no space left" in said.err


def test_the_status_is_one_line_however_many_sources_there_are() -> None:
    line = module._one_line(f"[bold]camera {number}[/]" for number in range(99))
    assert len(line.plain) <= module.errors.width
    assert line.plain.startswith("camera 0  |  camera 1")


def until(events: Iterator[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]) -> Iterator[dict[str, Any]]:
    """The events up to the first that is wanted."""
    for event in events:
        yield event
        if wanted(event):
            return
    pytest.fail("it did not come")
