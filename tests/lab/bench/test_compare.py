import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from support.footage import posed

from monitor.errors import MonitorError
from monitor.lab.bench.compare import Scenario, compare, one_thread_process, share_matched
from monitor.lab.bench.loops import LOOPS
from monitor.media.video_writer import VideoWriter
from monitor.settings import Settings

NONE = np.zeros((0, 4), np.float32)


def box(*corners: float) -> np.ndarray:
    return np.array([corners], np.float32)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of a face, eight frames each."""
    with VideoWriter(tmp_path / "clip.mp4", fps=8) as video:
        for index in range(16):
            video.write(posed((300 + 2 * index, 200, 130), width=640, height=360), index / 8)
    return tmp_path / "clip.mp4"


class Here:
    """An executor that works at once, in this process."""

    def submit(self, function: Callable[..., object], *arguments: object) -> Future[object]:
        done: Future[object] = Future()
        done.set_result(function(*arguments))
        return done


def test_faces_are_matched_frame_by_frame() -> None:
    here, near, far = box(0, 0, 100, 100), box(10, 0, 110, 100), box(300, 0, 400, 100)
    assert share_matched([here, here], [near, far]) == 0.5
    assert share_matched([np.concatenate((here, far))], [here]) == 0.5
    assert share_matched([here, NONE], [NONE, here]) == 0.0
    assert share_matched([NONE], [here]) == 1.0


def test_both_loops_run_on_the_same_frames(clip: Path, settings: Settings) -> None:
    turns = []
    result = compare(Scenario("one_face", clip, "ours"), settings=settings, turns=1, on_turn=lambda: turns.append(1))
    assert len(turns) == 2, "one to warm up"
    assert result.frames == 8
    assert result.faces_naive >= 8
    assert result.faces_matched >= 0.95
    assert result.ratio == pytest.approx(result.naive_ms / result.ours_ms)
    assert result.ratio > 1
    assert 50 < result.peak_rss_mb < 2000


def test_a_clip_that_is_too_short_is_one_sentence(
    clip: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.lab.bench.compare.one_thread_process", lambda: nullcontext(Here()))
    monkeypatch.setattr("monitor.lab.bench.compare.LOOPS", dict.fromkeys(LOOPS, lambda _: lambda frame: NONE))
    with pytest.raises(MonitorError, match="too short"):
        compare(Scenario("short", clip, "ours"), settings=settings, turns=2, on_turn=lambda: None)


def test_the_benchmark_processes_use_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with one_thread_process() as process:
        assert process.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
