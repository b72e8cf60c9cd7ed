"""A source whose process is another one: what comes from it, and what becomes of it."""

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
from monitor.settings import SourceSettings
from monitor.types import Frame, SourceInfo

if TYPE_CHECKING:
    from monitor.media.sources.address import Address

START: Final = 30.0  # seconds (wall clock) until a process must have begun, on a busy machine
_GRACE: Final = 1.0  # seconds in which it may take leave of a camera
_MARGIN: Final = 2.0  # seconds beyond the source's own time-outs


def available() -> bool:
    """Whether this system can hand sockets and memory to a process; Windows cannot, in this way."""
    return os.name == "posix"


def patience(settings: SourceSettings) -> float:
    """Seconds (wall clock) of silence after which a process counts as hung."""
    return max(settings.hang_timeout, settings.read_timeout + _MARGIN)


def open_isolated(url: str | Path, *, address: Address, settings: SourceSettings) -> Source:
    """Open an address in a process of its own.

    Args:
        url: as it was typed.
        address: the same, understood.
        settings: go to the process too.

    Raises:
        UsageError: the address makes no sense.
        SourceError: it cannot be opened, or its process cannot be started, died or hung.
    """
    process = CaptureProcess(address, settings)
    try:
        request = {"url": url, "is_path": isinstance(url, Path), "settings": settings.model_dump(mode="json")}
        with suppress(OSError):  # it died: what is heard next says so
            process.wire.send(request)
        head, payload = process.hear(START + settings.open_timeout + settings.read_timeout)
        try:
            info, stream = _opened(head, payload)
        except (KeyError, TypeError, ValueError) as error:
            raise process.nonsense(type(error).__name__) from None
    except BaseException:
        process.end()
        process.close()
        raise
    return IsolatedSource(info, process, stream=stream, settings=settings)


class CaptureProcess:
    """The process, and the two ends of what connects us.

    Args:
        address: for what is said of it.
        settings: how much memory is shared.

    Raises:
        SourceUnavailableError: the system has no room for another process, or no memory to share.
    """

    def __init__(self, address: Address, settings: SourceSettings) -> None:
        self._address = address
        try:
            with ExitStack() as undo:
                self.ring = FrameRing.create(max_pixels=settings.max_pixels)
                undo.callback(self.ring.close)
                mine, theirs = socket.socketpair()
                self.wire = IpcChannel(undo.enter_context(mine))
                with theirs:
                    self._popen = _started(theirs.fileno(), self.ring.descriptor)
                undo.pop_all()
        except OSError as error:
            raise SourceUnavailableError(
                f"{address.name}: no process can be started to read it ({error.strerror}); close other programs"
            ) from None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._popen.pid

    def hear(self, timeout: float) -> tuple[dict[str, Any], bytes]:
        """What it says next.

        Raises:
            SourceError: it says that the source failed, or it died, hung, or says nonsense.
            UsageError: it says that the address makes no sense.
        """
        try:
            head, payload = self.wire.receive(timeout)
        except EOFError:
            raise self.failed(self._death()) from None
        except TimeoutError:
            why = f"the process that reads it said nothing for {timeout:.0f} s and was ended"
            raise self.failed(why) from None
        except IpcError as error:
            raise self.nonsense(str(error)) from None
        if "error" in head:
            raise self._told(head["error"])
        return head, payload

    def failed(self, why: str) -> SourceError:
        """What becomes of a source whose process failed: a camera may come back, a file stays as it is."""
        kind = SourceUnavailableError if self._address.kind.may_come_back else SourceUnreadableError
        return kind(f"{self._address.name}: {why}")

    def nonsense(self, what: str) -> SourceError:
        """The same for a process whose message cannot be understood."""
        return self.failed(f"the process that reads it sent nonsense ({what}) and was ended")

    def _told(self, error: Any) -> MonitorError:  # noqa: ANN401 - whatever it sent
        """The error that it told of, of the kind that it named."""
        try:
            name, message = error
            kind = getattr(errors, name, None)
        except (TypeError, ValueError):
            return self.nonsense("an error")
        if isinstance(kind, type) and issubclass(kind, MonitorError):
            return kind(message)
        return self.failed(f"reading it failed ({name or message}); this should not happen, please report it")

    def end(self) -> None:
        """Ask it to end, and see to it that it does; may be called twice, from any thread."""
        if self._popen.poll() is not None:
            return
        with suppress(OSError):
            self.wire.send({"stop": True})
        try:
            self._popen.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def close(self) -> None:
        """Let go of what connects us, after the end."""
        self.wire.close()
        self.ring.close()

    def _death(self) -> str:
        try:
            code = self._popen.wait(_GRACE)
        except subprocess.TimeoutExpired:
            return "the process that reads it hung up and was ended"
        if code == -signal.SIGKILL:
            return "the process that reads it was killed (SIGKILL); was memory short?"
        if code < 0:
            return f"the process that reads it crashed ({signal.Signals(-code).name}); is it damaged?"
        return f"the process that reads it ended by itself (exit status {code}); please report it"


class IsolatedSource(Source):
    """The frames that a process hands over; they are copied out of the shared memory at once.

    Args:
        info: of the source as its process has opened it.
        process: owned by the source.
        stream: what its packets are; None: there are none.
        settings: time-outs.
    """

    def __init__(
        self, info: SourceInfo, process: CaptureProcess, *, stream: PacketStream | None, settings: SourceSettings
    ) -> None:
        super().__init__(info, Counter())
        self.process = process
        self._stream = stream
        self._patience = patience(settings)
        self._listeners: list[PacketListener] = []
        self._begun = False
        self._closed = False
        self._disordered = 0
        self._hearing = threading.Lock()

    def __iter__(self) -> Iterator[Frame]:
        if not self._begun:
            self._begun = True
            with suppress(OSError):  # it died: the next message says so
                self.process.wire.send({"tap": bool(self._listeners)})
                if self.frame_skipper.fps is not None:
                    self.process.wire.send({"fps": self.frame_skipper.fps})
        while (heard := self._hear()) is not None:
            yield heard

    def _hear(self) -> Frame | None:
        """The next frame; None at the end."""
        try:
            with self._hearing:
                while not self._closed:
                    head, payload = self.process.hear(self._patience)
                    if (frame := self._understand(head, payload)) is not None:
                        return frame
                    if "end" in head:
                        return None
        except MonitorError:
            if not self._closed:
                self.process.end()
                raise
        return None

    def _understand(self, head: dict[str, Any], payload: bytes) -> Frame | None:
        """Tell the listeners, write down what is lost, or return a frame.

        Raises:
            SourceError: it makes no sense.
        """
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
            raise self.process.nonsense(type(error).__name__) from None
        with suppress(OSError):  # it died: the next message says so
            self.process.wire.send({"free": slot})
        return frame

    def _count(self, drops: dict[str, int] | None, *, skipped: int = 0) -> None:
        if drops is not None:  # they only grow; whoever reads them meanwhile must not see fewer
            self._drops |= Counter(drops)
        self.frame_skipper.skipped = max(self.frame_skipper.skipped, int(skipped))

    @property
    def disordered(self) -> int:
        return self._disordered

    def skip_to(self, fps: float | None) -> None:
        super().skip_to(fps)
        if self._begun and not self._closed:
            with suppress(OSError, ValueError):  # it died: the next message says so; or it is closed meanwhile
                self.process.wire.send({"fps": fps})

    def tap(self, listener: PacketListener) -> bool:
        if self._stream is None or self._begun or self._closed or not listener.begin(self._stream):
            return False
        self._listeners.append(listener)
        return True

    def close(self) -> None:
        self._closed = True
        self.process.end()
        with self._hearing:  # whoever iterates hears of the end at once
            self.process.close()


def _opened(head: dict[str, Any], payload: bytes) -> tuple[SourceInfo, PacketStream | None]:
    info = dict(head["opened"])
    info["path"] = None if info["path"] is None else Path(info["path"])
    packets = head["packets"]
    if packets is None:
        return SourceInfo(**info), None
    base = packets["time_base"]
    packets = {**packets, "time_base": None if base is None else Fraction(base), "header": payload}
    return SourceInfo(**info), PacketStream(**packets)


def _started(end: int, memory: int) -> subprocess.Popen[bytes]:
    """The process, with two descriptors of ours."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", f"{__package__}.process", str(end), str(memory)],
        pass_fds=(end, memory),
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us; we tell it
    )
