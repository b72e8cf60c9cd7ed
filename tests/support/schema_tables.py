"""The keys of JSON schemas as Markdown tables."""

from collections import Counter
from collections.abc import Iterator

from monitor.types.serialise import JsonObject

HEAD = "| key | type | meaning |\n|---|---|---|\n"
EVENT_HEAD = "| event | key | type | meaning |\n|---|---|---|---|\n"


class SchemaTables:
    """Tables of the report, the events, and the values and names that both share."""

    def __init__(self, report: JsonObject, events: JsonObject) -> None:
        self._report, self._events = report, events
        self._definitions: JsonObject = report["$defs"] | events["$defs"]
        counted = Counter(_references(report)) + Counter(_references(events))
        self._values = sorted(
            name for name, one in self._definitions.items() if counted[name] > 1 and one["type"] == "object"
        )

    def report(self) -> str:
        """Every key of the report."""
        return HEAD + "".join(map(_row, self._keys(self._report)))

    def events(self) -> str:
        """Every key of every event; those that all events have stand first."""
        kinds = [_name(choice) for choice in self._events["oneOf"]]
        types = {kind: self._definitions[kind]["properties"]["type"]["const"] for kind in kinds}
        keys = {kind: list(self._keys(self._definitions[kind])) for kind in kinds}
        common = [key for key in keys[kinds[0]] if all(_among(key, keys[kind]) for kind in kinds)]
        rows = [f"| all {_row(key)}" for key in common]
        rows += [f"| `{types[kind]}` {_row(key)}" for kind in kinds for key in keys[kind] if not _among(key, common)]
        return EVENT_HEAD + "".join(rows)

    def values(self) -> str:
        """Every key of the values that several keys hold."""
        return HEAD + "".join(_row(key) for name in self._values for key in self._keys(self._definitions[name], name))

    def names(self) -> str:
        """Every enumeration."""
        rows = [
            f"| `{name}` | {', '.join(f'`{value}`' for value in one['enum'])} | {one['description']} |\n"
            for name, one in sorted(self._definitions.items())
            if "enum" in one
        ]
        return "| name | one of | meaning |\n|---|---|---|\n" + "".join(rows)

    def _keys(self, schema: JsonObject, path: str = "") -> Iterator[tuple[str, str, str]]:
        """Path, type and meaning of each key; a value that is held once is written out."""
        for name, key in schema.get("properties", {}).items():
            monitor_service = f"{path}.{name}" if path else name
            held, suffix = _held(key)
            definition = self._definitions.get(held, {})
            yield monitor_service, self._type(key), key.get("description") or definition.get("description", "")
            if definition.get("type") == "object" and held not in self._values:
                yield from self._keys(definition, monitor_service + suffix)

    def _type(self, key: JsonObject) -> str:
        if "const" in key:
            return "text"
        if "anyOf" in key:
            return " or ".join(map(self._type, key["anyOf"]))
        if "$ref" in key:
            name = _name(key)
            return "object" if name not in self._values and "enum" not in self._definitions[name] else f"`{name}`"
        types = key["type"] if isinstance(key["type"], list) else [key["type"]]
        return " or ".join(self._plain(one, key) for one in types)

    def _plain(self, kind: str, key: JsonObject) -> str:
        if kind == "array" and "items" in key:
            return f"array of {self._type(key['items'])}"
        return {"string": "time" if key.get("format") == "date-time" else "text"}.get(kind, kind)


def _held(key: JsonObject) -> tuple[str, str]:
    """The definition that a key holds, and what its path gets for it."""
    if key.get("type") == "array":
        return _name(key.get("items", {})), "[]"
    return _name(next((one for one in key.get("anyOf", [key]) if "$ref" in one), key)), ""


def _among(key: tuple[str, str, str], others: list[tuple[str, str, str]]) -> bool:
    """Whether a key of that path and meaning is among others."""
    return any(key[::2] == one[::2] for one in others)


def _name(schema: JsonObject) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield _name(schema)
        for one in schema.values():
            yield from _references(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from _references(one)


def _row(key: tuple[str, str, str]) -> str:
    path, kind, meaning = key
    return f"| `{path}` | {kind} | {meaning.replace('|', '&#124;')} |\n"
