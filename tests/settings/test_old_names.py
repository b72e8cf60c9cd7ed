import pytest

from monitor.classifiers.model_card import ModelCard
from monitor.settings import Settings, VerdictSettings, rename_settings
from monitor.settings.old_names import MOVED_TO_CARD, OLD_NAMES, describe_old_names

RECORDED = {
    "verdict": {"preset": "wall", "memory": 8.0, "dwell": 0.5, "stale_after": 2.0, "change_alarm": 5.0}
}  # by version 0.1


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_every_old_name_leads_to_a_setting(old: str, new: str) -> None:
    def exists(dotted: str) -> bool:
        stage, name = dotted.split(".")
        return name in type(Settings.model_fields[stage].default).model_fields

    assert exists(new)
    assert not exists(old)


def test_settings_of_an_old_report_can_be_read() -> None:
    verdict = VerdictSettings.model_validate(rename_settings(RECORDED)["verdict"])
    assert (verdict.decay_time, verdict.debounce, verdict.timeout) == (8.0, 0.5, 2.0)
    assert "memory" in RECORDED["verdict"], "what was given stays as it is"


def test_current_settings_stay_as_they_are() -> None:
    assert rename_settings(Settings().record()) == Settings().record()


def test_a_new_name_wins_over_its_old_name() -> None:
    assert rename_settings({"tracker": {"max_age": 3.0, "memory": 2.0}}) == {"tracker": {"max_age": 3.0}}


def test_every_old_name_is_one_sentence() -> None:
    assert describe_old_names({"verdict": {"dwell": 1.0, "debounce": 2.0, "change_alarm": 5.0}}) == [
        "setting verdict.dwell is called verdict.debounce now; the old name works until 0.3",
        "setting verdict.change_alarm is score_process.change_threshold of the model card now; "
        "the value given here is ignored",
    ]
    assert describe_old_names({"verdict": "text", "cache_dir": None}) == []


@pytest.mark.parametrize(("old", "new"), MOVED_TO_CARD.items())
def test_every_setting_that_moved_is_in_the_model_card(old: str, new: str) -> None:
    block, name = new.split(".")
    assert hasattr(ModelCard.model_fields[block].default, name)
    assert rename_settings({"verdict": {old.removeprefix("verdict."): 1.0}}) == {"verdict": {}}
