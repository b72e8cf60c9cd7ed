from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def test_watching_the_demo_says_lines_and_keeps_the_results(cli: Callable, tmp_path: Path) -> None:
    said = cli("watch", "demo:", "--out", "kept")
    assert said.code == 0, said.err
    assert "watching demo: (1280x720) on onnxruntime-fp32" in said.out
    assert "face 1  appears: not enough evidence" in said.out
    assert "verdict:" in said.out
    assert "30 frames" in said.out
    assert "dropped: none" in said.out
    assert (tmp_path / "kept" / "demo" / "annotated.mp4").stat().st_size > 10_000


def test_json_lines(cli: Callable) -> None:
    said = cli("watch", "demo:", "--json")
    events = [json.loads(line) for line in said.out.splitlines()]
    assert events[0]["event"] == "open"
    assert [event["event"] for event in events[-2:]] == ["status", "result"]
    assert events[-2]["frames_analysed"] == 30
    assert all(event["event"] in ("open", "face", "label", "gone", "status", "result") for event in events)


def test_a_duration_ends_the_watch_and_keeps_what_was_seen(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_SOURCE__DEMO_SECONDS", "600")
    said = cli("watch", "demo:", "--duration", "1", "--out", "kept", "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out.splitlines()[-1])
    assert 1 <= result["frames_analysed"] < 600 * 25
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
        assert json.loads(process.stdout.readline())["event"] == "open"
        timer = threading.Timer(1.0, process.send_signal, [number])
        timer.start()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["event"] == "result"
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
