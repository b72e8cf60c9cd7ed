"""The log of a host on its way to the server: the newest lines, secrets masked."""

import logging
from collections import deque
from typing import Final, Self

from monitor.fleet.messages import HostLogLine
from monitor.system.logs import mask_text

_MAX_LINES: Final = 200


class HostLog(logging.Handler):
    """Keeps the newest lines of the log for the server."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[HostLogLine] = deque(maxlen=_MAX_LINES)

    @classmethod
    def of_process(cls) -> Self:
        """The log of this program in this process, from now on."""
        log, logger = cls(), logging.getLogger("monitor")
        logger.setLevel(logging.INFO)
        logger.addHandler(log)
        return log

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; the oldest is dropped if nobody takes them."""
        self._lines.append(HostLogLine(record.levelno, mask_text(self.format(record))))

    def take(self) -> list[HostLogLine]:
        """All kept lines, the oldest first."""
        return [self._lines.popleft() for _ in range(len(self._lines))]
