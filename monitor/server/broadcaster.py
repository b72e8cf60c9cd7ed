"""The newest frame of one watch, for any number of viewers: encoded once for each level of quality, never queued."""

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
from monitor.types import Frame, Observation
from monitor.types.events import Event, FrameAnalysed, StreamOpened

_HOLD: Final = 1.0  # seconds of media time that an evidence map stays with its face
_COUNTED: Final = 5.0  # seconds over which shown frames are counted
_MOST_COUNTED: Final = 1000


@dataclass(eq=False, slots=True)
class _Newest:
    number: int
    head: dict[str, Any]
    frame: Frame
    encoding: threading.Lock = field(default_factory=threading.Lock)
    messages: dict[QualityLevel, bytes] = field(default_factory=dict)


class Viewer:
    """One of those who look; its ``arrived`` is set on its own event loop when a newer frame is there.

    Args:
        tab: whose it is; a page asks by it how its own viewer fares.
    """

    def __init__(self, tab: str = "") -> None:
        self.tab = tab
        self.arrived = asyncio.Event()
        self.seen = 0
        self.adaptation = QualityAdaptation()
        self._sent: dict[tuple[int, int], float] = {}  # (connection, frame) -> time sent, monotonic
        self._shown: deque[float] = deque(maxlen=_MOST_COUNTED)
        self._loop = asyncio.get_running_loop()

    def sends(self, connection: int, frame: int) -> None:
        """A frame leaves for it now."""
        self._sent[connection, frame] = time.monotonic()

    def answered(self, connection: int, frame: int, *, shown: bool) -> bool:
        """Its answer to a frame came; False if none of that number was under way."""
        sent_at, now = self._sent.pop((connection, frame), None), time.monotonic()
        if sent_at is None:
            return False
        self.adaptation.answered(sent_at, now=now)
        if shown:
            self._shown.append(now)
        return True

    @property
    def fps(self) -> float:
        """Frames a second that it has shown lately."""
        oldest = time.monotonic() - _COUNTED
        return sum(at > oldest for at in tuple(self._shown)) / _COUNTED

    def wake(self) -> None:
        """Called from the analysis thread."""
        with suppress(RuntimeError):  # its loop is closed: nobody looks any more
            self._loop.call_soon_threadsafe(self.arrived.set)


class Broadcaster:
    """Holds the newest frame and its verdicts for all viewers; an observer."""

    def __init__(self) -> None:
        self._changed = threading.Lock()
        self._newest: _Newest | None = None
        self._number = 0
        self._maps = EvidenceMemory(_HOLD)
        self._viewers: list[Viewer] = []  # in the order of their coming
        self.over = ""  # why nothing more will come

    @property
    def viewers(self) -> int:
        """How many look."""
        return len(self._viewers)

    def __call__(self, event: Event) -> None:
        """Show each frame; a new connection drops the evidence maps of the last one."""
        match event:
            case StreamOpened():
                self._maps = EvidenceMemory(_HOLD)
            case FrameAnalysed(frame=frame, observation=observation, connection=connection):
                self._show(frame, observation, connection=connection)

    def _show(self, frame: Frame, observation: Observation, *, connection: int) -> None:
        self._maps.update(observation)
        head = header(frame, observation, connection=connection, maps=self._maps)
        with self._changed:
            self._number += 1
            self._newest = _Newest(self._number, head, frame)
            viewers = tuple(self._viewers)
        for viewer in viewers:
            viewer.wake()

    def end(self, why: str) -> None:
        """Tell all who look that nothing more will come; the first reason stays."""
        with self._changed:
            self.over = self.over or why
            viewers = tuple(self._viewers)
        for viewer in viewers:
            viewer.wake()

    @contextmanager
    def viewing(self, tab: str = "") -> Iterator[Viewer]:
        """Be one of those who look; on an event loop."""
        viewer = Viewer(tab)
        with self._changed:
            self._viewers.append(viewer)
        if self._newest is not None:
            viewer.arrived.set()
        try:
            yield viewer
        finally:
            with self._changed:
                self._viewers.remove(viewer)

    def message(self, viewer: Viewer) -> tuple[dict[str, Any], bytes] | None:
        """The newest frame, if this viewer has not seen it; blocks while it is encoded (off the event loop, please).

        Returns:
            Its header, and the whole message at the viewer's level.
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
        """The newest viewer of a tab, if it looks."""
        with self._changed:
            return next((viewer for viewer in reversed(self._viewers) if viewer.tab == tab), None)

    def face(self, track_id: int) -> bytes | None:
        """A small JPEG of a face in the newest frame; None if it is not there. Made anew with each call."""
        newest = self._newest
        faces = () if newest is None else newest.head["faces"]
        box = next((face["box"] for face in faces if face["id"] == track_id), None)
        return None if newest is None or box is None else portrait(newest.frame.pixels, box)

    @property
    def now(self) -> dict[str, Any] | None:
        """What is said in the newest frame, as its header has it."""
        return None if self._newest is None else self._newest.head
