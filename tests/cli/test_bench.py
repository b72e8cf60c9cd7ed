import json
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.lab.bench.compare import ScenarioResult
from monitor.lab.bench.peak import ClassifierSpeed

RESULT = ScenarioResult(
    ratio=15.2,
    ratio_min=14.0,
    ratio_max=16.1,
    naive_ms=150.0,
    ours_ms=9.9,
    faces_naive=150,
    faces_matched=0.99,
    peak_rss_mb=350.0,
    frames=150,
)
SPEED = ClassifierSpeed(
    engine="onnxruntime-fp32", sgemm_gflops=200.0, ms_per_face={1: 15.0, 4: 13.0}, sgemm_share={1: 0.95, 4: 1.0}
)


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instant stand-ins for the measurements, which tests/lab tests."""
    monkeypatch.setattr("monitor.cli.bench.compare", lambda scenario, **_: RESULT)

    class Now:
        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def submit(self, function: Callable, *_: object):
            answer = SPEED if function.__name__ == "classifier_speed" else {"full detection": 1.5}
            return type("Done", (), {"result": staticmethod(lambda: answer)})

    monkeypatch.setattr("monitor.cli.bench.one_thread_process", Now)


def test_json_is_one_object_with_a_key_per_scenario(cli: Callable) -> None:
    said = cli("bench", "--json", "--seconds", "2")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    for scenario in ("one_face", "crowd", "equal_work"):
        assert {"ratio", "naive_ms", "ours_ms", "faces_matched"} <= set(record[scenario])
    assert record["classifier_sgemm_share"] == 0.95
    assert record["peak_rss_mb"] == 350.0


def test_the_table_has_a_row_for_an_added_video(cli: Callable, tmp_path: Path) -> None:
    cli("analyze", "demo:", "--out", "kept")
    said = cli("bench", "--seconds", "2", "--video", tmp_path / "kept" / "demo" / "annotated.mp4")
    assert said.code == 0, said.err
    assert "15.2 x" in said.out
    assert "video" in said.out
    assert "batch 1: 15.0 ms per face, 95 %" in said.out


def test_a_missing_video_is_one_sentence(cli: Callable) -> None:
    said = cli("bench", "--video", "absent.mp4", "--seconds", "2")
    assert said.code == 3
    assert "absent.mp4" in said.err
