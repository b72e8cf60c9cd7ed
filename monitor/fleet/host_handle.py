"""A host of streams, as the server asks it, over whatever connects the two."""

from typing import Protocol

from monitor.errors import MonitorError
from monitor.flags.recorder import FlagRequest
from monitor.fleet.messages import ExchangeAnswer, ExchangeRequest
from monitor.types import Flag


class HostLostError(Exception):
    """A host does not answer, or has ended; the message is the reason, a clause."""


class HostHandle(Protocol):
    """Asks one host. Each method waits for the answer, and raises HostLostError without one in time."""

    def claim(self, link: str, probe: str, *, timeout: float) -> tuple[str, str]:
        """See ``NodeHost.claim``."""

    def exchange(self, request: ExchangeRequest, *, timeout: float) -> ExchangeAnswer:
        """See ``NodeHost.exchange``."""

    def flag(self, stream_id: str, placement: int, mark: FlagRequest, *, timeout: float) -> Flag | MonitorError:
        """See ``NodeHost.flag``."""

    def picture(
        self, stream_id: str, placement: int, *, connection: int, index: int, media_time: float, timeout: float
    ) -> bytes | MonitorError:
        """See ``NodeHost.picture``."""

    def close(self, *, timeout: float) -> ExchangeAnswer:
        """See ``NodeHost.close``."""

    def kill(self) -> None:
        """End the process of the host now; does not wait."""
