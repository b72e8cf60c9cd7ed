"""The newest frame of one watch, for any number of viewers: encoded once, never queued."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from monitor.dashboard.messages import header, pack, picture
from monitor.overlay.heat import EvidenceMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.types import Frame, Observation

LONGEST: Final = 1280  # pixels of the longer side of what is sent
QUALITY: Final = 80  # JPEG
_HOLD: Final = 1.0  # seconds of media time that an evidence map stays with its face


@dataclass(eq=False, slots=True)
class _Newest:
    number: int
    head: dict[str, Any]
    frame: Frame
    encoding: threading.Lock = field(default_factory=threading.Lock)
    message: bytes = b""


class Viewer:
    """One of those who look; its ``arrived`` is set on its own event loop when a newer frame is there."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.seen = 0
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        """Called from the analysis thread."""
        with suppress(RuntimeError):  # its loop is closed: nobody looks any more
            self._loop.call_soon_threadsafe(self.arrived.set)


class Hub:
    """A sink that holds the newest frame and what was said of it."""

    def __init__(self) -> None:
        self._changed = threading.Lock()
        self._newest: _Newest | None = None
        self._number = 0
        self._epoch = 0
        self._maps = EvidenceMemory(_HOLD)
        self._viewers: set[Viewer] = set()
        self.over = ""  # why nothing more will come

    @property
    def viewers(self) -> int:
        """How many look."""
        return len(self._viewers)

    def opened(self, epoch: int) -> None:
        """A new epoch begins: media time starts again, and so do the tracks."""
        self._epoch = epoch
        self._maps = EvidenceMemory(_HOLD)

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Take in one frame. Runs on the analysis thread."""
        self._maps.update(observation)
        head = header(frame, observation, epoch=self._epoch, maps=self._maps)
        with self._changed:
            self._number += 1
            self._newest = _Newest(self._number, head, frame)
            viewers = tuple(self._viewers)
        for viewer in viewers:
            viewer.wake()

    def end(self, why: str) -> None:
        """Tell all who look that nothing more will come."""
        with self._changed:
            self.over = why
            viewers = tuple(self._viewers)
        for viewer in viewers:
            viewer.wake()

    @contextmanager
    def viewing(self) -> Iterator[Viewer]:
        """Be one of those who look; on an event loop."""
        viewer = Viewer()
        with self._changed:
            self._viewers.add(viewer)
        if self._newest is not None:
            viewer.arrived.set()
        try:
            yield viewer
        finally:
            with self._changed:
                self._viewers.discard(viewer)

    def message(self, viewer: Viewer) -> bytes | None:
        """The newest frame, if this viewer has not seen it; blocks while it is encoded (off the event loop, please)."""
        newest = self._newest
        if newest is None or newest.number <= viewer.seen:
            return None
        viewer.seen = newest.number
        with newest.encoding:
            if not newest.message:
                newest.message = pack(newest.head, picture(newest.frame, longest=LONGEST, quality=QUALITY))
            return newest.message

    @property
    def now(self) -> dict[str, Any] | None:
        """What is said in the newest frame, as its header has it."""
        return None if self._newest is None else self._newest.head
