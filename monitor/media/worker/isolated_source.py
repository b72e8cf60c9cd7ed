"""A source that is read by another process, and the parent's control of that process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from monitor import errors
from monitor.errors import MonitorError, SourceError, SourceUnavailableError, SourceUnreadableError
from monitor.media.packets import CompressedPacket, PacketListener, PacketStream
from monitor.media.sources.source import Source
from monitor.media.worker.frame_ring import FrameRing
from monitor.media.worker.ipc_channel import IpcChannel, IpcError
from monitor.media.worker.process_clock import ProcessClock
from monitor.settings import SourceSettings
from monitor.types import Frame, SourceInfo

if TYPE_CHECKING:
    from monitor.media.sources.address import Address

START_TIMEOUT: Final = 30.0  # seconds of the process's own time to start
_EXIT_TIMEOUT: Final = 1.0  # seconds for a process to release a camera before it is killed
_MARGIN: Final = 2.0  # seconds added to the source's own time-outs


def available() -> bool:
    """Whether this system can pass sockets and memory to a process; Windows cannot do so this way."""
    return os.name == "posix"


def silence_timeout(settings: SourceSettings) -> float:
    """Seconds of the process's own time without a message after which it counts as hung."""
    return max(settings.hang_timeout, settings.read_timeout + _MARGIN)


def open_isolated(url: str | Path, *, address: Address, settings: SourceSettings) -> Source:
    """Open an address in a separate process.

    Raises:
        UsageError: the address is invalid.
        SourceError: the source cannot be opened, or its process failed to start, died or hung.
    """
    process = CaptureProcess(address, settings)
    try:
        request = {"url": url, "is_path": isinstance(url, Path), "settings": settings.model_dump(mode="json")}
        with suppress(OSError):  # the process died; the next receive reports it
            process.channel.send(request)
        head, payload = process.receive(START_TIMEOUT + settings.open_timeout + settings.read_timeout)
        try:
            info, stream = _parse_opened(head, payload)
        except (KeyError, TypeError, ValueError) as error:
            raise process.invalid_message_error(type(error).__name__) from None
    except BaseException:
        process.end()
        process.close()
        raise
    return IsolatedSource(info, process, stream=stream, settings=settings)


class CaptureProcess:
    """The process with its channel and shared memory.

    Raises:
        SourceUnavailableError: the system cannot start another process, or has no memory to share.
    """

    def __init__(self, address: Address, settings: SourceSettings) -> None:
        self._address = address
        try:
            with ExitStack() as undo:
                self.ring = FrameRing.create(max_pixels=settings.max_pixels)
                undo.callback(self.ring.close)
                ours, theirs = socket.socketpair()
                self.channel = IpcChannel(undo.enter_context(ours))
                with theirs:
                    self._popen = _start_process(theirs.fileno(), self.ring.descriptor)
                self.channel.clock = ProcessClock(self._popen.pid)
                undo.pop_all()
        except OSError as error:
            raise SourceUnavailableError(
                f"{address.name}: no process can be started to read it ({error.strerror}); close other programs"
            ) from None

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    def receive(self, timeout: float) -> tuple[dict[str, Any], bytes]:
        """Wait for the next message from the process.

        Args:
            timeout: seconds of the process's own time, see ``process_clock``.

        Raises:
            SourceError: the source failed, or the process died, hung, or sent an invalid message.
            UsageError: the address is invalid.
        """
        try:
            head, payload = self.channel.receive(timeout)
        except EOFError:
            raise self.process_error(self._exit_reason()) from None
        except TimeoutError:
            why = f"the process that reads it sent nothing for {timeout:.0f} s and was ended"
            raise self.process_error(why) from None
        except IpcError as error:
            raise self.invalid_message_error(str(error)) from None
        if "error" in head:
            raise self._reported_error(head["error"])
        return head, payload

    def process_error(self, why: str) -> SourceError:
        """The error for a failed process: a camera may come back, a file stays unreadable."""
        kind = SourceUnavailableError if self._address.kind.may_come_back else SourceUnreadableError
        return kind(f"{self._address.name}: {why}")

    def invalid_message_error(self, detail: str) -> SourceError:
        """The error for an invalid message from the process."""
        return self.process_error(f"the process that reads it sent an invalid message ({detail}) and was ended")

    def _reported_error(self, error: Any) -> MonitorError:  # noqa: ANN401 - any JSON value
        """Rebuild an error that the process reported, with its class."""
        try:
            name, message = error
            kind = getattr(errors, name, None)
        except (TypeError, ValueError):
            return self.invalid_message_error("an error")
        if isinstance(kind, type) and issubclass(kind, MonitorError):
            return kind(message)
        return self.process_error(f"reading it failed ({name or message}); this should not happen, please report it")

    def end(self) -> None:
        """Ask the process to end, and kill it if it does not; may be called twice, from any thread."""
        if self._popen.poll() is not None:
            return
        with suppress(OSError):
            self.channel.send({"stop": True})
        try:
            self._popen.wait(_EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def close(self) -> None:
        """Close the channel and the shared memory, after the process has ended."""
        self.channel.close()
        self.ring.close()

    def _exit_reason(self) -> str:
        try:
            code = self._popen.wait(_EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            return "the process that reads it hung up and was ended"
        if code == -signal.SIGKILL:
            return "the process that reads it was killed (SIGKILL); was memory short?"
        if code < 0:
            return f"the process that reads it crashed ({signal.Signals(-code).name}); is it damaged?"
        return f"the process that reads it ended by itself (exit status {code}); please report it"


class IsolatedSource(Source):
    """A source of frames from another process; each frame is copied out of the shared memory immediately.

    Args:
        process: the source closes it.
        stream: description of the packets; None: the source has no packets.
    """

    def __init__(
        self, info: SourceInfo, process: CaptureProcess, *, stream: PacketStream | None, settings: SourceSettings
    ) -> None:
        super().__init__(info, Counter())
        self.process = process
        self._stream = stream
        self._silence_timeout = silence_timeout(settings)
        self._listeners: list[PacketListener] = []
        self._begun = False
        self._closed = False
        self._disordered = 0
        self._receiving = threading.Lock()

    def __iter__(self) -> Iterator[Frame]:
        if not self._begun:
            self._begun = True
            with suppress(OSError):  # the process died; the next receive reports it
                self.process.channel.send({"tap": bool(self._listeners)})
                if self.frame_skipper.fps is not None:
                    self.process.channel.send({"fps": self.frame_skipper.fps})
        while (frame := self._receive_frame()) is not None:
            yield frame

    def _receive_frame(self) -> Frame | None:
        """The next frame; None at the end."""
        try:
            with self._receiving:
                while not self._closed:
                    head, payload = self.process.receive(self._silence_timeout)
                    if (frame := self._handle_message(head, payload)) is not None:
                        return frame
                    if "end" in head:
                        return None
        except MonitorError:
            if not self._closed:
                self.process.end()
                raise
        return None

    def _handle_message(self, head: dict[str, Any], payload: bytes) -> Frame | None:
        """Pass a message to the listeners, update the counts, or return its frame."""
        try:
            if "packet" in head:
                pts, is_key = head["packet"]
                for listener in self._listeners:
                    listener.packet(CompressedPacket(payload, pts, is_key))
                return None
            if "picture" in head:
                pts, media_time = head["picture"]
                for listener in self._listeners:
                    listener.picture(pts=pts, media_time=media_time)
                return None
            if "frame" not in head:
                self._count(head["drops"], skipped=head.get("skipped", 0))
                return None
            slot, height, width, index, media_time, captured_at = head["frame"]
            self._count(head.get("drops"), skipped=head["skipped"])
            self._disordered = int(head["disordered"])
            pixels = self.process.ring.take(slot, height=height, width=width)
            frame = Frame(
                pixels=pixels,
                index=index,
                media_time=media_time,
                captured_at=datetime.fromisoformat(captured_at),
                source=self.info.name,
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self.process.invalid_message_error(type(error).__name__) from None
        with suppress(OSError):  # the process died; the next receive reports it
            self.process.channel.send({"free": slot})
        return frame

    def _count(self, drops: dict[str, int] | None, *, skipped: int = 0) -> None:
        if drops is not None:  # counts only grow, so a concurrent reader must never see them fall
            self._drops |= Counter(drops)
        self.frame_skipper.skipped = max(self.frame_skipper.skipped, int(skipped))

    @property
    def disordered(self) -> int:
        return self._disordered

    def skip_to(self, fps: float | None) -> None:
        super().skip_to(fps)
        if self._begun and not self._closed:
            with suppress(OSError, ValueError):  # the process died or was closed meanwhile
                self.process.channel.send({"fps": fps})

    def tap(self, listener: PacketListener) -> bool:
        if self._stream is None or self._begun or self._closed or not listener.begin(self._stream):
            return False
        self._listeners.append(listener)
        return True

    def close(self) -> None:
        self._closed = True
        self.process.end()
        with self._receiving:  # the ended process unblocks an iterating thread
            self.process.close()


def _parse_opened(head: dict[str, Any], payload: bytes) -> tuple[SourceInfo, PacketStream | None]:
    info = dict(head["opened"])
    info["path"] = None if info["path"] is None else Path(info["path"])
    info["notes"] = tuple(str(note) for note in info["notes"])
    packets = head["packets"]
    if packets is None:
        return SourceInfo(**info), None
    base = packets["time_base"]
    packets = {**packets, "time_base": None if base is None else Fraction(base), "header": payload}
    return SourceInfo(**info), PacketStream(**packets)


def _start_process(end: int, memory: int) -> subprocess.Popen[bytes]:
    """Start the process with two inherited descriptors."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", f"{__package__}.process", str(end), str(memory)],
        pass_fds=(end, memory),
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches only the parent, which then ends the process
    )
