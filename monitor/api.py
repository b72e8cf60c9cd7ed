"""The public API: ``analyze`` finite sources, ``watch`` live streams.

>>> import monitor
>>> report = monitor.analyze("demo:", settings=monitor.Settings(source={"demo_seconds": 1.0}))
>>> report.frames.frames_analysed
25
>>> [track.track_id for track in report.tracks]
[1]
>>> report.to_dict()["verdict"]["label"] == report.verdict.label
True

``watch`` yields the events of a stream::

    with monitor.watch("rtsp://camera/stream") as events:
        for event in events:
            print(event.to_dict())

``supervise`` watches a stream whose events only its observers read.
"""

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from monitor.analysis.pipeline import Engines
from monitor.errors import MonitorError, OutputError, SourceError, UsageError
from monitor.media.sources import Source, open_isolated, open_source
from monitor.results.recorder import ResultRecorder, run
from monitor.results.report import Report
from monitor.results.watch import Watch
from monitor.runtime import (
    FailurePolicy,
    LoadShedder,
    Observer,
    Observers,
    Sink,
    StreamEvents,
    StreamState,
    StreamStatus,
    StreamSupervisor,
    Subscription,
)
from monitor.settings import Settings, load_settings
from monitor.types import (
    Frame,
    Hint,
    Label,
    LabelChange,
    Observation,
    Reason,
    Segment,
    SourceInfo,
    TrackSummary,
    Verdict,
)
from monitor.types.events import (
    Event,
    FlagCommitted,
    FrameAnalysed,
    HintRaised,
    LabelChanged,
    SegmentClosed,
    StreamClosed,
    StreamOpened,
    StreamStateChanged,
)
from monitor.types.stats import SessionStats

__all__ = [
    "Event",
    "FailurePolicy",
    "FlagCommitted",
    "Frame",
    "FrameAnalysed",
    "Hint",
    "HintRaised",
    "Label",
    "LabelChange",
    "LabelChanged",
    "MonitorError",
    "Observation",
    "Observer",
    "OutputError",
    "Reason",
    "Report",
    "Segment",
    "SegmentClosed",
    "Settings",
    "SourceError",
    "SourceInfo",
    "StreamClosed",
    "StreamOpened",
    "StreamState",
    "StreamStateChanged",
    "StreamStatus",
    "StreamSupervisor",
    "Subscription",
    "TrackSummary",
    "UsageError",
    "Verdict",
    "Watch",
    "analyze",
    "load_engines",
    "load_settings",
    "open_source",
    "supervise",
    "watch",
]

_loading = threading.Lock()


def load_engines(settings: Settings) -> Engines:
    """Load the engines for these settings, once per process; the first call on a machine may take a minute.

    Raises:
        ModelError: the weights are missing, or their model card describes other weights.
        EngineError: the backend is not available.
    """
    with _loading:
        return _load(settings.model_dump_json(include={"detector", "classifier", "cache_dir"}))


@lru_cache(maxsize=2)
def _load(settings: str) -> Engines:
    return Engines.load(Settings.model_validate_json(settings))


def analyze(
    source: str | Path | Source,
    *,
    settings: Settings | None = None,
    engines: Engines | None = None,
    out: Path | None = None,
    video: bool = True,
    observers: Sequence[Observer | Subscription] = (),
    sinks: Sequence[Sink] = (),
    on_progress: Callable[[SessionStats], bool | None] | None = None,
) -> Report:
    """Analyse every frame of a finite source.

    >>> from monitor import Settings, analyze
    >>> types = []
    >>> short = Settings(source={"demo_seconds": 0.2})
    >>> report = analyze("demo:", settings=short, observers=[lambda event: types.append(event.type)])
    >>> types[0], types.count("frame_analysed"), types[-1]
    ('stream_opened', 5, 'stream_closed')

    Args:
        source: a path, an address, or an open source, which ``analyze`` closes.
        settings: default: ``load_settings()``.
        engines: default: ``load_engines(settings)``.
        out: parent of the results folder; None: no files are written.
        video: whether to write annotated.mp4.
        observers: receive the events; an observer without a ``Subscription`` is required: its failure ends the
            analysis.
        sinks: receive each frame with its observation.
        on_progress: called twice a second; False ends the analysis early, with a report of the analysed frames.

    Raises:
        UsageError: the address is invalid, or the source is live.
        SourceError: no frame could be read.
        MonitorError: an engine or the disk failed.
    """
    settings = settings or load_settings()
    engines = engines or load_engines(settings)
    with source if isinstance(source, Source) else open_isolated(source, settings.source) as opened:
        info = opened.info
        if info.live:
            raise UsageError(f"{info.name} is live and has no end: watch it instead")
        recording = None
        if out is not None:
            recording = ResultRecorder(out, source=opened, engines=engines, settings=settings, video=video)
        subscribed = _observers(observers, FailurePolicy.REQUIRED)
        return run(
            opened,
            engines=engines,
            settings=settings,
            recording=recording,
            sinks=sinks,
            on_tick=None if on_progress is None else lambda stats: on_progress(stats) is not False,
            events=StreamEvents(subscribed, stream=info.name) if subscribed else None,
        )


def watch(
    url: str,
    *,
    settings: Settings | None = None,
    engines: Engines | None = None,
    observers: Sequence[Observer | Subscription] = (),
    repeat: bool = False,
    load: LoadShedder | None = None,
) -> Watch:
    """Watch a source until its end or the end of the ``with`` block; a lost stream is opened again.

    >>> from monitor import Settings, watch
    >>> with watch("demo:", settings=Settings(source={"demo_seconds": 0.2})) as events:
    ...     types = [event.type for event in events]
    >>> "stream_opened" in types, "frame_analysed" in types, "stream_closed" in types
    (True, True, True)

    Args:
        url: a path or an address. A file is played at its own speed.
        settings: default: ``load_settings()``.
        engines: default: ``load_engines(settings)``.
        observers: receive the events immediately, on the stream's threads; an observer without a ``Subscription`` is
            best effort.
        repeat: restart a file at its end.
        load: a load shedder, shared by all streams of a process; default: every frame is analysed.
    """

    def with_reader(reader: Subscription) -> StreamSupervisor:
        return supervise(
            url, settings=settings, engines=engines, observers=[*observers, reader], repeat=repeat, load=load
        )

    return Watch(with_reader)


def supervise(
    url: str,
    *,
    settings: Settings | None = None,
    engines: Engines | Callable[[], Engines] | None = None,
    observers: Sequence[Observer | Subscription] = (),
    prepare: Callable[[Source], None] | None = None,
    repeat: bool = False,
    opener: Callable[[], Source] | None = None,
    load: LoadShedder | None = None,
    connections: int = 0,
) -> StreamSupervisor:
    """Watch a source whose events only the observers read: ``start()`` it, look at its ``status``, ``stop()`` it.

    >>> from time import sleep
    >>> from monitor import Settings, supervise
    >>> seen = []
    >>> stream = supervise("demo:", settings=Settings(source={"demo_seconds": 0.2}), observers=[seen.append])
    >>> stream.start()
    >>> while not stream.status.state.over:
    ...     sleep(0.1)
    >>> stream.stop()
    >>> stream.status.state, "stream_closed" in [event.type for event in seen]
    (<StreamState.ENDED: 'ended'>, True)

    ``watch``, the command line and the server are built on it.

    Args:
        url: a path or an address. A file is played at its own speed.
        settings: default: ``load_settings()``.
        engines: or a function that loads them on the stream's thread; default: ``load_engines(settings)``, now.
        observers: receive the events immediately, on the stream's threads; an observer without a ``Subscription`` is
            best effort.
        prepare: called with each open source before its ``StreamOpened``, on the stream's thread.
        repeat: restart a file at its end.
        opener: opens the source instead of ``url``, which is then only its name.
        load: a load shedder, shared by all streams of a process; default: every frame is analysed.
        connections: number of connections that another process has had to the same stream; the first one here has the
            next number.
    """
    settings = settings or load_settings()
    loaded = engines or load_engines(settings)
    return StreamSupervisor(
        url,
        engines=(lambda: loaded) if isinstance(loaded, Engines) else loaded,
        settings=settings,
        observers=_observers(observers, FailurePolicy.BEST_EFFORT),
        prepare=prepare,
        repeat=repeat,
        opener=opener,
        load=load,
        connections=connections,
    )


def _observers(observers: Sequence[Observer | Subscription], policy: FailurePolicy) -> Observers:
    return Observers(_subscription(observer, policy) for observer in observers)


def _subscription(observer: Observer | Subscription, policy: FailurePolicy) -> Subscription:
    if isinstance(observer, Subscription):
        return observer
    return Subscription(observer, getattr(observer, "__name__", type(observer).__name__), policy)
