"""The values that travel between the server and the hosts of its streams.

A host is a process on a node. The server asks it for news again and again (:class:`ExchangeRequest`), and says what it
shall watch. The host answers with the events of its streams (:class:`ExchangeAnswer`). Pixels do not travel: a frame
arrives as a :class:`DistantFrame`, and a picture only if somebody looks at the stream.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from monitor.errors import SourceUnavailableError
from monitor.runtime import StreamStatus
from monitor.server.quality_levels import QualityLevel
from monitor.server.stream_run import StreamOrder
from monitor.system import jpeg
from monitor.types import Frame, Pixels
from monitor.types.events import Event

PROBE: Final = "probe"  # name of the file by which a host finds out whether it sees the server's files

Fetch = Callable[[int, float], bytes]  # index, media time of a frame -> JPEG in full size


class DistantFrame(Frame):
    """A frame whose pixels are on another machine; reading ``pixels`` fetches the picture.

    Args:
        fetch: fetches the picture; None: this frame is on its way between two machines.
    """

    __slots__ = ("_fetch", "_height", "_pixels", "_width")

    _fetch: Fetch | None
    _width: int
    _height: int
    _pixels: Pixels | None

    def __init__(
        self,
        *,
        index: int,
        media_time: float,
        captured_at: datetime,
        source: str,
        width: int,
        height: int,
        fetch: Fetch | None = None,
    ) -> None:
        values: dict[str, Any] = {
            "index": index, "media_time": media_time, "captured_at": captured_at, "source": source,
            "_width": width, "_height": height, "_fetch": fetch, "_pixels": None,
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """A frame without its pixels."""
        return cls(**_facts(frame))

    def fetched_by(self, fetch: Fetch) -> Self:
        """This frame, with the function that fetches its picture."""
        return type(self)(**_facts(self), fetch=fetch)

    @property
    def pixels(self) -> Pixels:
        """(H, W, 3) RGB, read-only.

        Raises:
            MonitorError: the picture is not available any more.
        """
        if self._pixels is None:
            if self._fetch is None:
                raise SourceUnavailableError(f"{self.source}: the picture is on another machine")
            object.__setattr__(self, "_pixels", jpeg.decode(self._fetch(self.index, self.media_time)))
        assert self._pixels is not None  # noqa: S101 - set above
        return self._pixels

    @property
    def width(self) -> int:
        return self._width

    @property
    def height(self) -> int:
        return self._height

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.index}, {self.media_time:.3f} s, {self.width}x{self.height})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (_facts(self),)


def _facts(frame: Frame) -> dict[str, Any]:
    names = ("index", "media_time", "captured_at", "source", "width", "height")
    return {name: getattr(frame, name) for name in names}


def _rebuild(facts: dict[str, Any]) -> DistantFrame:
    return DistantFrame(**facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedStream:
    """What a host shall do with one stream."""

    placement: int  # number of the stream's placement, from 1; what comes from an earlier one is ignored
    paused: bool
    restarts: int  # how often a person has resumed it
    levels: tuple[QualityLevel, ...]  # of the pictures that somebody looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """A stream that a host does not know yet."""

    order: StreamOrder
    connections: int  # number of its connections so far


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRequest:
    """All that a host shall do now."""

    link: str  # id of the asking server's link
    wanted: Mapping[str, WantedStream]  # by stream id; the host stops all others
    orders: Mapping[str, PlacedOrder]  # of new streams
    linger: float  # seconds for which the host collects more events after the first


@dataclass(frozen=True, slots=True)
class EventMessage:
    """One event of a stream; the frame of ``FrameAnalysed`` is a :class:`DistantFrame`."""

    stream_id: str
    placement: int
    event: Event


@dataclass(frozen=True, slots=True)
class PictureMessage:
    """The newest picture of a stream at the levels that its viewers want."""

    stream_id: str
    placement: int
    connection: int
    frame_index: int
    pictures: Mapping[QualityLevel, bytes] = field(repr=False)  # JPEG


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """The state of a stream."""

    stream_id: str
    placement: int
    status: StreamStatus
    observer_failures: Mapping[str, int]


StreamMessage = EventMessage | PictureMessage | StatusMessage


@dataclass(frozen=True, slots=True)
class HostLogLine:
    """A line of a host's log."""

    level: int  # of logging
    text: str  # secrets masked


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """The state of a host."""

    process_id: int  # of its process, on its node
    load_level: int  # of its load shedder; 0: every frame is analysed
    load: str  # in words
    clips_waiting: int
    lost: Mapping[str, int]  # events that did not reach the server, by cause
    picture_bytes: int  # bytes of all pictures sent to the server


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeAnswer:
    """The news of a host."""

    messages: Sequence[StreamMessage]  # of each stream in order
    report: HostReport
    known: frozenset[tuple[str, int]]  # (stream id, placement) of all streams that the host runs
    log: Sequence[HostLogLine]
    refusal: str = ""  # why the host does not work for this link; "" if it does
