"""The events of a stream, made by hand, for tests of its observers."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

from monitor.runtime import Observer
from monitor.types import Frame, Label, Observation, SourceInfo, SourceVerdict
from monitor.types.events import StreamClosed, StreamOpened, frame_events
from monitor.types.stats import SessionStats

STREAM = "rtsp://cam"
ENGINES = SimpleNamespace(  # as far as a supervisor looks at them
    scorer=SimpleNamespace(engine=SimpleNamespace(name="onnxruntime-fp32")), committee=SimpleNamespace(id="weights-1")
)
AT = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = SourceInfo(STREAM, "rtsp", live=True, width=320, height=240, fps=5, duration=None, frame_count=None, path=None)


def open_stream(observer: Observer, *, connection: int = 1, source: SourceInfo = SOURCE, live: bool = True) -> None:
    observer(
        StreamOpened(
            stream=STREAM,
            connection=connection,
            at=AT,
            source=replace(source, live=live),
            engine="onnxruntime-fp32",
            model="made-for-a-test-1",
        )
    )


def analyse_frame(observer: Observer, frame: Frame, observation: Observation, *, connection: int = 1) -> None:
    for event in frame_events(frame, observation, stream=STREAM, connection=connection):
        observer(event)


def close_stream(
    observer: Observer, *, connection: int = 1, frames: SessionStats | None = None, error: Exception | None = None
) -> None:
    observer(
        StreamClosed(
            stream=STREAM,
            connection=connection,
            at=AT,
            verdict=SourceVerdict(Label.LIKELY_REAL, 0.1, 1, ()),
            segments=(),
            tracks=(),
            frames=frames or SessionStats.counted(1, dropped={}, lost={}),
            failure="" if error is None else str(error),
            error=error,
        )
    )
