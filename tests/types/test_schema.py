"""The schemas that are checked in are those of the types, and real values fit them.

``python tests/types/test_schema.py`` writes the schemas.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, get_args

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from support.json_schema import (
    EVENTS_FILE,
    REPORT_FILE,
    events_schema,
    field_comments,
    report_schema,
    union_schema,
    value_schema,
)
from support.observations import EVENTS, Face, change, observation, segment, summary

import monitor
from monitor.analysis.pipeline import Engines
from monitor.settings import Settings, SourceSettings
from monitor.types import Label, Pixels, Reason
from monitor.types.events import Event
from monitor.types.serialise import HIDDEN, PROBABILITY, JsonObject, Serialisable, all_keys, inlined

SCHEMAS: Final[Mapping[Path, Callable[[], JsonObject]]] = {REPORT_FILE: report_schema, EVENTS_FILE: events_schema}


def text(schema: JsonObject) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def validator(path: Path) -> Draft202012Validator:
    return Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_a_schema_that_is_checked_in_is_that_of_the_types(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == text(SCHEMAS[path]()), "run: python tests/types/test_schema.py"


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_a_schema_is_one(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


def test_a_real_report_and_its_events_fit(engines: Engines, settings: Settings) -> None:
    brief = settings.model_copy(update={"source": SourceSettings(demo_seconds=1.0)})
    events: list[Event] = []
    report = monitor.analyze("demo:", settings=brief, engines=engines, observers=[events.append])
    validator(REPORT_FILE).validate(as_read(report.to_dict()))
    assert {event.type for event in events} >= {"stream_opened", "frame_analysed", "stream_closed"}
    of_events = validator(EVENTS_FILE)
    for event in events:
        of_events.validate(as_read(event.to_dict()))


def as_read(record: JsonObject) -> Any:
    return json.loads(json.dumps(record, allow_nan=False))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_every_event_fits(event: Event) -> None:
    validator(EVENTS_FILE).validate(as_read(event.to_dict()))


def test_no_event_is_left_out() -> None:
    assert [type(event) for event in EVENTS] == list(get_args(Event))


def test_an_event_with_all_that_a_frame_can_lead_to_fits() -> None:
    (analysed,) = (event for event in EVENTS if isinstance(event, monitor.FrameAnalysed))
    seen = observation(
        [Face((10, 20, 110, 140), reasons=(Reason.TOO_DARK,))],
        changes=[change(1)], segments=[segment(1, 0.5, 1.5)], ended=[summary(2)],
    )  # fmt: skip
    record = as_read(analysed.to_dict() | {"observation": seen.to_dict()})
    of_events = validator(EVENTS_FILE)
    of_events.validate(record)
    assert not of_events.is_valid(record | {"type": "stream_opened"})
    assert not of_events.is_valid(record | {"surprise": 1})


def keys(schema: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    for owner, one in {"": schema, **schema["$defs"]}.items():
        for name, key in one.get("properties", {}).items():
            yield f"{owner}.{name}", key


def test_every_key_of_a_report_is_explained() -> None:
    schema = report_schema()
    plain = {name: key for name, key in keys(schema) if not key.get("$ref")}
    assert len(plain) > 60
    assert [name for name, key in plain.items() if not key.get("description", "").endswith(".")] == []
    assert [name for name, one in schema["$defs"].items() if not one["description"].endswith(".")] == []


@dataclass(frozen=True, slots=True)
class _Part(Serialisable):
    """A part of it.

    Not in the schema.
    """

    name: str
    seconds: float | None  # of the part


@dataclass(frozen=True, slots=True)
class _Made(Serialisable):
    """A value that was ``made``.

    None is allowed.
    """

    kind: ClassVar = "made"

    name: str  # wins over the part's; ``None`` never
    part: _Part = field(metadata=inlined(without=["hidden"]))
    at: datetime
    # where it lies,
    # in two lines
    where: Path
    share: float = field(
        metadata=PROBABILITY,
    )  # of all
    unseen: str = field(metadata=HIDDEN)
    seconds: Mapping[Label, float] = field(metadata=all_keys(["A", "B"]))
    counts: Mapping[int, int]
    pixels: Pixels
    parts: tuple[_Part, ...]
    box: tuple[float, float] | None
    label: Label | None = None
    _shown: ClassVar = {"double": 1}

    @property
    def double(self) -> float | None:
        """Twice the share."""
        return 2 * self.share


MADE: Final = _Made(
    name="n", part=_Part("p", None), at=datetime(2026, 1, 1, tzinfo=UTC), where=Path("a"), share=0.5, unseen="s",
    seconds={}, counts={1: 2}, pixels=np.zeros((2, 2, 3), np.uint8), parts=(_Part("q", 1.0),), box=None,
)  # fmt: skip


def test_a_schema_describes_what_the_serialiser_writes() -> None:
    schema = value_schema(_Made, urn="urn:made", title="made")
    record = as_read(MADE.to_dict())
    assert set(schema["properties"]) == set(schema["required"]) == set(record)
    assert schema["description"] == "A value that was `made`. null is allowed."
    assert schema["$defs"]["_Part"]["description"] == "A part of it."
    properties = schema["properties"]
    assert properties["name"] == {"description": "Wins over the part's; `null` never.", "type": "string"}
    assert properties["where"]["description"] == "Where it lies, in two lines."
    assert properties["share"] == {"description": "Of all.", "type": "number", "minimum": 0, "maximum": 1}
    assert properties["double"] == {"description": "Twice the share.", "type": ["number", "null"]}
    assert properties["label"] == {"anyOf": [{"$ref": "#/$defs/Label"}, {"type": "null"}]}
    checks = Draft202012Validator(schema)
    checks.validate(record)
    for wrong in ({"share": 1.5}, {"seconds": {"A": 1.0}}, {"counts": {"a": 1}}, {"box": [1.0]}, {"at": None}):
        assert not checks.is_valid(record | wrong), wrong


def test_the_comment_on_a_field_is_its_own_or_that_above_it() -> None:
    found = field_comments(_Made)
    assert (found["where"], found["share"], found["at"]) == ("Where it lies, in two lines.", "Of all.", "")


def test_a_union_is_told_apart_by_its_tag() -> None:
    schema = union_schema([_Made], tag="kind", urn="urn:made", title="made", description="One of them.")
    assert schema["$defs"]["_Made"]["properties"]["kind"]["const"] == "made"
    checks = Draft202012Validator(schema)
    checks.validate(as_read({"kind": "made", **MADE.to_dict()}))
    assert not checks.is_valid(as_read(MADE.to_dict()))


def test_a_field_without_a_form_in_json_is_refused_by_name() -> None:
    @dataclass(frozen=True)
    class _Strange(Serialisable):
        what: complex

    with pytest.raises(TypeError, match="complex has no form in JSON"):
        value_schema(_Strange, urn="urn:strange", title="strange")


if __name__ == "__main__":
    for path, schema in SCHEMAS.items():
        path.write_text(text(schema()), encoding="utf-8")
