"""Serialises frozen dataclasses to dicts of JSON values.

Field names are the keys. Numbers are rounded; a number that is not finite becomes None. Enumerations become their
values, times become ISO 8601 in UTC, paths become strings, tuples become lists. Arrays are omitted; ``_shown`` can name
a property that replaces an array.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from pathlib import PurePath
from typing import Any, ClassVar, Final

import numpy as np

JsonObject = dict[str, Any]

DIGITS: Final = 3  # after the decimal point; default of all fields

# Metadata of a field, as in ``field(metadata=PROBABILITY)``; ``schema`` contains keywords of its JSON schema.
PROBABILITY: Final[Mapping[str, Any]] = {"digits": 4, "schema": {"minimum": 0, "maximum": 1}}
LOG_ODDS: Final[Mapping[str, Any]] = {"digits": 4}
EXACT: Final[Mapping[str, Any]] = {"digits": None}  # numbers are not rounded, also in nested plain dataclasses
SHA256: Final[Mapping[str, Any]] = {"schema": {"pattern": "^[0-9a-f]{64}$"}}
COUNT: Final[Mapping[str, Any]] = {"schema": {"minimum": 0}}
HIDDEN: Final[Mapping[str, Any]] = {"hidden": True}


def inlined(*, without: Iterable[str] = ()) -> Mapping[str, Any]:
    """Metadata of a field whose keys are merged into the outer object; a key of the outer object wins."""
    return {"inlined": frozenset(without)}


def all_keys(keys: Iterable[Any]) -> Mapping[str, Any]:
    """Metadata of a mapping to numbers that is written with all of these keys; a missing key has the value 0."""
    return {"all_keys": tuple(keys)}


class Serialisable:
    """Base of frozen dataclasses with ``to_dict``; ``_shown`` names properties that are written after the fields."""

    __slots__ = ()
    _shown: ClassVar[Mapping[str, int]] = {}  # property: digits

    def to_dict(self) -> JsonObject:
        """The value as JSON values, keyed by field name."""
        return _object(self)


def json_file(value: object) -> bytes:
    """The content of an indented JSON file.

    Raises:
        ValueError: a number is not finite.
    """
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


@cache
def _visible_fields(kind: type) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    return tuple((field.name, field.metadata) for field in fields(kind) if "hidden" not in field.metadata)


def _object(value: object, digits: int | None = DIGITS) -> JsonObject:
    record: JsonObject = {}
    kind: Any = type(value)
    for name, metadata in _visible_fields(kind):
        item = getattr(value, name)
        if isinstance(item, np.ndarray):
            continue
        if "inlined" in metadata:
            for key, inner in _object(item).items():
                if key not in metadata["inlined"]:
                    record.setdefault(key, inner)
            continue
        if "all_keys" in metadata:
            item = dict.fromkeys(metadata["all_keys"], 0.0) | dict(item)
        record[name] = _json(item, metadata.get("digits", digits))
    for name, shown_digits in getattr(value, "_shown", {}).items():
        record[name] = _json(getattr(value, name), shown_digits)
    return record


def _json(value: object, digits: int | None) -> object:
    match value:
        case Mapping():
            return {_key(key): _json(item, digits) for key, item in value.items()}
        case list() | tuple():
            return [_json(item, digits) for item in value]
        case Serialisable():
            return value.to_dict()
    return _object(value, digits) if is_dataclass(value) else _scalar(value, digits)


def _scalar(value: object, digits: int | None) -> object:
    match value:
        case Enum():
            return value.value
        case None | bool() | str():
            return value
        case int() | np.integer():
            return int(value)
        case float() | np.floating():
            number = float(value)
            if not math.isfinite(number):
                return None
            return number if digits is None else round(number, digits)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case PurePath() | Exception():
            return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON; hide the field, or show a property instead")


def _key(key: object) -> str:
    return str(key.value if isinstance(key, Enum) else key)
