"""JSON Schema (draft 2020-12) of the values that the serialiser writes, from their types.

A key's description is the comment beside its field, or above it; a value's is the first paragraph of its docstring.
"""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

import monitor
from monitor.results.report_content import ReportContent
from monitor.types.events import Event
from monitor.types.serialise import JsonObject

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_PACKAGE: Final = Path(monitor.__file__).parent
REPORT_FILE: Final = _PACKAGE / "results" / "report.schema.json"
EVENTS_FILE: Final = _PACKAGE / "types" / "events.schema.json"
_SCALARS: Final[Mapping[type, JsonObject]] = {  # the first that fits
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    datetime: {"type": "string", "format": "date-time"},
    PurePath: {"type": "string"},
    Exception: {"type": "string"},
}


def value_schema(kind: type, *, urn: str, title: str) -> JsonObject:
    """The schema of one value's ``to_dict()``.

    Raises:
        TypeError: a field has a type without a form in JSON.
    """
    definitions = _Definitions()
    content = definitions.content(kind) | {"description": _sentence(inspect.getdoc(kind) or "")}
    return {"$schema": DRAFT, "$id": urn, "title": title, **content, "$defs": definitions.in_order}


def union_schema(kinds: Iterable[type], *, tag: str, urn: str, title: str, description: str) -> JsonObject:
    """The schema of a union of values: the class attribute ``tag`` says which one it is.

    Raises:
        TypeError: a field has a type without a form in JSON.
    """
    definitions = _Definitions(tag)
    choices = [definitions.of(kind) for kind in kinds]
    head = {"$schema": DRAFT, "$id": urn, "title": title, "description": description}
    return {**head, "type": "object", "oneOf": choices, "$defs": definitions.in_order}


def report_schema() -> JsonObject:
    """The schema of ``report.json``, as stored in ``report.schema.json``."""
    return value_schema(ReportContent, urn="urn:deepfake-monitor:report:1", title="deepfake-monitor report")


def events_schema() -> JsonObject:
    """The schema of a stream's events, as stored in ``events.schema.json``."""
    return union_schema(
        get_args(Event),
        tag="type",
        urn="urn:deepfake-monitor:events:1",
        title="deepfake-monitor event",
        description="One event of a stream. Unknown numbers are null.",
    )


class _Definitions:
    """The schemas of the named types that a schema refers to."""

    def __init__(self, tag: str = "") -> None:
        self._tag = tag
        self._found: dict[str, JsonObject] = {}

    @property
    def in_order(self) -> JsonObject:
        """All definitions by name."""
        return dict(sorted(self._found.items()))

    def of(self, hint: Any) -> JsonObject:
        """The schema of a type hint."""
        origin = get_origin(hint)
        if hint is Any or hint is object:
            return {}
        if origin in (Union, UnionType):
            return self._union(get_args(hint))
        if origin is Literal:
            return {"enum": list(get_args(hint))}
        if origin is tuple:
            return self._array(get_args(hint))
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return self._mapping(*get_args(hint))
        if isinstance(origin, type) and issubclass(origin, Iterable):
            return {"type": "array", "items": self.of(get_args(hint)[0])}
        return self._named(hint)

    def content(self, kind: type) -> JsonObject:
        """The schema of a dataclass, in place."""
        properties = self._properties(kind)
        tag = getattr(kind, self._tag, None) if self._tag else None
        if isinstance(tag, str):
            properties = {self._tag: _explained(_comment(kind, self._tag), {"const": tag})} | properties
        return {"description": _summary(kind), "type": "object", **_closed(properties)}

    def _named(self, hint: type) -> JsonObject:
        if is_dataclass(hint) or issubclass(hint, Enum):
            if hint.__name__ not in self._found:
                self._found[hint.__name__] = {}  # a value may hold others of its own type
                self._found[hint.__name__] = self.content(hint) if is_dataclass(hint) else _choices(hint)
            return {"$ref": f"#/$defs/{hint.__name__}"}
        for kind, form in _SCALARS.items():
            if issubclass(hint, kind):
                return dict(form)
        raise TypeError(f"{hint.__name__} has no form in JSON; hide the field, or show a property instead")

    def _union(self, hints: Iterable[Any]) -> JsonObject:
        choices = [self.of(hint) for hint in hints if hint is not NoneType]
        if NoneType not in hints:
            return {"anyOf": choices}
        if len(choices) == 1 and "type" in choices[0]:
            return choices[0] | {"type": [choices[0]["type"], "null"]}
        return {"anyOf": [*choices, {"type": "null"}]}

    def _array(self, hints: tuple[Any, ...]) -> JsonObject:
        if hints[-1] is Ellipsis:
            return {"type": "array", "items": self.of(hints[0])}
        size = {"minItems": len(hints), "maxItems": len(hints)}
        if len(set(hints)) == 1:
            return {"type": "array", "items": self.of(hints[0]), **size}
        return {"type": "array", "prefixItems": [self.of(hint) for hint in hints], **size}

    def _mapping(self, key: Any, value: Any) -> JsonObject:
        if value is Any:
            return {"type": "object"}
        schema: JsonObject = {"type": "object", "additionalProperties": self.of(value)}
        if key is int:
            schema["propertyNames"] = {"pattern": "^-?[0-9]+$"}
        elif key is not str:
            schema["propertyNames"] = self.of(key)
        return schema

    def _properties(self, kind: Any) -> JsonObject:
        hints, properties = get_type_hints(kind), JsonObject()
        for field in fields(kind):
            hint = hints[field.name]
            if "hidden" in field.metadata or get_origin(hint) is np.ndarray:
                continue
            if "inlined" in field.metadata:
                for name, schema in self._properties(hint).items():
                    if name not in field.metadata["inlined"]:
                        properties.setdefault(name, schema)
                continue
            properties[field.name] = _explained(_comment(kind, field.name), self._field(field, hint))
        for name in getattr(kind, "_shown", {}):
            getter = getattr(kind, name).fget
            schema = self.of(get_type_hints(getter)["return"])
            properties[name] = _explained(_sentence(inspect.getdoc(getter) or ""), schema)
        return properties

    def _field(self, field: "Field[Any]", hint: Any) -> JsonObject:
        if "all_keys" in field.metadata:
            value = self.of(get_args(hint)[1])
            keys = [str(key.value if isinstance(key, Enum) else key) for key in field.metadata["all_keys"]]
            return {"type": "object", **_closed(dict.fromkeys(keys, value))}
        keywords: JsonObject = field.metadata.get("schema", {})
        return self.of(hint) | keywords


def _closed(properties: JsonObject) -> JsonObject:
    return {"properties": properties, "required": list(properties), "additionalProperties": False}


def _choices(kind: type[Enum]) -> JsonObject:
    return {"description": _summary(kind), "type": "string", "enum": [str(member.value) for member in kind]}


def _explained(description: str, schema: JsonObject) -> JsonObject:
    return {"description": description, **schema} if description else schema


def _summary(kind: type) -> str:
    return _sentence((inspect.getdoc(kind) or "").split("\n\n")[0])


def _sentence(text: str) -> str:
    """A comment or docstring as one line of JSON's words, with a capital and a full stop."""
    line = " ".join(text.split()).replace("``", "`")
    line = re.sub(r"\bNone\b", "null", line)
    return f"{line[:1].upper()}{line[1:].rstrip('.')}." if line else ""


def _comment(kind: type, name: str) -> str:
    """The comment on a field, of the class itself or else of its bases."""
    owners = (one for one in kind.__mro__ if name in inspect.get_annotations(one))
    return next(filter(None, (field_comments(one)[name] for one in owners)), "")


@cache
def field_comments(kind: type) -> Mapping[str, str]:
    """Descriptions of the fields of a class: the comment beside each, else above it; "" without one."""
    source = inspect.cleandoc("\n" + inspect.getsource(kind))
    beside: dict[int, str] = {}
    above: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            place = above if token.line.lstrip().startswith("#") else beside
            text = re.sub(r"\s*\bnoqa\b.*", "", token.string.lstrip("# ")).rstrip(" -#")
            place[token.start[0]] = text
    (declared,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    found = {}
    for node in declared.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first, last = node.lineno, node.end_lineno or node.lineno
            texts = [beside[line] for line in range(first, last + 1) if line in beside]
            found[node.target.id] = _sentence(" ".join(texts or _block(above, ends=first - 1)))
    return found


def _block(lines: Mapping[int, str], *, ends: int) -> list[str]:
    """The lines without a gap up to this one."""
    first = ends
    while first in lines:
        first -= 1
    return [lines[number] for number in range(first + 1, ends + 1)]
