"""Golden timelines: known streams of scores with all resulting verdicts, stored in tests/golden.

A change that alters a verdict shows here, number by number. After one that is meant to, rewrite them with
``PYTHONPATH=tests python tests/analysis/verdicts/test_timelines.py`` and read the difference.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from support.score_stream import EVERY, Said, Timeline, noisy, play

from monitor.analysis.verdicts import source_verdict
from monitor.types import Reason

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))


def timeline_to_json(timeline: Timeline) -> dict[str, Any]:
    """The relevant content of a timeline, as JSON."""
    summary = timeline.summaries[0]
    source = source_verdict(timeline.summaries)
    return {
        "changes": [
            {
                "at": change.media_time,
                "began": change.began,
                "restarted_at": change.restarted_at,
                "before": change.before,
                "after": change.after,
                "probability": change.probability,
                "threshold": change.threshold,
                "window": list(change.window),
                "reasons": list(change.reasons),
                "witnesses": [[sample.media_time, sample.contribution] for sample in change.witnesses],
            }
            for change in timeline.changes
        ],
        "segments": [
            {
                "span": [one.start, one.end],
                "label": one.label,
                "peak": one.peak,
                "mean": one.mean,
                "best": one.best_frame,
            }
            for one in timeline.segments
        ],
        "track": {
            "label": summary.verdict.label,
            "probability": summary.verdict.probability,
            "reasons": list(summary.verdict.reasons),
            "seconds": dict(summary.label_seconds),
        },
        "source": {"label": source.label, "probability": source.probability, "reasons": list(source.reasons)},
    }


def replay(slots: list[float | str | None]) -> Timeline:
    """One value per score slot: a logit, a reason for its absence, or null for no face."""
    values: list[Said] = [Reason(one) if isinstance(one, str) else one for one in slots]
    return play(lambda now: values[math.floor(now / EVERY + 1e-6)], seconds=len(values) * EVERY)


def same(got: Any, expected: Any, where: str = "") -> None:
    """Equality of numbers to 1e-6, because the last bits of exp and tanh depend on the machine."""
    if isinstance(expected, dict):
        assert got.keys() == expected.keys(), where
        for key in expected:
            same(got[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(got) == len(expected), where
        for i, (one, other) in enumerate(zip(got, expected, strict=True)):
            same(one, other, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert got == pytest.approx(expected, abs=1e-6), where
    else:
        assert got == expected, where


def test_there_are_golden_timelines() -> None:
    assert len(NAMES) >= 6


@pytest.mark.parametrize("name", NAMES)
def test_verdicts_equal_the_golden_ones(name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    same(timeline_to_json(replay(golden["scores"])), golden["said"])


def _record() -> None:
    """Rewrite the golden files with the current verdicts."""

    def between(start: float, end: float, low: float, high: float, seed: int) -> list[Said]:
        said = noisy(lambda now: high if start <= now < end else low, seed=seed, tau=0.2)
        return [round(said(i * EVERY), 2) for i in range(150)]

    unseen = between(0, 0, -1.5, 0, seed=5)
    unseen[40:75] = [Reason.TOO_SMALL] * 35
    unseen[100:106] = [None] * 6
    brief = between(0, 0, -1.5, 0, seed=6)
    brief[60:64], brief[100] = [3.0] * 4, 4.0
    streams = {
        "genuine": between(0, 0, -1.5, 0, seed=1),
        "switch_and_back": between(10, 20, -2.0, 2.0, seed=2),
        "weak_switch": between(10, 20, -1.0, 1.5, seed=3),
        "hovering": between(0, 0, 0.0, 0, seed=4),
        "unseen": unseen,
        "brief": brief,
        "slow_drift": [round(-2.0 + 4.5 * i / 150, 2) for i in range(150)],
        "too_few": [2.0, Reason.PROFILE_POSE, Reason.PROFILE_POSE, Reason.TOO_DARK, 1.0],
    }
    for name, slots in streams.items():
        golden = {"scores": slots, "said": timeline_to_json(replay(slots))}
        (GOLDEN / f"{name}.json").write_text(_laid_out(golden), encoding="utf-8")


def _laid_out(golden: dict[str, Any]) -> str:
    rounded = json.loads(json.dumps(golden), parse_float=lambda text: round(float(text), 8))
    return json.dumps(rounded, indent=1) + "\n"


if __name__ == "__main__":
    _record()
