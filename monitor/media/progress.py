"""Progress reports of long reads and writes; the worker process sends them on, and silence counts as a hang."""

from collections.abc import Callable
from contextvars import ContextVar

_LISTENER: ContextVar[Callable[[], None] | None] = ContextVar("listener", default=None)


def listen(listener: Callable[[], None]) -> None:
    """Call ``listener`` with every report of this context from now on; an exception from it ends the work."""
    _LISTENER.set(listener)


def report() -> None:
    """Report that another packet was read or written; does nothing without a listener."""
    if listener := _LISTENER.get():
        listener()
