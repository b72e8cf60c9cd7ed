"""Broadcasts the newest frame of one stream to all viewers, encoded once per quality level and never queued."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.overlay.heat import EvidenceMemory
from monitor.server.frame_messages import header, pack, picture, portrait
from monitor.server.quality_levels import QualityAdaptation, QualityLevel
from monitor.system import jpeg
from monitor.types import Frame, Observation
from monitor.types.events import Event, FrameAnalysed, StreamOpened, StreamStateChanged

_MAP_AGE: Final = 1.0  # seconds of media time, maximum age of an evidence map
_FPS_WINDOW: Final = 5.0  # seconds, window of the frame rate
_STILL_QUALITY: Final = 90  # JPEG
_MAX_SHOWN: Final = 1000  # shown frames in this window


@dataclass(frozen=True, slots=True)
class ShownState:
    """The state of a stream as its viewers show it."""

    state: str  # of ``StreamStateChanged``
    reason: str  # "" if the state needs no reason


@dataclass(eq=False, slots=True)
class _Newest:
    number: int
    head: dict[str, Any]
    frame: Frame
    encoding: threading.Lock = field(default_factory=threading.Lock)
    messages: dict[QualityLevel, bytes] = field(default_factory=dict)
    still: bytes = b""  # the whole picture as JPEG; b"" before somebody asks for it


class Viewer:
    """One browser viewer; a newer frame sets its event ``arrived`` on its own event loop.

    Args:
        tab: id of the browser tab; the page of this tab shows the viewer's frame rate.
    """

    def __init__(self, tab: str = "") -> None:
        self.tab = tab
        self.arrived = asyncio.Event()
        self.seen = 0
        self.state: ShownState | None = None  # the last one that was sent
        self.adaptation = QualityAdaptation()
        self._sent: dict[tuple[int, int], float] = {}  # (connection, frame) -> time sent, monotonic
        self._shown: deque[float] = deque(maxlen=_MAX_SHOWN)
        self._loop = asyncio.get_running_loop()

    def send(self, connection: int, frame: int) -> None:
        """Note that a frame is sent now."""
        self._sent[connection, frame] = time.monotonic()

    def acknowledge(self, connection: int, frame: int, *, shown: bool) -> bool:
        """Note the acknowledgement of a frame; False if this frame was not sent."""
        sent_at, now = self._sent.pop((connection, frame), None), time.monotonic()
        if sent_at is None:
            return False
        self.adaptation.acknowledge(sent_at, now=now)
        if shown:
            self._shown.append(now)
        return True

    @property
    def fps(self) -> float:
        """Shown frames per second, over the last 5 seconds."""
        oldest = time.monotonic() - _FPS_WINDOW
        return sum(at > oldest for at in tuple(self._shown)) / _FPS_WINDOW

    def wake(self) -> None:
        """Set ``arrived``; called from the analysis thread."""
        with suppress(RuntimeError):  # the event loop is closed: the viewer has left
            self._loop.call_soon_threadsafe(self.arrived.set)


class Broadcaster:
    """Stores the newest frame and its verdicts for all viewers; an observer."""

    def __init__(self) -> None:
        self._changed = threading.Lock()
        self._newest: _Newest | None = None
        self._number = 0
        self._maps = EvidenceMemory(_MAP_AGE)
        self._viewers: list[Viewer] = []  # in order of arrival
        self._state: ShownState | None = None  # None: no frame is missing yet, nothing to explain
        self.over = ""  # reason of the end; "" before the end

    @property
    def viewers(self) -> int:
        """The number of viewers."""
        return len(self._viewers)

    def __call__(self, event: Event) -> None:
        """Show each frame and each state; a new connection drops the evidence maps of the last one."""
        match event:
            case StreamOpened():
                self._maps = EvidenceMemory(_MAP_AGE)
            case FrameAnalysed(frame=frame, observation=observation, connection=connection):
                self._show(frame, observation, connection=connection)
            case StreamStateChanged(state=state, reason=reason):
                self.show_state(state, reason)

    def show_state(self, state: str, reason: str = "") -> None:
        """Tell all viewers why no new frame comes; thread-safe."""
        self._state = ShownState(state, reason)
        self._wake_all()

    def state(self, viewer: Viewer) -> ShownState | None:
        """The state of the stream; None if the viewer has it already."""
        state = self._state
        if state == viewer.state:
            return None
        viewer.state = state
        return state

    def _show(self, frame: Frame, observation: Observation, *, connection: int) -> None:
        self._maps.update(observation)
        head = header(frame, observation, connection=connection, maps=self._maps)
        with self._changed:
            self._number += 1
            self._newest = _Newest(self._number, head, frame)
        self._wake_all()

    def end(self, reason: str) -> None:
        """Notify all viewers of the end of the stream; the first reason stays."""
        with self._changed:
            self.over = self.over or reason
        self._wake_all()

    def _wake_all(self) -> None:
        with self._changed:
            viewers = tuple(self._viewers)
        for viewer in viewers:
            viewer.wake()

    @contextmanager
    def viewing(self, tab: str = "") -> Iterator[Viewer]:
        """Subscribes to a stream's frames (event loop)."""
        viewer = Viewer(tab)
        with self._changed:
            self._viewers.append(viewer)
        if self._newest is not None or self._state is not None:
            viewer.arrived.set()
        try:
            yield viewer
        finally:
            with self._changed:
                self._viewers.remove(viewer)

    def message(self, viewer: Viewer) -> tuple[dict[str, Any], bytes] | None:
        """The newest frame; None if the viewer has it already. Blocks while encoding: not for the event loop.

        Returns:
            The header, and the whole message at the viewer's quality level.
        """
        newest = self._newest
        if newest is None or newest.number <= viewer.seen:
            return None
        viewer.seen, level = newest.number, viewer.adaptation.level
        with newest.encoding:
            if level not in newest.messages:
                newest.messages[level] = pack(newest.head, picture(newest.frame, **level._asdict()))
            return newest.head, newest.messages[level]

    def viewer_of(self, tab: str) -> Viewer | None:
        """The newest viewer of a tab; None if there is none."""
        with self._changed:
            return next((viewer for viewer in reversed(self._viewers) if viewer.tab == tab), None)

    def face(self, track_id: int) -> bytes | None:
        """A small JPEG of a face in the newest frame, encoded at each call; None if the frame lacks this face."""
        newest = self._newest
        faces = () if newest is None else newest.head["faces"]
        box = next((face["box"] for face in faces if face["id"] == track_id), None)
        return None if newest is None or box is None else portrait(newest.frame.pixels, box)

    @property
    def number(self) -> int | None:
        """The number of the newest frame, over all connections; None before the first frame."""
        return None if self._newest is None else self._newest.number

    def still(self) -> tuple[int, bytes] | None:
        """The newest frame's number, and its picture as JPEG in full size. Blocks while encoding: not for the loop."""
        newest = self._newest
        if newest is None:
            return None
        with newest.encoding:
            newest.still = newest.still or jpeg.encode(newest.frame.pixels, quality=_STILL_QUALITY)
            return newest.number, newest.still

    @property
    def now(self) -> dict[str, Any] | None:
        """The header of the newest frame; None before the first frame."""
        return None if self._newest is None else self._newest.head
