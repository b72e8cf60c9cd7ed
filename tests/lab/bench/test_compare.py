import os
from pathlib import Path

import numpy as np
import pytest

from monitor.errors import MonitorError
from monitor.lab.bench.clips import one_face_clip
from monitor.lab.bench.compare import Scenario, compare, one_thread_process, share_matched
from monitor.settings import Settings


def box(*corners: float) -> np.ndarray:
    return np.array([corners], np.float32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_face_clip(tmp_path_factory.mktemp("bench") / "clip.mp4", seconds=2)


def test_faces_are_matched_frame_by_frame() -> None:
    none = np.zeros((0, 4), np.float32)
    here, near, far = box(0, 0, 100, 100), box(10, 0, 110, 100), box(300, 0, 400, 100)
    assert share_matched([here, here], [near, far]) == 0.5
    assert share_matched([np.concatenate((here, far))], [here]) == 0.5
    assert share_matched([here, none], [none, here]) == 0.0
    assert share_matched([none], [here]) == 1.0


def test_both_loops_run_on_the_same_frames(clip: Path, settings: Settings) -> None:
    turns = []
    result = compare(Scenario("one_face", clip, "ours"), settings=settings, turns=1, on_turn=lambda: turns.append(1))
    assert len(turns) == 2, "one to warm up"
    assert result.frames == 25
    assert result.faces_naive >= 25
    assert result.faces_matched >= 0.95
    assert result.ratio == pytest.approx(result.naive_ms / result.ours_ms)
    assert result.ratio > 1
    assert 50 < result.peak_rss_mb < 2000


def test_a_clip_that_is_too_short_is_one_sentence(clip: Path, settings: Settings) -> None:
    with pytest.raises(MonitorError, match="too short"):
        compare(Scenario("short", clip, "ours"), settings=settings, turns=0, on_turn=lambda: None)


def test_the_benchmark_processes_use_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with one_thread_process() as process:
        assert process.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
