"""The marker that makes a result valid, and when it counts."""

from dataclasses import replace

import pytest

from monitor.errors import SourceUnreadableError
from monitor.fleet.archive_sources import ArchiveSource
from monitor.fleet.file_outcome import DoneMarker, FileOutcome, Recipe
from monitor.settings import Settings

SOURCE = ArchiveSource("s3://bucket/a.mp4", size=3, version="etag")
RECIPE = Recipe.of(Settings(), weights_sha256="w", video=True)
MARKER = DoneMarker.of(SOURCE, RECIPE, FileOutcome("s3://bucket/a.mp4", label="LIKELY_REAL", folder="a-1"))


def test_a_marker_is_read_as_it_was_written() -> None:
    read = DoneMarker.parse(MARKER.to_json())
    assert read == MARKER
    assert read is not None
    assert read.covers(SOURCE, RECIPE)


@pytest.mark.parametrize("change", [{"size": 4}, {"version": "other"}, {"address": "s3://bucket/b.mp4"}])
def test_another_file_is_not_covered(change: dict[str, object]) -> None:
    assert not MARKER.covers(replace(SOURCE, **change), RECIPE)  # type: ignore[arg-type]


def test_another_recipe_is_not_covered() -> None:
    others = [
        Recipe.of(Settings(tracker={"max_age": 2}), weights_sha256="w", video=True),
        Recipe.of(Settings(), weights_sha256="other", video=True),
        Recipe.of(Settings(), weights_sha256="w", video=False),
        Recipe.of(Settings(credentials={"trusted_signers": "/list.pem"}), weights_sha256="w", video=True),
        replace(RECIPE, program="0.0"),
    ]
    assert not any(MARKER.covers(SOURCE, other) for other in others)
    assert len({RECIPE, *others}) == 6


def test_settings_without_effect_are_the_same_recipe() -> None:
    assert Recipe.of(Settings(mqtt={"host": "broker"}), weights_sha256="w", video=True) == RECIPE


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"format": 2}', MARKER.to_json()[:-40], MARKER.to_json().replace("size", "x")],
)
def test_anything_else_is_no_marker(text: str) -> None:
    assert DoneMarker.parse(text) is None


def test_a_marker_holds_no_secret() -> None:
    source = ArchiveSource("http://me:hunter2@host/a.mp4")
    marker = DoneMarker.of(source, RECIPE, FileOutcome(source.name))
    assert "hunter2" not in marker.to_json()
    assert marker.covers(source, RECIPE)


def test_a_failure_keeps_its_sentence_and_exit_code() -> None:
    outcome = FileOutcome.failed(SOURCE, SourceUnreadableError("a.mp4: no video"), node="n")
    assert (outcome.label, outcome.error, outcome.exit_code) == (None, "a.mp4: no video", 3)
