"""Sends the events of all streams to other programs: one module per outlet, registered here.

To add an outlet, write its module and name its ``open_outlet`` in ``_OUTLETS``:

>>> from monitor.server.notify import Outlet, OutletContext
>>> def open_outlet(context: OutletContext) -> Outlet | None:
...     '''The outlet, or None if the settings do not ask for it.'''
"""

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from monitor.runtime import Observer
from monitor.settings import Settings
from monitor.system.database import Database

_OUTLETS: Final[dict[str, tuple[str, str]]] = {
    "event feed": ("monitor.server.notify.event_feed", "open_outlet"),
    "webhooks": ("monitor.server.notify.webhooks.outlet", "open_outlet"),
    "mqtt": ("monitor.server.notify.mqtt", "open_outlet"),
    "notifications": ("monitor.server.notify.notifications", "open_outlet"),
}


class WatchedStream(Protocol):
    """One stream of the service, as an outlet sees it."""

    @property
    def id(self) -> str:
        """Unique while the server runs."""

    @property
    def name(self) -> str:
        """The display name; a person may change it."""

    @property
    def address(self) -> str:
        """The address, secrets masked."""


@dataclass(frozen=True, slots=True)
class OutletContext:
    """The parts of the service that an outlet may use."""

    settings: Settings
    database: Database


class Outlet(Protocol):
    """Sends events of streams to another program."""

    @property
    def name(self) -> str:
        """Its name in logs and counts."""

    def start(self) -> None:
        """Begin to send; called once, before the first stream."""

    def watch(self, stream: WatchedStream) -> Observer:
        """The observer of a new stream.

        It runs on a thread of the stream, so it returns at once and never waits for the other program.
        """

    def forget(self, stream: WatchedStream) -> None:
        """The stream was removed; its observer receives nothing more."""

    def close(self) -> None:
        """Send what can be sent within a second, then end; called once, after the last stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletCount:
    """The work of an outlet since the start of the program, or of one of its targets."""

    outlet: str  # its name
    target: str = ""  # of several targets, which one; "": the outlet as a whole
    delivered: int = 0  # accepted deliveries
    failed: int = 0  # failed attempts
    lost: int = 0  # events that were dropped before an attempt
    waiting: int = 0  # deliveries that wait now
    dead: int = 0  # deliveries that were given up and are still kept


@runtime_checkable
class CountingOutlet(Protocol):
    """An outlet whose work is among the metrics."""

    def counts(self) -> Iterable[OutletCount]:
        """Its work; raises StoreError if the database does not answer."""


def register(name: str, *, module: str, attribute: str = "open_outlet") -> None:
    """Register another outlet.

    Args:
        name: of the outlet.
        module: full name of the module, imported when a service opens.
        attribute: a function in it that takes an ``OutletContext`` and returns an ``Outlet``, or None if the
            settings do not ask for this outlet.
    """
    _OUTLETS[name] = (module, attribute)


def open_outlets(context: OutletContext) -> Sequence[Outlet]:
    """All outlets that the settings ask for.

    Raises:
        UsageError: the settings of an outlet contradict each other.
        StoreError: the database does not answer.
    """
    opened: list[Outlet | None] = []
    for module, attribute in _OUTLETS.values():
        open_outlet: Any = getattr(importlib.import_module(module), attribute)
        opened.append(open_outlet(context))
    return tuple(outlet for outlet in opened if outlet is not None)
