"""Pictures that are pushed to this program instead of fetched by it: a browser's own camera."""

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
_WAITING: Final = 2  # pictures between whoever pushes and whoever decodes
_MOST_BYTES: Final = 4 << 20
_MOST_PIXELS: Final = 4096 * 2304
_PERIOD: Final = 1 / 15  # seconds between pictures, where their times do not tell
_BEGIN, _END = b"\xff\xd8\xff", b"\xff\xd9"  # of a JPEG


class _PushedPicture(NamedTuple):
    jpeg: bytes
    taken_at: float  # seconds on the clock of whoever pushed it
    arrived: datetime
    size: tuple[int, int]  # width, height


class PushInbox:
    """Where pictures are pushed; sources are opened on it one after the other, and it outlives each.

    Nothing that is pushed waits long: the newest wins, and what is lost is counted, over the inbox's whole life.
    Every method may be called from any thread.

    Args:
        name: what is shown and stored.
        open_timeout: seconds (wall clock) to wait for a picture to open a source.
        settings: for ``read_timeout``, and how pictures are decoded.
    """

    def __init__(self, name: str, *, open_timeout: float, settings: SourceSettings) -> None:
        self.name = name
        self._open_timeout, self._read_timeout, self._settings = open_timeout, settings.read_timeout, settings
        self._changed = threading.Condition()
        self._waiting: deque[_PushedPicture] = deque()
        self._drops: Counter[str] = Counter()
        self._reader: PushSource | None = None
        self._closed = False
        self._heard_at = time.monotonic()

    @property
    def silence(self) -> float:
        """Seconds since the last picture came, or since the inbox was made."""
        return time.monotonic() - self._heard_at

    def push(self, content: bytes, *, taken_at: float) -> None:
        """Hand a picture over; never blocks.

        Args:
            content: a JPEG file.
            taken_at: seconds on any clock that goes on steadily; differences become media time.

        Raises:
            ValueError: it was refused (and counted): no JPEG, cut off, too large, or without a time.
        """
        self._heard_at = time.monotonic()
        try:
            picture = _PushedPicture(content, _time(taken_at), datetime.now(UTC), _size(content))
        except ValueError:
            self._drops[REFUSED] += 1
            raise
        with self._changed:
            if len(self._waiting) == _WAITING:
                self._waiting.popleft()
                self._drops[UNWATCHED if self._reader is None else BEHIND] += 1
            self._waiting.append(picture)
            self._changed.notify_all()

    def open(self) -> Source:
        """A source of what is pushed from now on; the one before ends.

        Raises:
            SourceUnavailableError: nothing came in time, or the inbox was closed.
        """
        with self._changed:
            if self._waiting:
                self._drops[UNWATCHED] += len(self._waiting)
                self._waiting.clear()
            self._changed.wait_for(lambda: self._waiting or self._closed, self._open_timeout)
            if self._closed or not self._waiting:
                raise self._silent(self._open_timeout)
            decoder = JpegDecoder(self.name, self._settings)
            self._reader = PushSource(self, self._drops, decoder=decoder, size=self._waiting[0].size)
            self._changed.notify_all()
            return self._reader

    def take(self, reader: "PushSource") -> _PushedPicture | None:
        """The next picture; None when the reader was closed, or another one was opened.

        Raises:
            SourceUnavailableError: none came in time.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or self._closed or self._reader is not reader, self._read_timeout
            )
            if self._closed or self._reader is not reader:
                return None
            if not self._waiting:
                raise self._silent(self._read_timeout)
            return self._waiting.popleft()

    def leave(self, reader: "PushSource") -> None:
        """A reader wants no more."""
        with self._changed:
            if self._reader is reader:
                self._reader = None
            self._changed.notify_all()

    def close(self) -> None:
        """End whoever reads or waits; nothing more can be opened."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _silent(self, seconds: float) -> SourceUnavailableError:
        msg = f"{self.name}: no picture came for {seconds:g} s; is the page with the camera still open?"
        return SourceUnavailableError(msg)


class PushSource(Source):
    """What is pushed into an inbox, decoded when the thread that iterates asks for it."""

    def __init__(self, inbox: PushInbox, drops: Counter[str], *, decoder: JpegDecoder, size: tuple[int, int]) -> None:
        info = SourceInfo(
            name=inbox.name,
            kind="webcam",
            live=True,
            width=size[0],
            height=size[1],
            fps=None,
            duration=None,
            frame_count=None,
            path=None,
        )
        super().__init__(info, drops)
        self._inbox, self._decoder = inbox, decoder
        self._closed = False
        self._clock = MediaClock(period=_PERIOD, lapse=0.0)  # a browser's clock was set: pictures came all the while
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
        self._inbox.leave(self)
        self._decoder.close()


def _time(seconds: float) -> float:
    if not math.isfinite(seconds):
        raise ValueError("the picture has no time")
    return seconds


def _size(content: bytes) -> tuple[int, int]:
    """Width and height of a JPEG as its header says; nothing is decoded.

    Raises:
        ValueError: it is no JPEG, not whole, or too large.
    """
    if len(content) > _MOST_BYTES:
        raise ValueError(f"the picture has more than {_MOST_BYTES} bytes")
    if not content.startswith(_BEGIN) or not content.endswith(_END):
        raise ValueError("the picture is no JPEG, or not a whole one")
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            width, height = image.size
    except Exception:  # noqa: BLE001 - Pillow raises whatever its parsers meet
        raise ValueError("the picture's header cannot be read") from None
    if not 0 < width * height <= _MOST_PIXELS:
        raise ValueError(f"the picture has {width} x {height} pixels; {_MOST_PIXELS} are the most")
    return width, height
