"""Decides when the stages run: the only room that starts threads.

session        one open source through one pipeline, to its end
frame_buffer   the bounded hand-over between its threads, every loss counted
supervisor     one address for as long as somebody wants it: opened, lost, opened again
background_worker   one thread for what must not hold up the frames (clips, files)
timer          one thread that does a job now and then;  paced_job  at its own pace, and when it is woken
observers      passes the events of a stream on to its observers
verdict_collector   everything that the verdict on a whole source needs
stream_metrics      what one stream has counted over all its connections
load_shedder   what a busy machine leaves out, of all live sources evenly
engine_build   the faster engine, built in a child process while another one serves
heartbeat      known faces through the running engine: does it still score as it should?
"""

from monitor.runtime.background_worker import BackgroundWorker, run_parallel
from monitor.runtime.engine_build import EngineBuild
from monitor.runtime.heartbeat import Heartbeat, HeartbeatResult
from monitor.runtime.load_shedder import LADDER, SKIPPED, Cadence, LoadShedder
from monitor.runtime.observers import FailurePolicy, Observer, Observers, StreamEvents, Subscription
from monitor.runtime.paced_job import PacedJob
from monitor.runtime.session import ANALYSIS_FAILED, Session, Sink
from monitor.runtime.stream_metrics import StreamMetrics, StreamTotals
from monitor.runtime.supervisor import (
    StreamState,
    StreamStatus,
    StreamSupervisor,
)
from monitor.runtime.timer import Timer
from monitor.runtime.verdict_collector import VerdictCollector

__all__ = [
    "ANALYSIS_FAILED",
    "LADDER",
    "SKIPPED",
    "BackgroundWorker",
    "Cadence",
    "EngineBuild",
    "FailurePolicy",
    "Heartbeat",
    "HeartbeatResult",
    "LoadShedder",
    "Observer",
    "Observers",
    "PacedJob",
    "Session",
    "Sink",
    "StreamEvents",
    "StreamMetrics",
    "StreamState",
    "StreamStatus",
    "StreamSupervisor",
    "StreamTotals",
    "Subscription",
    "Timer",
    "VerdictCollector",
    "run_parallel",
]
