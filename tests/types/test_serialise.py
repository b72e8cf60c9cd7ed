import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from support.observations import change, observation, segment, source_info, summary

from monitor.types import Label
from monitor.types.serialise import HIDDEN, PROBABILITY, Serialisable, all_keys, inlined, json_file


@dataclass(frozen=True, slots=True)
class _Inner(Serialisable):
    name: str
    number: float


@dataclass(frozen=True, slots=True)
class _Outer(Serialisable):
    name: str
    inner: _Inner = field(metadata=inlined())
    at: datetime
    where: Path
    share: float = field(metadata=PROBABILITY)
    secret: str = field(metadata=HIDDEN)
    seconds: Mapping[Label, float] = field(metadata=all_keys(Label))
    pixels: np.ndarray
    _shown: ClassVar = {"double": 1}

    @property
    def double(self) -> float:
        return 2 * self.share


def outer(**changes: object) -> _Outer:
    values: dict[str, object] = {
        "name": "outer",
        "inner": _Inner("inner", math.nan),
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1))),
        "where": Path("a") / "b",
        "share": np.float32(0.123456),
        "secret": "no",
        "seconds": {Label.LIKELY_FAKE: 1.23456},
        "pixels": np.zeros((2, 2, 3)),
    }
    return _Outer(**(values | changes))  # type: ignore[arg-type]


def test_a_value_becomes_json_under_the_names_of_its_fields() -> None:
    record = outer().to_dict()
    assert record == {
        "name": "outer",
        "number": None,
        "at": "2026-01-02T02:04:05+00:00",
        "where": str(Path("a") / "b"),
        "share": 0.1235,
        "seconds": {"NOT_ENOUGH_EVIDENCE": 0.0, "LIKELY_REAL": 0.0, "SUSPICIOUS": 0.0, "LIKELY_FAKE": 1.235},
        "double": 0.2,
    }
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_a_key_of_the_outer_value_wins_over_an_inlined_one() -> None:
    assert outer(name="mine").to_dict()["name"] == "mine"


def test_what_has_no_form_in_json_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="object has no form in JSON"):
        outer(where=object()).to_dict()


def test_every_value_of_the_vocabulary_is_json() -> None:
    values: list[Serialisable] = [change(1), segment(1, 1.0, 2.0), summary(7), source_info(), observation(index=4)]
    for value in values:
        json.dumps(value.to_dict(), allow_nan=False)


def test_an_observation_tells_where_faces_are_and_holds_no_pixels() -> None:
    record = observation(index=4).to_dict()
    assert set(record) >= {"frame_index", "media_time", "verdicts", "changes", "boxes", "engine"}
    assert not {"tracked", "scores", "qualities"} & set(record)


def test_a_file_of_json_is_utf_8_with_a_last_line() -> None:
    assert json_file({"name": "Zoë"}) == '{\n  "name": "Zoë"\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_file([math.nan])
