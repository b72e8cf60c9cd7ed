"""Records the results of a source; shared by ``analyze``, ``watch --out`` and uploads."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

from monitor.analysis.pipeline import Engines, Pipeline
from monitor.errors import OutputError, SourceError
from monitor.media.sources import Source
from monitor.media.video_writer import VideoWriter
from monitor.overlay import Overlay, OverlaySettings
from monitor.results.report import Provenance, Report, write_report
from monitor.results.result_folder import PLAIN_VIDEO_FILE, VIDEO_FILE, OutputFolder, result_name
from monitor.results.timeline import Timeline
from monitor.runtime import Session, Sink, StreamEvents, VerdictCollector
from monitor.settings import Settings
from monitor.system import memory
from monitor.types import Frame, Observation, Segment, TrackSummary
from monitor.types.stats import SessionStats

_TICK = 0.5  # seconds


class ResultRecorder:
    """A sink that writes report.json, timeline.csv and the annotated videos, and publishes them atomically.

    Args:
        parent: parent of the results folder.
        plain_video: whether to draw and encode the same video without a heat-map too.
        start: media time, seconds, at which annotated.mp4 begins.

    Raises:
        OutputError: ``parent`` cannot be written; in any method: the disk is full or unavailable.
    """

    def __init__(
        self,
        parent: Path,
        *,
        source: Source,
        engines: Engines,
        settings: Settings,
        video: bool = True,
        plain_video: bool = False,
        start: float = 0.0,
    ) -> None:
        info = source.info
        self.provenance = Provenance.of(info, engines=engines, settings=settings)
        with ExitStack() as stack:
            self._folder = stack.enter_context(OutputFolder(parent, result_name(info)))
            self._timeline = stack.enter_context(Timeline(self._folder.working))
            overlays = {VIDEO_FILE: Overlay()} if video else {}
            if plain_video:
                overlays[PLAIN_VIDEO_FILE] = Overlay(OverlaySettings(heat_map=False))
            self._videos = [
                (overlay, stack.enter_context(self._open_video(name, source=source, settings=settings)))
                for name, overlay in overlays.items()
            ]
            self._stack = stack.pop_all()
        self._start = start

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Record the observation of one frame."""
        self._timeline.add(observation)
        for overlay, video in self._videos:
            video.write(overlay.draw(frame, observation), observation.media_time - self._start)

    def _open_video(self, name: str, *, source: Source, settings: Settings) -> VideoWriter:
        info = source.info
        return VideoWriter(
            self._folder.working / name,
            fps=info.fps,
            audio_from=info.path if info.has_audio else None,
            source=settings.source,
        )

    def abort(self) -> None:
        """Remove all files of the recording; does nothing after ``finish``."""
        failure = OutputError("the recording was aborted")
        self._stack.__exit__(type(failure), failure, None)

    def finish(self, report: Report) -> Report:
        """Write the report and publish all files.

        Returns:
            The report with the folder of its files.
        """
        with self._stack:
            self._timeline.close()
            write_report(report, self._folder.working, start=self._start)
        return replace(report, folder=self._folder.target)


class ConnectionRecorder:
    """A sink that makes the report of one connection and optionally writes its files.

    Args:
        recording: published by ``finish``; None: no files.

    Raises:
        OutputError: in any method: the disk is full or unavailable.
    """

    def __init__(self, provenance: Provenance, recording: ResultRecorder | None = None) -> None:
        self._provenance = provenance
        # a report on disk names everything; without one, a stream may run for weeks
        self._collector = VerdictCollector() if recording is None else VerdictCollector(max_items=None)
        self._frames = 0
        self._recording = recording

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Add the observation of one frame."""
        self._collector(frame, observation)
        self._frames += 1
        if self._recording is not None:
            self._recording(frame, observation)

    def finish(
        self,
        segments: Sequence[Segment],
        tracks: Sequence[TrackSummary],
        *,
        stats: SessionStats,
        failure: SourceError | None,
    ) -> Report:
        """Make the report and publish the recording.

        Args:
            segments: segments open at the end.
            tracks: tracks alive at the end.
            stats: frame counts of the connection.
            failure: error that ended the source early; None if there was none.
        """
        collector = self._collector
        collector.finish(segments, tracks)
        report = Report(
            verdict=collector.verdict,
            segments=collector.segments,
            tracks=collector.tracks,
            label_changes=collector.label_changes,
            hints=collector.hints,
            frames=replace(stats, frames_analysed=self._frames),
            provenance=self._provenance,
            engines=collector.engines,
            failure=failure,
        )
        return report if self._recording is None else self._recording.finish(report)

    def abort(self) -> None:
        """Discard the connection and remove all files of its recording."""
        if self._recording is not None:
            self._recording.abort()


def run(
    source: Source,
    *,
    engines: Engines,
    settings: Settings,
    recording: ResultRecorder | None = None,
    sinks: Sequence[Sink] = (),
    on_tick: Callable[[SessionStats], bool] | None = None,
    events: StreamEvents | None = None,
) -> Report:
    """Analyse an open source to its end.

    Args:
        source: closed at the end.
        recording: writes the results; None: no files.
        sinks: further sinks, called on the analysis thread.
        on_tick: called twice a second on this thread; False ends the session early and keeps its results.
        events: emits the events, on the analysis thread; ``StreamOpened`` and ``StreamClosed`` on this thread.

    Raises:
        SourceError: no frame could be read.
        MonitorError: an engine or the disk failed; the recording was not published.
    """
    with ExitStack() as stack:
        stack.callback(memory.trim)
        if recording is not None:
            stack.enter_context(recording)
        info = source.info
        pipeline = Pipeline(engines, settings, still=info.still, info=info)
        provenance = recording.provenance if recording else Provenance.of(info, engines=engines, settings=settings)
        connection = ConnectionRecorder(provenance, recording)
        sinks = (connection, *sinks, events) if events else (connection, *sinks)
        if events:
            events.open(info, engine=provenance.engine, model=provenance.model.id)
        session = stack.enter_context(Session(source, pipeline, settings=settings.session, sinks=sinks))
        failure = _wait(session, on_tick)
        segments, tracks = pipeline.finish()
        report = connection.finish(segments, tracks, stats=session.stats, failure=failure)
        if events:
            events.close(segments, tracks, stats=session.stats, failure=failure)
        return report


def _wait(session: Session, on_tick: Callable[[SessionStats], bool] | None) -> SourceError | None:
    """Wait for the end of the session; return the error of a source that was lost after its first frame."""
    try:
        while not session.wait(_TICK):
            if on_tick is not None and not on_tick(session.stats):
                session.stop()
    except SourceError as error:
        if not session.stats.frames_analysed:
            raise
        return error
    return None
