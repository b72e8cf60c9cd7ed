"""When the stages run: the only folder that starts threads.

session    one open source through one pipeline, to its end
watch      one address for as long as somebody wants it: opened, lost, opened again
worker     one thread for what must not hold up the frames (clips, files)
"""

from monitor.session.session import ANALYSIS_FAILED, Session, SessionStats, Sink
from monitor.session.watch import Audience, Watch, WatchState, WatchStatus
from monitor.session.worker import Worker

__all__ = [
    "ANALYSIS_FAILED",
    "Audience",
    "Session",
    "SessionStats",
    "Sink",
    "Watch",
    "WatchState",
    "WatchStatus",
    "Worker",
]
