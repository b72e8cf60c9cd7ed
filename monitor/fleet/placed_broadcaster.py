"""The viewers of a stream on another machine: its newest verdicts, and its pictures while somebody looks."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from monitor.errors import MonitorError
from monitor.fleet.messages import PictureMessage
from monitor.server.broadcaster import Broadcaster, Viewer
from monitor.server.frame_messages import header, pack, portrait
from monitor.server.quality_levels import QualityLevel
from monitor.system import jpeg
from monitor.types import Frame, Observation

_Place = tuple[int, int]  # connection and index of a frame


@dataclass(eq=False, slots=True)
class _Analysed:
    """The newest frame, without its picture."""

    place: _Place
    frame: Frame
    observation: Observation
    head: dict[str, Any] | None = None  # made when somebody asks


@dataclass(eq=False, slots=True)
class _ShownPicture:
    number: int
    place: _Place
    head: dict[str, Any]
    pictures: dict[QualityLevel, bytes]


class PlacedBroadcaster(Broadcaster):
    """Shows a stream of another machine; an observer.

    Args:
        fetch: fetches a frame of the last seconds (connection, index, media time) as JPEG in full size.
    """

    def __init__(self, fetch: Callable[[int, int, float], bytes]) -> None:
        super().__init__()
        self._fetch = fetch
        self._analysed: _Analysed | None = None
        self._picture: _ShownPicture | None = None
        self._frames = threading.Lock()  # guards the evidence maps and both fields above

    def _show(self, frame: Frame, observation: Observation, *, connection: int) -> None:
        with self._frames:
            self._maps.update(observation)
            self._analysed = _Analysed((connection, frame.index), frame, observation)

    def show_picture(self, message: PictureMessage) -> None:
        """Show the picture of the newest frame to all viewers; the picture of an older frame is ignored."""
        place = message.connection, message.frame_index
        with self._frames:
            head, known = self._head(), self._picture
            if head is None or (head["connection"], head["frame"]) != place:
                return
            if known is not None and known.place == place:
                known.pictures.update(message.pictures)
                return
            self._number += 1
            self._picture = _ShownPicture(self._number, place, head, dict(message.pictures))
        self._wake_all()

    def _head(self) -> dict[str, Any] | None:
        analysed = self._analysed
        if analysed is not None and analysed.head is None:
            analysed.head = header(analysed.frame, analysed.observation, connection=analysed.place[0], maps=self._maps)
        return None if analysed is None else analysed.head

    @contextmanager
    def viewing(self, tab: str = "") -> Iterator[Viewer]:
        """Subscribes to a stream's frames (event loop)."""
        with super().viewing(tab) as viewer:
            try:
                yield viewer
            finally:
                if self.viewers == 1:
                    self._picture = None  # it would be old for the next viewer

    @property
    def levels(self) -> Sequence[QualityLevel]:
        """The levels of the pictures that the viewers want."""
        with self._changed:
            return tuple({viewer.adaptation.level for viewer in self._viewers})

    def message(self, viewer: Viewer) -> tuple[dict[str, Any], bytes] | None:
        """The newest picture; None if the viewer has it already.

        Returns:
            The header, and the whole message at the viewer's quality level; at another one just after a change.
        """
        with self._frames:
            shown = self._picture
            if shown is None or shown.number <= viewer.seen:
                return None
            viewer.seen = shown.number
            picture = shown.pictures.get(viewer.adaptation.level) or next(iter(shown.pictures.values()))
        return shown.head, pack(shown.head, picture)

    def face(self, track_id: int) -> bytes | None:
        """A small JPEG of a face in the newest picture; None if nobody looks, or if the picture lacks this face."""
        with self._frames:
            shown = self._picture
            faces = () if shown is None else shown.head["faces"]
            box = next((face["box"] for face in faces if face["id"] == track_id), None)
            if shown is None or box is None:
                return None
            pixels = jpeg.decode(max(shown.pictures.values(), key=len))
        scale = pixels.shape[1] / shown.head["width"]
        return portrait(pixels, [edge * scale for edge in box])

    @property
    def number(self) -> int | None:
        """The number of the newest frame, over all connections; None before the first frame."""
        analysed = self._analysed
        return None if analysed is None else _number_of(analysed.place)

    def still(self) -> tuple[int, bytes] | None:
        """The newest frame's number, and its picture as JPEG in full size, from its machine. Blocks."""
        analysed = self._analysed
        if analysed is None:
            return None
        try:
            picture = self._fetch(*analysed.place, analysed.frame.media_time)
        except MonitorError:
            return None
        return _number_of(analysed.place), picture

    @property
    def now(self) -> dict[str, Any] | None:
        """The header of the newest frame; None before the first frame."""
        with self._frames:
            return self._head()


def _number_of(place: _Place) -> int:
    connection, index = place
    return connection << 32 | index
