"""How long a client waits between two looks at an analysis, and what the end of an analysis means."""

from collections.abc import Iterator
from typing import Final

from monitor.errors import RemoteConflictError, RequestRefusedError, ServerUnavailableError, class_of
from monitor.server.api.analysis_answers import AnalysisAnswer

_FIRST: Final = 0.2  # seconds
_LONGEST: Final = 2.0  # seconds
_FACTOR: Final = 1.4


def poll_pauses() -> Iterator[float]:
    """Seconds between two looks, growing: a picture is done in a second, a film takes an hour."""
    pause = _FIRST
    while True:
        yield pause
        pause = min(_LONGEST, pause * _FACTOR)


def require_done(analysis: AnalysisAnswer) -> None:
    """Checks that an analysis has ended with a report.

    Raises:
        RequestRefusedError: it failed; ``exit_code`` is that of the same failure on this machine.
        RemoteConflictError: it was cancelled.
    """
    if analysis.state == "failed":
        failure = RequestRefusedError(analysis.why)
        own = class_of(analysis.error or "")
        failure.exit_code = 1 if own is None else own.exit_code
        raise failure
    if analysis.state == "cancelled":
        raise RemoteConflictError(f"the analysis of {analysis.name} was cancelled: upload the file again")


def was_too_slow(analysis_id: str, timeout: float | None) -> ServerUnavailableError:
    """The error of an analysis that has not ended in time, seconds."""
    return ServerUnavailableError(f"the analysis {analysis_id} has not ended within {timeout or 0:g} s: wait longer")
