"""An open, self-hosted monitor that says, for every face and over time, whether it looks manipulated.

The rooms, from the top; imports run downhill only::

    cli/          what a person types
    dashboard/    what people at a browser see
    client/       asks a remote server over its REST API
    fleet/        several machines: files and streams placed on the nodes of a Ray cluster
    server/       the service: streams, uploads, routes, REST API, outlets to other programs, sign-in, health, metrics
    api           the public door: analyze(), watch(), supervise(), open_source(), values, errors
    lab/          data, pseudo-fakes, training, and measuring the thing that ships
    doctor        is this machine ready?
    flags/        the moments that somebody flagged: database, clips, files, export
    results/      what an analysis leaves: report, timeline, key frames
    runtime/      the stages in time: threads, failures, pace, a source that comes and goes
    overlay/      Frame, Observation -> pixels
    analysis/     the stages and their order: step(frame) -> Observation
    classifiers/  face crops -> logit + evidence map: registry, model cards, weights
    faces/        pixels -> Faces
    inference/    engines that run networks
    media/        url -> Source -> Frame: webcam, RTSP, HTTP/HLS, file, image, folder, screen, demo;
                  decoded in a process of its own
    system/       whole files, logs, masked addresses, memory, JPEG, the database
    settings/     settings of all stages, and their loader
    types/        the values that all rooms share
    errors        every error that is raised on purpose

``Source -> Frame -> [FrameBuffer] -> Faces -> TrackedFaces -> crops -> Scores -> Verdict -> Segment -> Observation``
"""

import importlib

__version__ = "0.1.0"

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
    "__version__",
    "analyze",
    "load_engines",
    "load_settings",
    "open_source",
    "supervise",
    "watch",
]


def __getattr__(name: str) -> object:
    """Import the door when something of it is first asked for: ``import monitor`` itself stays light."""
    if name not in __all__:
        raise AttributeError(f"module 'monitor' has no attribute {name!r}")
    value: object = getattr(importlib.import_module("monitor.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
