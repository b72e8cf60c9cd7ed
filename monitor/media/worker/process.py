"""What runs in the process: open a source and hand its pictures over, decode what is pushed, or call one function.

    python -m monitor.media.worker.process SOCKET MEMORY

It begins with what the other side says first (address, settings), since arguments can be read by everybody.
"""

import math
import os
import pickle
import resource
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from monitor.errors import MonitorError, SourceUnreadableError
from monitor.media import progress
from monitor.media.failures import failure
from monitor.media.packets import CompressedPacket, PacketStream
from monitor.media.sources import Source, open_source
from monitor.media.sources.address import Address
from monitor.media.worker.frame_ring import SLOTS, FrameRing
from monitor.media.worker.ipc_channel import IpcChannel
from monitor.settings import SourceSettings
from monitor.system import jpeg
from monitor.types import Frame

BEHIND: Final = "hand-over behind"
_SAY_EVERY: Final = 1.0  # seconds (wall clock)
_NICER: Final = 5  # of a file's process: live sources come first


class PacketForwarder:
    """Hears the packets of a source: keeps the first ones until it is known whether they are wanted.

    While packets come and no picture is whole, it says what is lost: silence would be taken for a hang.

    Args:
        wire: to the other side.
        drops: of the source so far, by cause.
    """

    def __init__(self, wire: IpcChannel, drops: Callable[[], dict[str, int]]) -> None:
        self._wire, self._drops = wire, drops
        self._said_at = time.monotonic()
        self._early: list[CompressedPacket] = []
        self._wanted: bool | None = None  # None: not known yet
        self.stream: PacketStream | None = None

    def begin(self, stream: PacketStream) -> bool:
        self.stream = stream
        return True

    def packet(self, packet: CompressedPacket) -> None:
        if self._wanted is None:
            self._early.append(packet)
            return
        if self._wanted:
            self._wire.send({"packet": [packet.pts, packet.is_key]}, packet.data)
        if (now := time.monotonic()) - self._said_at > _SAY_EVERY:
            self._said_at = now
            self._wire.send({"drops": self._drops()})

    def picture(self, *, pts: int | None, media_time: float) -> None:
        if self._wanted:
            self._wire.send({"picture": [pts, media_time]})

    def decide(self, *, wanted: bool) -> None:
        """Send what was kept, and go on so; or forget it."""
        self._wanted = wanted
        for packet in self._early:
            self.packet(packet)
        self._early.clear()


class FrameSender:
    """Frames into slots that are free: a file waits for one, of a live source the frame is dropped and counted."""

    def __init__(self, wire: IpcChannel, ring: FrameRing) -> None:
        self._wire, self._ring = wire, ring
        self._free = deque(range(SLOTS))
        self._dropped = 0
        self._told: dict[str, int] = {}

    def run(self, source: Source) -> None:
        """All frames.

        Raises:
            SourceError: the source was lost.
            EOFError: the other side is gone, or wants no more.
        """
        for frame in source:
            self._hear(source)
            if self._free:
                counts = {"skipped": source.skipped, "disordered": source.disordered}
                self._send(frame, drops=self.drops(source), counts=counts)
            else:
                self._dropped += 1
        self._wire.send({"drops": self.drops(source), "skipped": source.skipped, "end": True})

    def drops(self, source: Source) -> dict[str, int]:
        """Those of the source, and the frames that nobody took in time."""
        return {**source.drops, **({BEHIND: self._dropped} if self._dropped else {})}

    def _hear(self, source: Source) -> None:
        while self._wire.waits() or not (self._free or source.info.live):
            head, _ = self._wire.receive(None)
            if "free" in head:
                self._free.append(head["free"])
            elif "fps" in head:
                source.skip_to(head["fps"])
            else:
                raise EOFError

    def _send(self, frame: Frame, *, drops: dict[str, int], counts: dict[str, int]) -> None:
        slot = self._free.popleft()
        try:
            self._ring.put(slot, frame.pixels)
        except ValueError:
            raise SourceUnreadableError(
                f"{frame.source}: {frame.width} x {frame.height} pixels are more than the setting source.max_pixels "
                "allows; scale it down, or allow more"
            ) from None
        when = (frame.index, frame.media_time, frame.captured_at.isoformat())
        head: dict[str, Any] = {"frame": [slot, frame.height, frame.width, *when], **counts}
        if drops != self._told:
            head["drops"] = self._told = drops
        self._wire.send(head)


class TaskProgress:
    """A sign of life now and then while a function works, and an ear for whether it is still wanted.

    Args:
        wire: to the other side.
    """

    def __init__(self, wire: IpcChannel) -> None:
        self._wire = wire
        self._said_at = -math.inf

    def __call__(self) -> None:
        """The function goes on.

        Raises:
            EOFError: the other side wants no more.
            OSError: it is gone.
        """
        if (now := time.monotonic()) - self._said_at > _SAY_EVERY:
            self._said_at = now
            if self._wire.waits():
                raise EOFError
            self._wire.send({"working": True})


def limit_memory(megabytes: int) -> None:
    """What this process may allocate from now on."""
    resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(wire: IpcChannel, ring_descriptor: int) -> None:
    """Do what is asked for first.

    Raises:
        EOFError: the other side is gone.
    """
    request, payload = wire.receive(None)
    settings = SourceSettings.model_validate(request["settings"])
    limit_memory(settings.memory_limit)
    url = Path(request["url"]) if request["is_path"] else request["url"]
    try:
        if request.get("task"):
            _call(payload, wire)
        elif request.get("jpeg"):
            _decode(wire, FrameRing(ring_descriptor, max_pixels=settings.max_pixels))
        else:
            _hand_over(url, wire, FrameRing(ring_descriptor, max_pixels=settings.max_pixels), settings=settings)
    except MonitorError as error:
        wire.send({"error": [type(error).__name__, str(error)]})
    except MemoryError:
        short = failure(MemoryError(), Address.of(url))
        wire.send({"error": [type(short).__name__, str(short)]})
    except (EOFError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - told to the other side; its text may hold secrets
        traceback.print_tb(error.__traceback__)
        wire.send({"error": ["", type(error).__name__]})


def _hand_over(url: str | Path, wire: IpcChannel, ring: FrameRing, *, settings: SourceSettings) -> None:
    """Open, hand over, close."""
    with open_source(url, settings) as source:
        if not source.info.live:
            os.nice(_NICER)
        hand_over = FrameSender(wire, ring)
        relay = PacketForwarder(wire, partial(hand_over.drops, source))
        source.tap(relay)
        _tell(source, relay.stream, wire)
        relay.decide(wanted=_packets_wanted(wire))
        hand_over.run(source)


def _decode(wire: IpcChannel, ring: FrameRing) -> None:
    """Decode JPEGs that are pushed, one after the other, until told to stop."""
    while True:
        head, content = wire.receive(None)
        if "jpeg" not in head:
            raise EOFError
        try:
            pixels = jpeg.decoded(content)
            ring.put(0, pixels)
        except ValueError:
            wire.send({"refused": True})
        else:
            wire.send({"decoded": pixels.shape[:2]})


def _call(payload: bytes, wire: IpcChannel) -> None:
    """Call a function, and send what it returns."""
    os.nice(_NICER)
    function, *arguments = pickle.loads(payload)  # noqa: S301 - of the process that started this one
    progress.listen(TaskProgress(wire))
    result = function(*arguments)
    wire.send({"result": asdict(result) if is_dataclass(result) and not isinstance(result, type) else result})


def _packets_wanted(wire: IpcChannel) -> bool:
    answer, _ = wire.receive(None)
    if "tap" not in answer:  # closed as soon as it was open
        raise EOFError
    return bool(answer["tap"])


def _tell(source: Source, stream: PacketStream | None, wire: IpcChannel) -> None:
    packets, header = None, b""
    if stream is not None:
        packets = asdict(stream)
        header = packets.pop("header")
    wire.send({"opened": asdict(source.info), "packets": packets}, header)


if __name__ == "__main__":
    try:
        serve(IpcChannel(socket.socket(fileno=int(sys.argv[1]))), int(sys.argv[2]))
    except (EOFError, OSError):  # the other side is gone, or wants no more
        sys.exit(0)
