"""A broken engine fails the heartbeat, an intact one passes; with the shipped weights."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from support.clock import use_clock

from monitor.analysis.pipeline import Engines
from monitor.analysis.scores import Scorer
from monitor.errors import EngineError, WeightsMissingError
from monitor.runtime import Heartbeat
from monitor.runtime import heartbeat as heartbeat_module
from monitor.runtime.heartbeat import TOLERANCE, score
from monitor.types import Floats, Pixels


class Broken:
    """The shipped engine with changed logits."""

    name = "broken"

    def __init__(self, engines: Engines, change: Callable[[Floats], Floats]) -> None:
        self._engine, self.change = engines.scorer.engine, change
        self.batches: list[int] = []

    def run(self, batch: Pixels) -> tuple[Floats, ...]:
        self.batches.append(len(batch))
        logits, maps = self._engine.run(batch)
        return self.change(logits), maps


def with_engine(engines: Engines, engine: object, **card: object) -> Engines:
    known = engines.classifier.card.model_copy(update=card)
    scorer = Scorer(replace(engines.classifier, card=known), engine)  # type: ignore[arg-type]
    return replace(engines, scorers=(scorer,))


def test_the_shipped_weights_match_their_card(engines: Engines) -> None:
    beat = Heartbeat(lambda: engines).beat()
    assert beat.healthy, beat.why
    assert beat.scored is not None
    assert beat.scored.blended > beat.scored.genuine + 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(np.zeros_like, id="a zeroed last layer"),
        pytest.param(np.negative, id="a swapped sign"),
        pytest.param(lambda logits: logits + 2 * TOLERANCE, id="a bias that drifted"),
        pytest.param(lambda logits: logits * np.nan, id="no numbers"),
        pytest.param(lambda logits: logits[::-1].copy(), id="the wrong rows"),
    ],
)
def test_a_broken_engine_fails_the_heartbeat(
    engines: Engines, caplog: pytest.LogCaptureFixture, change: Callable[[Floats], Floats]
) -> None:
    engine = Broken(engines, change)
    beat = Heartbeat(lambda: with_engine(engines, engine)).beat()
    assert not beat.healthy
    assert "trust no verdict" in beat.why
    assert "heartbeat: broken no longer scores" in caplog.text
    assert engine.batches == [2], "one small batch, so that frames hardly wait"


def test_rounding_of_another_runtime_passes(engines: Engines) -> None:
    sloppy = Broken(engines, lambda logits: logits + np.float32(0.02))
    assert Heartbeat(lambda: with_engine(engines, sloppy)).beat().healthy


def test_without_demo_logits_the_first_beat_is_the_reference(engines: Engines) -> None:
    engine = Broken(engines, lambda logits: logits + 5)
    heart = Heartbeat(lambda: with_engine(engines, engine, demo_logits=None))
    assert "at the first beat" in heart.beat().why
    assert heart.beat().healthy
    engine.change = lambda logits: logits
    assert not heart.beat().healthy
    engine.change = lambda logits: logits + 5
    assert heart.beat().healthy


def test_without_demo_logits_equal_scores_of_both_faces_fail(engines: Engines) -> None:
    zeroed = Broken(engines, np.zeros_like)
    beat = Heartbeat(lambda: with_engine(engines, zeroed, demo_logits=None)).beat()
    assert not beat.healthy
    assert "the same" in beat.why


def test_a_recovery_is_logged_once(engines: Engines, caplog: pytest.LogCaptureFixture) -> None:
    engine = Broken(engines, np.negative)
    heart = Heartbeat(lambda: with_engine(engines, engine))
    caplog.set_level(logging.INFO, "monitor")
    heart.beat()
    engine.change = lambda logits: logits
    for _ in range(3):
        assert heart.beat().healthy
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert heart.last is not None
    assert heart.last.healthy


@pytest.mark.parametrize("error", [EngineError("out of memory"), WeightsMissingError("weights are missing")])
def test_a_failing_or_missing_engine_fails_the_heartbeat(engines: Engines, error: Exception) -> None:
    def failing(_: Floats) -> Floats:
        raise error

    beat = Heartbeat(lambda: with_engine(engines, Broken(engines, failing))).beat()
    assert (beat.healthy, beat.why, beat.scored) == (False, str(error), None)


def test_the_heartbeat_does_not_reset_the_failure_count(engines: Engines) -> None:
    engines.scorer._failures = 3
    score(engines.scorer)
    assert engines.scorer._failures == 3
    engines.scorer._failures = 0


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_the_age_of_a_beat_does_not_depend_on_the_wall_clock(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    wall, began = use_clock(monkeypatch, heartbeat_module), time.monotonic()
    heart = Heartbeat(lambda: engines, max_age=600)
    heart.beat()
    wall.ahead = ahead
    assert heart.last is not None
    assert heart.last.healthy, "the clock was set, and the beat is new"
    monkeypatch.setattr(heartbeat_module, "time", SimpleNamespace(monotonic=lambda: began + 3600))
    assert "the last beat was" in heart.last.why, "an engine that hangs does not hide behind a clock that was set back"
