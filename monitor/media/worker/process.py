"""What runs in the process of one source: open it, and hand its pictures over until told to stop.

    python -m monitor.media.worker.process SOCKET MEMORY

It begins with what the other side says first (address, settings), since arguments can be read by everybody.
"""

import os
import resource
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from monitor.errors import MonitorError, SourceUnreadableError
from monitor.media.failures import failure
from monitor.media.packets import CompressedPacket, PacketStream
from monitor.media.sources import Source, open_source
from monitor.media.sources.address import Address
from monitor.media.worker.frame_ring import SLOTS, FrameRing
from monitor.media.worker.ipc_channel import IpcChannel
from monitor.settings import SourceSettings
from monitor.types import Frame

BEHIND: Final = "hand-over behind"
_SAY_EVERY: Final = 1.0  # seconds (wall clock)
_NICER: Final = 5  # of a file's process: live sources come first


class PacketForwarder:
    """Hears the packets of a source: keeps the first ones until it is known whether they are wanted.

    While packets come and no picture is whole, it says what is lost: silence would be taken for a hang.

    Args:
        wire: to the other side.
        losses: of the source so far, by cause.
    """

    def __init__(self, wire: IpcChannel, losses: Callable[[], dict[str, int]]) -> None:
        self._wire, self._losses = wire, losses
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
            self._wire.send({"losses": self._losses()})

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
                self._send(frame, losses=self.losses(source), left_out=source.left_out)
            else:
                self._dropped += 1
        self._wire.send({"losses": self.losses(source), "left_out": source.left_out, "end": True})

    def losses(self, source: Source) -> dict[str, int]:
        """Those of the source, and the frames that nobody took in time."""
        return {**source.losses, **({BEHIND: self._dropped} if self._dropped else {})}

    def _hear(self, source: Source) -> None:
        while self._wire.waits() or not (self._free or source.info.live):
            head, _ = self._wire.receive(None)
            if "free" in head:
                self._free.append(head["free"])
            elif "fps" in head:
                source.thin(head["fps"])
            else:
                raise EOFError

    def _send(self, frame: Frame, *, losses: dict[str, int], left_out: int) -> None:
        slot = self._free.popleft()
        try:
            self._ring.put(slot, frame.pixels)
        except ValueError:
            raise SourceUnreadableError(
                f"{frame.source}: {frame.width} x {frame.height} pixels are more than the setting source.max_pixels "
                "allows; scale it down, or allow more"
            ) from None
        when = (frame.index, frame.media_time, frame.captured_at.isoformat(), frame.disordered)
        head: dict[str, Any] = {"frame": [slot, frame.height, frame.width, *when], "left_out": left_out}
        if losses != self._told:
            head["losses"] = self._told = losses
        self._wire.send(head)


def limit_memory(megabytes: int) -> None:
    """What this process may allocate from now on."""
    resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(wire: IpcChannel, ring_descriptor: int) -> None:
    """Open, hand over, close.

    Raises:
        EOFError: the other side is gone.
    """
    request, _ = wire.receive(None)
    settings = SourceSettings.model_validate(request["settings"])
    limit_memory(settings.memory_limit)
    ring = FrameRing(ring_descriptor, max_pixels=settings.max_pixels)
    url = Path(request["url"]) if request["is_path"] else request["url"]
    try:
        with open_source(url, settings) as source:
            if not source.info.live:
                os.nice(_NICER)
            hand_over = FrameSender(wire, ring)
            relay = PacketForwarder(wire, partial(hand_over.losses, source))
            source.tap(relay)
            _tell(source, relay.stream, wire)
            relay.decide(wanted=_packets_wanted(wire))
            hand_over.run(source)
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
