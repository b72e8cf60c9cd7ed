from pathlib import Path

import pytest
from pydantic import ValidationError

from monitor.settings.values import ExpandedPath, Probability, Seconds, StageSettings


class Stage(StageSettings):
    folder: ExpandedPath = Path("~/kept")
    share: Probability = 0.5
    wait: Seconds = 1.0


def test_a_home_folder_is_filled_in() -> None:
    assert Stage.model_validate({"folder": "~/kept"}).folder == Path.home() / "kept"


@pytest.mark.parametrize(
    "wrong", [{"share": 1.1}, {"share": -0.1}, {"wait": 0}, {"wait": 86_401}, {"wait": float("nan")}, {"other": 1}]
)
def test_impossible_values_and_unknown_names_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Stage.model_validate(wrong)
