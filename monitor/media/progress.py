"""Signs of life of what decodes: in the worker process they are sent on, and silence means a hang."""

from collections.abc import Callable
from contextvars import ContextVar

_LISTENER: ContextVar[Callable[[], None] | None] = ContextVar("listener", default=None)


def listen(listener: Callable[[], None]) -> None:
    """Call ``listener`` with every report of this context from now on; what it raises ends the work."""
    _LISTENER.set(listener)


def report() -> None:
    """Another packet was read or written; without a listener, this does nothing."""
    if listener := _LISTENER.get():
        listener()
