"""Pictures pushed to this program by a client, such as a browser's camera."""

import io
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from PIL import Image

from monitor.errors import SourceError, SourceUnavailableError
from monitor.media.media_clock import MediaClock
from monitor.media.sources.source import Source
from monitor.media.worker.jpeg_decoder import JpegDecoder
from monitor.settings import SourceSettings
from monitor.types import Frame, SourceInfo

REFUSED, BEHIND, UNWATCHED, UNDECODABLE = (
    "refused picture",
    "decoding behind",
    "nobody watching",
    "undecodable picture",
)
_QUEUE_SIZE: Final = 2  # pictures between the pushing client and the decoder
_MAX_BYTES: Final = 4 << 20
_MAX_PIXELS: Final = 4096 * 2304
_PERIOD: Final = 1 / 15  # seconds between pictures without usable times
_BEGIN, _END = b"\xff\xd8\xff", b"\xff\xd9"  # markers of a JPEG


class _PushedPicture(NamedTuple):
    jpeg: bytes
    taken_at: float  # seconds on the client's clock
    arrived: datetime
    size: tuple[int, int]  # width, height


class PushInbox:
    """Receives pushed pictures. Sources are opened on it one after the other; the inbox outlives each source.

    The newest pictures replace older ones, and drops are counted over the inbox's whole life. All methods are
    thread-safe.

    Args:
        open_timeout: seconds (wall clock) to wait for the first picture of a source.
        settings: ``read_timeout``, and isolation for the decoder.
    """

    def __init__(self, name: str, *, open_timeout: float, settings: SourceSettings) -> None:
        self.name = name
        self._open_timeout, self._read_timeout, self._settings = open_timeout, settings.read_timeout, settings
        self._changed = threading.Condition()
        self._queue: deque[_PushedPicture] = deque()
        self._drops: Counter[str] = Counter()
        self._reader: PushSource | None = None
        self._closed = False
        self._received_at = time.monotonic()

    @property
    def silence(self) -> float:
        """Seconds since the last picture arrived, or since the inbox was created."""
        return time.monotonic() - self._received_at

    def push(self, content: bytes, *, taken_at: float) -> None:
        """Add a picture; never blocks.

        Args:
            taken_at: seconds on any steady clock; differences become media time.

        Raises:
            ValueError: the picture was refused (and counted): not a JPEG, truncated, too large, or without a time.
        """
        self._received_at = time.monotonic()
        try:
            picture = _PushedPicture(content, _time(taken_at), datetime.now(UTC), _size(content))
        except ValueError:
            self._drops[REFUSED] += 1
            raise
        with self._changed:
            if len(self._queue) == _QUEUE_SIZE:
                self._queue.popleft()
                self._drops[UNWATCHED if self._reader is None else BEHIND] += 1
            self._queue.append(picture)
            self._changed.notify_all()

    def open(self) -> Source:
        """A source of the pictures pushed from now on; the previous source ends.

        Raises:
            SourceUnavailableError: no picture arrived in time, or the inbox was closed.
        """
        with self._changed:
            if self._queue:
                self._drops[UNWATCHED] += len(self._queue)
                self._queue.clear()
            self._changed.wait_for(lambda: self._queue or self._closed, self._open_timeout)
            if self._closed or not self._queue:
                raise self._timeout_error(self._open_timeout)
            decoder = JpegDecoder(self.name, self._settings)
            self._reader = PushSource(self, self._drops, decoder=decoder, size=self._queue[0].size)
            self._changed.notify_all()
            return self._reader

    def take(self, reader: "PushSource") -> _PushedPicture | None:
        """The next picture; None after the reader was closed or replaced.

        Raises:
            SourceUnavailableError: no picture arrived in time.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._queue or self._closed or self._reader is not reader, self._read_timeout
            )
            if self._closed or self._reader is not reader:
                return None
            if not self._queue:
                raise self._timeout_error(self._read_timeout)
            return self._queue.popleft()

    def detach(self, reader: "PushSource") -> None:
        """Detach a closed reader."""
        with self._changed:
            if self._reader is reader:
                self._reader = None
            self._changed.notify_all()

    def close(self) -> None:
        """End all waiting threads; no source can be opened afterwards."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _timeout_error(self, seconds: float) -> SourceUnavailableError:
        msg = f"{self.name}: no picture came for {seconds:g} s; is the page with the camera still open?"
        return SourceUnavailableError(msg)


class PushSource(Source):
    """The pictures of an inbox, decoded by the thread that iterates."""

    def __init__(self, inbox: PushInbox, drops: Counter[str], *, decoder: JpegDecoder, size: tuple[int, int]) -> None:
        info = SourceInfo(
            name=inbox.name,
            kind="webcam",
            live=True,
            width=size[0],
            height=size[1],
        )
        super().__init__(info, drops)
        self._inbox, self._decoder = inbox, decoder
        self._closed = False
        self._clock = MediaClock(period=_PERIOD, lapse=0.0)  # a clock change in the browser does not lose pictures
        self._index = 0

    def __iter__(self) -> Iterator[Frame]:
        while (picture := self._inbox.take(self)) is not None:
            media_time = self._clock.read(picture.taken_at)
            index, self._index = self._index, self._index + 1
            if not self.frame_skipper.takes(media_time):
                continue
            try:
                pixels = self._decoder.decode(picture.jpeg)
            except ValueError:
                self._drops[UNDECODABLE] += 1
                continue
            except SourceError:
                if self._closed:
                    return
                raise
            yield Frame(
                pixels=pixels,
                index=index,
                media_time=media_time,
                captured_at=picture.arrived,
                source=self.info.name,
            )

    @property
    def disordered(self) -> int:
        return self._clock.disordered

    def close(self) -> None:
        self._closed = True
        self._inbox.detach(self)
        self._decoder.close()


def _time(seconds: float) -> float:
    if not math.isfinite(seconds):
        raise ValueError("the picture has no time")
    return seconds


def _size(content: bytes) -> tuple[int, int]:
    """Width and height from a JPEG's header, without decoding."""
    if len(content) > _MAX_BYTES:
        raise ValueError(f"the picture has more than {_MAX_BYTES} bytes")
    if not content.startswith(_BEGIN) or not content.endswith(_END):
        raise ValueError("the picture is no JPEG, or not a whole one")
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            width, height = image.size
    except Exception:  # noqa: BLE001 - Pillow's parsers raise many kinds of errors
        raise ValueError("the picture's header cannot be read") from None
    if not 0 < width * height <= _MAX_PIXELS:
        raise ValueError(f"the picture has {width} x {height} pixels; {_MAX_PIXELS} is the limit")
    return width, height
