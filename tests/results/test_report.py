import dataclasses
import gc
import hashlib
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from support.json_schema import REPORT_FILE
from support.observations import Face, change, frame, observation, segment, source_info, summary
from support.reports import written_report

from monitor.errors import SourceError, SourceUnavailableError
from monitor.results.report import Provenance, sha256_of
from monitor.results.report_content import SCHEMA_VERSION
from monitor.results.timeline import Timeline
from monitor.runtime import VerdictCollector
from monitor.types import Hint, HintKind, Label, Observation, Reason, SourceVerdict

FAKE = SourceVerdict(Label.LIKELY_FAKE, 0.95, 1, ())
UNKNOWN = SourceVerdict(Label.NOT_ENOUGH_EVIDENCE, None, None, (Reason.NO_FACE,))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(REPORT_FILE.read_text(encoding="utf-8"))


def stream() -> list[Observation]:
    face = Face((10, 20, 110, 140), log_odds=2.0)
    return [
        observation([face], index=0),
        observation([face], index=1, media_time=0.04, changes=[change(1)]),
        observation(index=2, media_time=0.08, segments=[segment(1, 1.0, 2.0)], ended=[summary(1, Label.LIKELY_FAKE)]),
    ]


def written(folder: Path, provenance: Provenance, **others: Any) -> dict[str, Any]:
    return written_report(folder, provenance, FAKE, observations=stream(), **others)


def test_a_report_is_valid_and_accounts_for_everything(
    tmp_path: Path, provenance: Provenance, schema: dict[str, Any]
) -> None:
    content = written(
        tmp_path,
        provenance,
        segments=[segment(2, 0.5, 1.5, Label.LIKELY_FAKE, 0.96)],
        tracks=[summary(2, Label.NOT_ENOUGH_EVIDENCE, None)],
        dropped={"analysis behind": 4},
        lost={"undecodable": 1},
        failure=SourceError("the camera went away"),
    )
    Draft202012Validator(schema).validate(content)
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["frames"] == {
        "read": 7,
        "analysed": 3,
        "dropped": {"analysis behind": 4},
        "lost": {"undecodable": 1},
        "ended_early": "the camera went away",
        "start": 0.0,
    }
    assert [track["track_id"] for track in content["tracks"]] == [1, 2]
    assert [span["track_id"] for span in content["segments"]] == [2, 1]
    assert content["spans"] == [{"start": 0.5, "end": 2.0, "label": "LIKELY_FAKE", "peak": 0.96, "track_ids": [1, 2]}]
    assert content["label_changes"][0]["witnesses"][0]["contribution"] == 1.5
    assert content["verdict"]["in_words"].startswith("Likely fake: face 1")
    assert "not proof" in content["note"]


def test_it_says_what_judged_and_its_limits(tmp_path: Path, provenance: Provenance) -> None:
    content = written(tmp_path, provenance)
    assert content["model"]["id"] == "made-for-a-test-1"
    assert content["model"]["limits"] == "It never saw a face."
    assert content["model"]["calibration"] == {"scale": 2.0, "shift": -1.0}
    assert content["engine"] == {
        "name": "onnxruntime-fp32",
        "reason": "the default on a CPU",
        "all": ["onnxruntime-fp32"],
    }
    assert content["settings"] == provenance.settings.record()
    assert content["model"]["score_process"]["correlation_time"] == provenance.model.score_process.correlation_time
    assert "evidence" not in content["settings"], "where flags lie is nobody else's business"


def test_an_engine_that_took_over_is_named(tmp_path: Path, provenance: Provenance, schema: dict[str, Any]) -> None:
    first, *rest = stream()
    seen = (first, *(replace(one, engine="tensorrt-fp16") for one in rest))
    content = written_report(tmp_path, provenance, FAKE, observations=seen)
    Draft202012Validator(schema).validate(content)
    assert content["engine"]["name"] == "onnxruntime-fp32"
    assert content["engine"]["all"] == [first.engine, "tensorrt-fp16"]


def test_a_source_without_a_face_has_a_valid_report(
    tmp_path: Path, provenance: Provenance, schema: dict[str, Any]
) -> None:
    content = written_report(tmp_path, provenance, UNKNOWN)
    Draft202012Validator(schema).validate(content)
    assert (content["tracks"], content["spans"], content["label_changes"]) == ([], [], [])


def test_same_observations_same_report(tmp_path: Path, provenance: Provenance) -> None:
    contents, timelines = [], []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        content = written(tmp_path / name, provenance)
        content.pop("created_at")
        contents.append(json.dumps(content))
        timelines.append((tmp_path / name / "timeline.csv").read_bytes())
    assert contents[0] == contents[1]
    assert timelines[0] == timelines[1]


def test_names_in_any_script_are_kept(tmp_path: Path, provenance: Provenance) -> None:
    folder = tmp_path / "証拠 ñ"
    folder.mkdir()
    clip = folder / "клип.mp4"
    clip.write_bytes(b"x")
    content = written(folder, dataclasses.replace(provenance, source=source_info(clip)))
    assert content["source"]["name"].endswith("клип.mp4")


def test_memory_does_not_grow_with_the_video(tmp_path: Path, provenance: Provenance) -> None:
    each, picture = observation([Face((10, 20, 110, 140), log_odds=2.0)]), frame(np.zeros((4, 4, 3), np.uint8))
    collector = VerdictCollector(max_items=None)
    with Timeline(tmp_path) as timeline:
        tracemalloc.start()
        for _ in range(5000):
            collector(picture, each)
            timeline.add(each)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held < 50_000


def test_the_schema_refuses_what_is_unknown_or_no_number(
    tmp_path: Path, provenance: Provenance, schema: dict[str, Any]
) -> None:
    content = written(tmp_path, provenance)
    validator = Draft202012Validator(schema)
    assert not validator.is_valid({**content, "surprise": 1})
    content["tracks"][0]["first_seen"] = None
    assert not validator.is_valid(content)


def test_a_hash_is_that_of_the_whole_file(tmp_path: Path) -> None:
    clip = tmp_path / "ключ.bin"
    clip.write_bytes(bytes(range(256)) * 5000)
    assert sha256_of(clip) == hashlib.sha256(bytes(range(256)) * 5000).hexdigest()
    with pytest.raises(SourceUnavailableError, match="cannot be read"):
        sha256_of(tmp_path / "absent")


def test_hints_on_the_stream_are_told_in_order_and_those_that_hold_have_no_end(
    tmp_path: Path, provenance: Provenance, schema: dict[str, Any]
) -> None:
    looped = Hint(HintKind.LOOPED, 1.0, None, "the same pictures as 2.0 s before")
    changes = [(looped,), (), (replace(looped, end=1.4), Hint(HintKind.FROZEN, 0.2))]
    seen = [
        replace(each, hint_changes=began, hints=began[1:] if len(began) > 1 else (looped,))
        for each, began in zip(stream(), changes, strict=True)
    ]
    content = written_report(tmp_path, provenance, FAKE, observations=seen)
    Draft202012Validator(schema).validate(content)
    assert [(hint["kind"], hint["start"], hint["end"]) for hint in content["hints"]] == [
        ("FROZEN", 0.2, None),
        ("LOOPED", 1.0, 1.4),
    ]
    assert content["hints"][1]["in_words"] == "looped (the same pictures as 2.0 s before)"
    assert content["verdict"]["label"] == "LIKELY_FAKE"
