"""When the stages run: the only folder that starts threads.

session    one open source through one pipeline, to its end
watch      one address for as long as somebody wants it: opened, lost, opened again
worker     one thread for what must not hold up the frames (clips, files)
timer      one thread that does a job now and then
tally      what one watch has counted over all its epochs
heartbeat  known faces through the running engine: does it still score as it should?
"""

from monitor.session.heartbeat import Beat, Heartbeat
from monitor.session.session import ANALYSIS_FAILED, Session, SessionStats, Sink
from monitor.session.tally import LATENCIES, Tally, Totals
from monitor.session.timer import Timer
from monitor.session.watch import Audience, Watch, WatchState, WatchStatus
from monitor.session.worker import Worker, side_by_side

__all__ = [
    "ANALYSIS_FAILED",
    "LATENCIES",
    "Audience",
    "Beat",
    "Heartbeat",
    "Session",
    "SessionStats",
    "Sink",
    "Tally",
    "Timer",
    "Totals",
    "Watch",
    "WatchState",
    "WatchStatus",
    "Worker",
    "side_by_side",
]
