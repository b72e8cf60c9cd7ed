"""When the stages run: the only folder that starts threads.

session    one open source through one pipeline, to its end
watch      one address for as long as somebody wants it: opened, lost, opened again
worker     one thread for what must not hold up the frames (clips, files)
timer      one thread that does a job now and then
tally      what one watch has counted over all its epochs
load       what a busy machine leaves out, of all live sources evenly
engine_build   the faster engine, built in a child process while another one serves
heartbeat  known faces through the running engine: does it still score as it should?
"""

from monitor.session.engine_build import EngineBuild
from monitor.session.heartbeat import Beat, Heartbeat
from monitor.session.load import LEFT_OUT, Cadence, Load
from monitor.session.session import ANALYSIS_FAILED, LATENCIES, Session, SessionStats, Sink
from monitor.session.tally import Tally, Totals
from monitor.session.timer import Timer
from monitor.session.watch import Audience, Ending, Watch, WatchState, WatchStatus
from monitor.session.worker import Worker, side_by_side

__all__ = [
    "ANALYSIS_FAILED",
    "LATENCIES",
    "LEFT_OUT",
    "Audience",
    "Beat",
    "Cadence",
    "Ending",
    "EngineBuild",
    "Heartbeat",
    "Load",
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
