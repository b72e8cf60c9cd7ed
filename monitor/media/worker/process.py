"""The worker process: it reads a source and sends its frames, decodes pushed JPEGs, or calls one function.

    python -m monitor.media.worker.process SOCKET MEMORY

The address and settings arrive as the first message, because other users can read a process's arguments.
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
from monitor.media.worker.process_clock import ProcessClock
from monitor.settings import SourceSettings
from monitor.system import jpeg
from monitor.types import Frame

BEHIND: Final = "hand-over behind"
_REPORT_INTERVAL: Final = 1.0  # seconds (wall clock) between two progress messages
_NICENESS: Final = 5  # niceness of a process that reads a file: live sources have priority


class PacketForwarder:
    """Forwards the packets of a source; buffers the first ones until the parent says whether it wants packets.

    If packets arrive but no intact picture, it sends the drop counts, because silence would count as a hang.

    Args:
        drops: returns the drop counts of the source by cause.
    """

    def __init__(self, channel: IpcChannel, drops: Callable[[], dict[str, int]]) -> None:
        self._channel, self._drops = channel, drops
        self._sent_at = time.monotonic()
        self._first_packets: list[CompressedPacket] = []
        self._wanted: bool | None = None  # None: not decided yet
        self.stream: PacketStream | None = None

    def begin(self, stream: PacketStream) -> bool:
        self.stream = stream
        return True

    def packet(self, packet: CompressedPacket) -> None:
        if self._wanted is None:
            self._first_packets.append(packet)
            return
        if self._wanted:
            self._channel.send({"packet": [packet.pts, packet.is_key]}, packet.data)
        if (now := time.monotonic()) - self._sent_at > _REPORT_INTERVAL:
            self._sent_at = now
            self._channel.send({"drops": self._drops()})

    def picture(self, *, pts: int | None, media_time: float) -> None:
        if self._wanted:
            self._channel.send({"picture": [pts, media_time]})

    def decide(self, *, wanted: bool) -> None:
        """Send the buffered packets and all later ones, or discard them."""
        self._wanted = wanted
        for packet in self._first_packets:
            self.packet(packet)
        self._first_packets.clear()


class FrameSender:
    """Sends frames through free slots; a file waits for a free slot, a live source drops and counts the frame."""

    def __init__(self, channel: IpcChannel, ring: FrameRing) -> None:
        self._channel, self._ring = channel, ring
        self._free = deque(range(SLOTS))
        self._dropped = 0
        self._sent_drops: dict[str, int] = {}

    def run(self, source: Source) -> None:
        """Send all frames.

        Raises:
            SourceError: the source was lost.
            EOFError: the parent closed the channel or wants no more frames.
        """
        for frame in source:
            self._handle_replies(source)
            if self._free:
                counts = {"skipped": source.skipped, "disordered": source.disordered}
                self._send(frame, drops=self.drops(source), counts=counts)
            else:
                self._dropped += 1
        self._channel.send({"drops": self.drops(source), "skipped": source.skipped, "end": True})

    def drops(self, source: Source) -> dict[str, int]:
        """Drop counts of the source, plus the frames dropped because no slot was free."""
        return {**source.drops, **({BEHIND: self._dropped} if self._dropped else {})}

    def _handle_replies(self, source: Source) -> None:
        while self._channel.has_message() or not (self._free or source.info.live):
            head, _ = self._channel.receive(None)
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
        if drops != self._sent_drops:
            head["drops"] = self._sent_drops = drops
        self._channel.send(head)


class TaskProgress:
    """Sends progress messages while a function works, and stops it when the parent wants no more."""

    def __init__(self, channel: IpcChannel) -> None:
        self._channel = channel
        self._sent_at = -math.inf

    def __call__(self) -> None:
        """Send a progress message if one is due.

        Raises:
            EOFError: the parent wants no more.
            OSError: the parent closed the channel.
        """
        if (now := time.monotonic()) - self._sent_at > _REPORT_INTERVAL:
            self._sent_at = now
            if self._channel.has_message():
                raise EOFError
            self._channel.send({"working": True})


def limit_memory(megabytes: int) -> None:
    """Set the memory limit of this process."""
    resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(channel: IpcChannel, ring_descriptor: int) -> None:
    """Handle the request in the first message.

    Raises:
        EOFError: the parent closed the channel.
    """
    request, payload = channel.receive(None)
    settings = SourceSettings.model_validate(request["settings"])
    limit_memory(settings.memory_limit)
    url = Path(request["url"]) if request["is_path"] else request["url"]
    try:
        if request.get("task"):
            _call_function(payload, channel)
        elif request.get("jpeg"):
            _decode(channel, FrameRing(ring_descriptor, max_pixels=settings.max_pixels))
        else:
            _send_frames(url, channel, FrameRing(ring_descriptor, max_pixels=settings.max_pixels), settings=settings)
    except MonitorError as error:
        channel.send({"error": [type(error).__name__, str(error)]})
    except MemoryError:
        short = failure(MemoryError(), Address.of(url))
        channel.send({"error": [type(short).__name__, str(short)]})
    except (EOFError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - reported to the parent by class only; its text may hold secrets
        traceback.print_tb(error.__traceback__)
        channel.send({"error": ["", type(error).__name__]})


def _send_frames(url: str | Path, channel: IpcChannel, ring: FrameRing, *, settings: SourceSettings) -> None:
    """Open a source and send its frames until the end."""
    with open_source(url, settings) as source:
        if not source.info.live:
            os.nice(_NICENESS)
        sender = FrameSender(channel, ring)
        forwarder = PacketForwarder(channel, partial(sender.drops, source))
        source.tap(forwarder)
        _send_opened(source, forwarder.stream, channel)
        forwarder.decide(wanted=_packets_wanted(channel))
        sender.run(source)


def _decode(channel: IpcChannel, ring: FrameRing) -> None:
    """Decode pushed JPEGs one after the other until a stop message."""
    while True:
        head, content = channel.receive(None)
        if "jpeg" not in head:
            raise EOFError
        try:
            pixels = jpeg.decode(content)
            ring.put(0, pixels)
        except ValueError:
            channel.send({"refused": True})
        else:
            channel.send({"decoded": pixels.shape[:2]})


def _call_function(payload: bytes, channel: IpcChannel) -> None:
    """Call a function and send its result."""
    os.nice(_NICENESS)
    function, *arguments = pickle.loads(payload)  # noqa: S301 - from the parent process
    progress.listen(TaskProgress(channel))
    result = function(*arguments)
    channel.send({"result": asdict(result) if is_dataclass(result) and not isinstance(result, type) else result})


def _packets_wanted(channel: IpcChannel) -> bool:
    answer, _ = channel.receive(None)
    if "tap" not in answer:  # closed immediately after opening
        raise EOFError
    return bool(answer["tap"])


def _send_opened(source: Source, stream: PacketStream | None, channel: IpcChannel) -> None:
    packets, header = None, b""
    if stream is not None:
        packets = asdict(stream)
        header = packets.pop("header")
    channel.send({"opened": asdict(source.info), "packets": packets}, header)


if __name__ == "__main__":
    try:
        end, parent = socket.socket(fileno=int(sys.argv[1])), ProcessClock(os.getppid())
        serve(IpcChannel(end, clock=parent), int(sys.argv[2]))
    except (EOFError, OSError):  # the parent closed the channel or wants no more
        sys.exit(0)
