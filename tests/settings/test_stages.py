import json

import pytest

from monitor.errors import UsageError
from monitor.settings import PRESETS, Preset, Settings, load_settings


def load(**overrides: object) -> Settings:
    return load_settings(environment={}, overrides={k.replace("__", "."): v for k, v in overrides.items()})


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().tracker.max_age = 3.0


def test_every_description_is_a_sentence() -> None:
    stages = [type(stage.default).model_fields for stage in Settings.model_fields.values() if stage.description is None]
    described = [field.description or "" for stage in stages for field in stage.values()]
    assert [text for text in described if not text.endswith(".")] == []


def test_the_record_is_deterministic_and_json() -> None:
    first, second = Settings().record(), load().record()
    assert json.dumps(first) == json.dumps(second)


class TestPreset:
    @pytest.mark.parametrize(("preset", "at"), [("newsroom", 0.74), ("balanced", 0.8), ("wall", 0.9)])
    def test_a_name_stands_for_thresholds(self, preset: str, at: float) -> None:
        verdict = load(verdict__preset=preset).verdict
        assert verdict.suspicious_at == at
        assert verdict.as_preset

    def test_the_default_is_balanced(self) -> None:
        assert Settings().verdict.thresholds == PRESETS[Preset.BALANCED]

    def test_thresholds_that_are_given_win(self) -> None:
        verdict = load(verdict__preset="wall", verdict__suspicious_at=0.8).verdict
        assert verdict.thresholds == {"suspicious_at": 0.8, "fake_at": 0.95, "real_at": 0.25}
        assert not verdict.as_preset

    def test_what_a_preset_and_a_threshold_make_together_is_checked(self) -> None:
        with pytest.raises(UsageError, match="real_at < suspicious_at < fake_at"):
            load(verdict__preset="wall", verdict__fake_at=0.85)

    def test_another_preset_changes_the_thresholds_alone(self) -> None:
        verdict = load(verdict__preset="wall", verdict__decay_time=3.0).verdict.under(Preset.NEWSROOM)
        assert (verdict.suspicious_at, verdict.decay_time, verdict.preset) == (0.74, 3.0, "newsroom")

    def test_it_is_recorded_with_what_it_means(self) -> None:
        recorded = load(verdict__preset="newsroom").record()["verdict"]
        assert (recorded["preset"], recorded["suspicious_at"]) == ("newsroom", 0.74)
        assert "service" not in load().record()
