from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.settings import PRESETS, Preset, Settings, load_settings


def load(file: Path | None = None, **overrides: object) -> Settings:
    return load_settings(file, environment={}, overrides={k.replace("__", "."): v for k, v in overrides.items()})


def test_defaults_need_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load() == Settings()


def test_a_later_source_wins(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[tracker]\nmemory = 2.0\nmin_hits = 5\n[detector]\nmin_face_size = 30\n")
    environment = {"DEEPFAKE_MONITOR_TRACKER__MIN_HITS": "7", "DEEPFAKE_MONITOR_DETECTOR__MIN_FACE_SIZE": "60"}
    settings = load_settings(file, environment=environment, overrides={"detector.min_face_size": 80})
    assert settings.tracker.memory == 2.0, "from the file"
    assert settings.tracker.min_hits == 7, "the environment over the file"
    assert settings.detector.min_face_size == 80, "a flag over both"


def test_the_file_in_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deepfake-monitor.toml").write_text('cache_dir = "~/engines"\n')
    monkeypatch.chdir(tmp_path)
    assert load().cache_dir == Path("~/engines").expanduser()


def test_none_means_not_given() -> None:
    assert load(detector__min_face_size=None).detector.min_face_size == Settings().detector.min_face_size


def test_thresholds_can_be_written_as_text() -> None:
    assert load(detector__thresholds="0.5,0.6,0.9").detector.thresholds == (0.5, 0.6, 0.9)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"detector.min_face_size": 3}, "detector.min_face_size: .*greater than or equal to 12"),
        ({"tracker.memmory": 1}, "tracker.memmory: there is no such setting"),
        ({"verdict.fake_at": 0.5}, "real_at < suspicious_at < fake_at"),
        ({"source.rtsp_transport": "carrier pigeon"}, "rtsp_transport"),
        ({"detector.thresholds": "0.5,0.6"}, "thresholds"),
    ],
)
def test_a_wrong_value_is_one_sentence(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_settings(environment={}, overrides=overrides)
    assert "\n" not in str(caught.value)


def test_a_group_cannot_also_be_a_value() -> None:
    with pytest.raises(UsageError, match="not a group"):
        load_settings(environment={}, overrides={"cache_dir": "y", "cache_dir.deep": "x"})


def test_a_missing_or_broken_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[tracker\n")
    with pytest.raises(UsageError, match="not valid TOML"):
        load(broken)
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().tracker.memory = 3.0


def test_people_and_names_can_be_written_as_text() -> None:
    access = load(access__admins="ada@example.org\n bob@example.org \n", access__hosts="cams.example").access
    assert access.admins == ("ada@example.org", "bob@example.org")
    assert access.hosts == ("cams.example",)
    assert access.mode == "open"
    assert "access" not in load().record(), "no verdict depends on it"


@pytest.mark.parametrize(("name", "value"), [("mode", "none"), ("default_role", "admin"), ("idle_minutes", 0)])
def test_what_nobody_may_set(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"access.{name}"):
        load(**{f"access__{name}": value})


class TestPreset:
    @pytest.mark.parametrize(("preset", "at"), [("newsroom", 0.6), ("balanced", 0.75), ("wall", 0.9)])
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
        verdict = load(verdict__preset="wall", verdict__memory=3.0).verdict.under(Preset.NEWSROOM)
        assert (verdict.suspicious_at, verdict.memory, verdict.preset) == (0.6, 3.0, "newsroom")

    def test_it_is_recorded_with_what_it_means(self) -> None:
        recorded = load(verdict__preset="newsroom").record()["verdict"]
        assert (recorded["preset"], recorded["suspicious_at"]) == ("newsroom", 0.6)
        assert "service" not in load().record()


def test_networks_can_be_written_as_text() -> None:
    found = load(dashboard__metrics_from="10.0.0.0/8\nfd00::/8").dashboard.metrics_from
    assert [str(network) for network in found] == ["10.0.0.0/8", "fd00::/8"]
    with pytest.raises(UsageError, match="metrics_from"):
        load(dashboard__metrics_from="everybody")
