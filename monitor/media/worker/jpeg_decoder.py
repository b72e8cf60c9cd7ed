"""Decodes JPEG files in a separate process."""

import threading
from contextlib import suppress

from monitor.errors import SourceUnavailableError
from monitor.media.sources.address import Address
from monitor.media.worker.isolated_source import START_TIMEOUT, CaptureProcess, available, silence_timeout
from monitor.settings import SourceSettings
from monitor.system import jpeg
from monitor.types import Pixels


class JpegDecoder:
    """Decodes JPEGs one at a time; decodes in this process if the settings or the system do not allow another one.

    Args:
        settings: isolation, memory limit, time-outs.
    """

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name, self._settings = name, settings
        self._timeout = START_TIMEOUT + silence_timeout(settings)
        self._decoding = threading.Lock()
        self._closed = False
        self._process: CaptureProcess | None = None  # None: before the first picture

    def decode(self, content: bytes) -> Pixels:
        """The pixels (H, W, 3) RGB of a JPEG file.

        Raises:
            ValueError: the JPEG cannot be decoded, or has more pixels than the settings allow.
            SourceError: the process failed to start, died or hung, or the decoder was closed.
        """
        if not self._settings.isolate or not available():
            return jpeg.decode(content)
        with self._decoding:
            if self._closed:
                raise SourceUnavailableError(f"{self._name}: is closed; open it again")
            self._process = process = self._process or self._start()
            with suppress(OSError):  # the process died; the next receive reports it
                process.channel.send({"jpeg": True}, content, timeout=self._timeout)
            head, _ = process.receive(self._timeout)
            self._timeout = silence_timeout(self._settings)
            if "refused" in head:
                raise ValueError("this is no JPEG that can be decoded")
            try:
                height, width = head["decoded"]
                return process.ring.take(0, height=height, width=width)
            except (KeyError, TypeError, ValueError) as error:
                raise process.invalid_message_error(type(error).__name__) from None

    def close(self) -> None:
        """End the process; may be called twice, from any thread."""
        self._closed = True
        if self._process is not None:
            self._process.end()
        with self._decoding:  # the ended process unblocks a decoding thread
            if self._process is not None:
                self._process.end()
                self._process.close()

    def _start(self) -> CaptureProcess:
        process = CaptureProcess(Address(kind=Address.of("webcam:").kind, target="", name=self._name), self._settings)
        settings = self._settings.model_dump(mode="json")
        with suppress(OSError):  # the process died; the next receive reports it
            process.channel.send({"url": "webcam:", "is_path": False, "settings": settings, "jpeg": True})
        return process
