"""The requests of API v1 as values: method, path, content, and the function that reads the answer.

The clients send them, each in its own way.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import httpx

from monitor.client.refusals import unreadable_answer
from monitor.client.reports import RemoteReport
from monitor.server.api.analysis_answers import AnalysisAnswer, ResultFileAnswer
from monitor.server.api.answers import ModelAnswer, StreamAnswer, SystemAnswer, VerdictPointAnswer
from monitor.types import Flag, Label, Opinion, Origin

T = TypeVar("T")
_PAGE: Final = 100  # items read at a time
_JSON: Final = {"Content-Type": "application/json"}  # without a key, a change needs it
_FLAG_KEYS: Final = frozenset(Flag.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class ApiCall(Generic[T]):
    """One request."""

    method: str
    path: str  # below the address of the API
    parse: Callable[[httpx.Response], T] = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    content: Any = None  # JSON of the body; None: none
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True  # whether doing it twice is as good as doing it once

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of ``build_request``."""
        body = {} if self.content is None else {"json": self.content}
        return {"params": self.query or None, "headers": self.headers, **body}

    def read(self, response: httpx.Response) -> T:
        """The value of a successful answer.

        Raises:
            RemoteError: it has another form than version 1 of the API.
        """
        try:
            return self.parse(response)
        except (ValueError, KeyError, TypeError) as error:
            raise unreadable_answer(response, error) from error


@dataclass(frozen=True, slots=True)
class ItemPage(Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    next: str | None  # cursor of the next page; None: this is the last one


def path_of(*parts: str) -> str:
    """A path of names that may hold any character."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def query_of(**values: object) -> dict[str, str]:
    """A query of the values that are not None."""
    return {name: _text(value) for name, value in values.items() if value not in (None, "")}


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat()
        case Enum():
            return str(value.value)
        case list() | tuple():
            return ",".join(map(_text, value))
    return str(value)


def _nothing(_: httpx.Response) -> None:
    return None


def _page(read: Callable[[Any], T]) -> Callable[[httpx.Response], ItemPage[T]]:
    def parse(response: httpx.Response) -> ItemPage[T]:
        content = response.json()
        return ItemPage([read(item) for item in content["items"]], content["next"])

    return parse


def _analysis(response: httpx.Response) -> AnalysisAnswer:
    return AnalysisAnswer.model_validate_json(response.content)


def list_analyses(cursor: str | None = None) -> ApiCall[ItemPage[AnalysisAnswer]]:
    """The analyses, the newest first."""
    return ApiCall("GET", "/analyses", _page(AnalysisAnswer.model_validate), query_of(limit=_PAGE, cursor=cursor))


def get_analysis(analysis_id: str) -> ApiCall[AnalysisAnswer]:
    """The state of an analysis."""
    return ApiCall("GET", path_of("analyses", analysis_id), _analysis)


def upload_file(name: str, *, size: int, key: str) -> ApiCall[AnalysisAnswer]:
    """A file for analysis; the caller adds its bytes."""
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size), "Idempotency-Key": key}
    return ApiCall("POST", "/analyses", _analysis, query_of(name=name), headers=headers)


def submit_address(url: str, *, key: str) -> ApiCall[AnalysisAnswer]:
    """The address of a file for analysis."""
    return ApiCall("POST", "/analyses", _analysis, content={"url": url}, headers={"Idempotency-Key": key})


def get_report(analysis_id: str) -> ApiCall[RemoteReport]:
    """The report of a finished analysis."""
    return ApiCall("GET", path_of("analyses", analysis_id, "report"), lambda found: RemoteReport.read(found.json()))


def list_result_files(analysis_id: str) -> ApiCall[ItemPage[ResultFileAnswer]]:
    """The result files of a finished analysis."""
    return ApiCall("GET", path_of("analyses", analysis_id, "files"), _page(ResultFileAnswer.model_validate))


def cancel_analysis(analysis_id: str) -> ApiCall[AnalysisAnswer]:
    """Cancels a queued or running analysis."""
    return ApiCall("POST", path_of("analyses", analysis_id, "cancel"), _analysis, content={})


def delete_analysis(analysis_id: str) -> ApiCall[None]:
    """Deletes an upload and its results."""
    return ApiCall("DELETE", path_of("analyses", analysis_id), _nothing, headers=_JSON)


def read_flag(record: Mapping[str, Any]) -> Flag:
    """The flag of its JSON; keys that a newer server added are ignored."""
    return Flag.of_record({name: value for name, value in record.items() if name in _FLAG_KEYS})


def _flag(response: httpx.Response) -> Flag:
    return read_flag(response.json())


def list_flags(
    cursor: str | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    source: str | None = None,
    label: Label | None = None,
    opinion: Opinion | None = None,
    origin: Origin | None = None,
    reviewed: bool | None = None,
) -> ApiCall[ItemPage[Flag]]:
    """The flags, the newest first."""
    query = query_of(
        limit=_PAGE,
        cursor=cursor,
        since=since,
        until=until,
        source=source,
        label=label,
        opinion=opinion,
        origin=origin,
        reviewed=reviewed,
    )
    return ApiCall("GET", "/flags", _page(read_flag), query)


def get_flag(flag_id: str) -> ApiCall[Flag]:
    """One flag."""
    return ApiCall("GET", path_of("flags", flag_id), _flag)


def create_flag(stream: str, *, track_id: int | None, category: str, note: str) -> ApiCall[Flag]:
    """Flags the newest frame of a stream; repeated, it flags another frame."""
    content = {"stream": stream, "track_id": track_id, "category": category, "note": note}
    return ApiCall("POST", "/flags", _flag, content=content, is_repeatable=False)


def judge_flag(
    flag_id: str, *, opinion: Opinion | None, category: str | None, note: str | None, expected: Flag | None
) -> ApiCall[Flag]:
    """Stores a person's review; without ``expected``, a repeated one would be a second entry in the flag's history."""
    fields = {"opinion": opinion, "category": category, "note": note}
    content = {name: value for name, value in fields.items() if value is not None}
    path = path_of("flags", flag_id)
    return ApiCall("PATCH", path, _flag, content=content, headers=_if_match(expected), is_repeatable=False)


def delete_flag(flag_id: str, *, expected: Flag | None) -> ApiCall[None]:
    """Deletes a flag and its files."""
    return ApiCall("DELETE", path_of("flags", flag_id), _nothing, headers=_JSON | _if_match(expected))


def export_flags(ids: Sequence[str], *, blur: bool) -> ApiCall[None]:
    """A bundle of flags; the caller stores its bytes."""
    return ApiCall("POST", "/flags/export", _nothing, content={"ids": list(ids), "blur": blur})


def get_file(*parts: str) -> ApiCall[None]:
    """A file; the caller stores its bytes."""
    return ApiCall("GET", path_of(*parts), _nothing)


def get_model() -> ApiCall[ModelAnswer]:
    """The model cards."""
    return ApiCall("GET", "/model", lambda found: ModelAnswer.model_validate_json(found.content))


def get_system() -> ApiCall[SystemAnswer]:
    """The state of the server."""
    return ApiCall("GET", "/system", lambda found: SystemAnswer.model_validate_json(found.content))


def get_events(types: Iterable[str], streams: Iterable[str]) -> ApiCall[None]:
    """The events of all streams, without an end; the caller reads them."""
    return ApiCall("GET", "/events", _nothing, query_of(types=list(types), streams=list(streams)))


def resume(last_event_id: str) -> dict[str, str]:
    """The headers of a request for the events after one."""
    return {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})


def _stream(response: httpx.Response) -> StreamAnswer:
    return StreamAnswer.model_validate_json(response.content)


def list_streams(cursor: str | None = None) -> ApiCall[ItemPage[StreamAnswer]]:
    """All streams."""
    return ApiCall("GET", "/streams", _page(StreamAnswer.model_validate), query_of(limit=_PAGE, cursor=cursor))


def get_stream(stream_id: str) -> ApiCall[StreamAnswer]:
    """One stream."""
    return ApiCall("GET", path_of("streams", stream_id), _stream)


def add_stream(url: str, *, name: str, repeat: bool) -> ApiCall[StreamAnswer]:
    """Watches another source; repeated, it fails because the source is watched already."""
    content = {"url": url, "name": name, "repeat": repeat}
    return ApiCall("POST", "/streams", _stream, content=content, is_repeatable=False)


def change_stream(stream_id: str, **changes: object) -> ApiCall[StreamAnswer]:
    """Renames, pauses or resumes a stream."""
    return ApiCall("PATCH", path_of("streams", stream_id), _stream, content=changes)


def remove_stream(stream_id: str) -> ApiCall[None]:
    """Stops watching a source."""
    return ApiCall("DELETE", path_of("streams", stream_id), _nothing, headers=_JSON)


def get_verdicts(
    stream_id: str, *, since: datetime | None, until: datetime | None, cursor: str | None = None
) -> ApiCall[ItemPage[VerdictPointAnswer]]:
    """The verdicts of a stream in the last hours."""
    query = query_of(since=since, until=until, cursor=cursor)
    return ApiCall("GET", path_of("streams", stream_id, "verdicts"), _page(VerdictPointAnswer.model_validate), query)


def get_picture(stream_id: str) -> ApiCall[bytes]:
    """The newest picture of a stream."""
    return ApiCall("GET", path_of("streams", stream_id, "picture"), lambda found: found.content)


def _if_match(flag: Flag | None) -> dict[str, str]:
    return {} if flag is None else {"If-Match": f'"{flag.sha256}"'}
