from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.settings import Settings, load_settings


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
    assert settings.tracker.max_age == 2.0, "from the file"
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


@pytest.mark.parametrize("given", [{"cache_dir": "y", "cache_dir.deep": "x"}, {"cache_dir.deep": "x"}])
def test_a_value_cannot_also_be_a_group(given: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"setting cache_dir\.deep: cache_dir is not a group of settings"):
        load_settings(environment={}, overrides=given)


def test_a_group_cannot_also_be_a_value() -> None:
    with pytest.raises(UsageError, match="setting tracker: "):
        load_settings(environment={"DEEPFAKE_MONITOR_TRACKER": "1"})


@pytest.mark.parametrize(
    ("variable", "setting"),
    [
        ("DEEPFAKE_MONITOR_TRACKER__MEMMORY", "tracker.memmory"),
        ("DEEPFAKE_MONITOR_TRAKCER__MIN_HITS", "trakcer"),
        ("DEEPFAKE_MONITOR_CACHEDIR", "cachedir"),
        ("DEEPFAKE_MONITOR_TRACKER__MIN_HITS__DEEP", "tracker.min_hits__deep"),
    ],
)
def test_an_unknown_variable_is_one_sentence(variable: str, setting: str) -> None:
    with pytest.raises(UsageError, match=f"setting {setting}: there is no such setting") as caught:
        load_settings(environment={variable: "1"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("tracker.max_agee", "tracker.max_age"),
        ("tracker.memmory", "tracker.max_age"),  # by its old name
        ("classifier.modell", "classifier.model"),  # not detector.model
        ("trakcer.max_age", "tracker"),
        ("classifier.min_face_size", "detector.min_face_size"),
        ("cachedir", "cache_dir"),
        ("Verdict.Fake-At", "verdict.fake_at"),
        ("zzz.zzz", None),
    ],
)
def test_a_wrong_name_gets_the_most_similar_one(name: str, suggested: str | None) -> None:
    with pytest.raises(UsageError, match="there is no such setting") as caught:
        load_settings(environment={}, overrides={name: 1})
    assert str(caught.value).count("did you mean") == (suggested is not None)
    assert suggested is None or f"; did you mean {suggested}?" in str(caught.value)


class TestOrigin:
    """The place of a wrong value."""

    VARIABLE = "DEEPFAKE_MONITOR_TRACKER__MAX_AGE"

    def test_a_variable_is_named_as_it_was_written(self) -> None:
        for variable in (self.VARIABLE, "deepfake_monitor_tracker__memory"):
            with pytest.raises(UsageError, match=rf"max_age: must be greater than 0 \(given by {variable}; see docs"):
                load_settings(environment={variable: "-1"})
        with pytest.raises(UsageError, match=r"given by DEEPFAKE_MONITOR_TRAKCER__MIN_HITS"):
            load_settings(environment={"DEEPFAKE_MONITOR_TRAKCER__MIN_HITS": "1"})

    def test_the_value_that_wins_is_blamed(self, tmp_path: Path) -> None:
        file = tmp_path / "own.toml"
        file.write_text("[tracker]\nmax_age = 2.0\n")
        with pytest.raises(UsageError, match=r"\(given by --set or an option; see"):
            load_settings(file, environment={self.VARIABLE: "1"}, overrides={"tracker.max_age": -1})
        with pytest.raises(UsageError, match=rf"\(given by {self.VARIABLE}; see"):
            load_settings(file, environment={self.VARIABLE: "x"})
        file.write_text("[tracker]\nmemory = -2.0\n")
        with pytest.raises(UsageError, match=r"\(given by .*own\.toml; see"):
            load_settings(file, environment={"DEEPFAKE_MONITOR_TRACKER__MIN_HITS": "3"})

    def test_values_that_contradict_each_other_are_all_named(self, tmp_path: Path) -> None:
        file = tmp_path / "own.toml"
        file.write_text("[verdict]\nreal_at = 0.9\n")
        with pytest.raises(UsageError) as caught:
            load_settings(file, environment={"DEEPFAKE_MONITOR_VERDICT__FAKE_AT": "0.8"})
        assert str(caught.value) == (
            "setting verdict: real_at < suspicious_at < fake_at must hold "
            f"(given by DEEPFAKE_MONITOR_VERDICT__FAKE_AT, {file}; see docs/settings.md)"
        )

    def test_a_secret_is_not_printed(self) -> None:
        with pytest.raises(UsageError) as caught:
            load_settings(environment={"DEEPFAKE_MONITOR_EVIDENCE__DATABASSE": "postgresql://ada:hush@host/x"})
        assert "hush" not in str(caught.value)


def test_variables_of_other_programs_are_ignored() -> None:
    assert load_settings(environment={"HOME": "/", "TRACKER__MIN_HITS": "x"}) == Settings()


def test_the_environment_is_the_process_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_TRACKER__MIN_HITS", "7")
    assert load_settings().tracker.min_hits == 7
    assert load(tracker__min_hits=3).tracker.min_hits == 3
    assert load().tracker.min_hits == Settings().tracker.min_hits


def test_a_list_in_the_environment_is_text_not_json() -> None:
    found = load_settings(environment={"DEEPFAKE_MONITOR_DASHBOARD__SOURCES": "demo:\nrtsp://cam/1"})
    assert found.dashboard.sources == ("demo:", "rtsp://cam/1")


class TestOldName:
    """``tracker.memory`` stands for all; tests/settings/test_old_names.py checks the table."""

    SENTENCE = "setting tracker.memory is called tracker.max_age now; the old name works until 0.3"

    @pytest.mark.parametrize("where", ["file", "environment", "overrides"])
    def test_it_works_with_one_warning(self, where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        file = tmp_path / "settings.toml"
        file.write_text("[tracker]\nmemory = 2.0\n" if where == "file" else "")
        settings = load_settings(
            file,
            environment={"DEEPFAKE_MONITOR_TRACKER__MEMORY": "2.0"} if where == "environment" else {},
            overrides={"tracker.memory": "2.0"} if where == "overrides" else {},
        )
        assert settings.tracker.max_age == 2.0
        assert caplog.messages == [self.SENTENCE]

    def test_the_new_name_beside_it_wins(self, caplog: pytest.LogCaptureFixture) -> None:
        settings = load_settings(environment={}, overrides={"tracker.memory": 2.0, "tracker.max_age": 3.0})
        assert settings.tracker.max_age == 3.0
        assert caplog.messages == [self.SENTENCE]

    def test_it_has_the_priority_of_its_place(self, tmp_path: Path) -> None:
        file = tmp_path / "settings.toml"
        file.write_text("[tracker]\nmax_age = 3.0\n")
        assert load(file, tracker__memory=2.0).tracker.max_age == 2.0, "a flag over the file"

    def test_the_new_name_says_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        assert load(tracker__max_age=2.0).tracker.max_age == 2.0
        assert caplog.messages == []

    def test_a_setting_that_moved_to_the_model_card_is_ignored_with_one_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert load(verdict__change_alarm=9.0) == Settings()
        assert caplog.messages == [
            "setting verdict.change_alarm is score_process.change_threshold of the model card now; "
            "the value given here is ignored"
        ]

    def test_a_wrong_value_is_reported_under_the_new_name(self) -> None:
        with pytest.raises(UsageError, match=r"setting tracker\.max_age: .*greater than 0"):
            load(tracker__memory=-1)


def test_a_missing_or_broken_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[tracker\n")
    with pytest.raises(UsageError, match="not valid TOML"):
        load(broken)
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path)
