"""From observations to results: what ``analyze``, ``watch --out`` and an upload all do."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.analysis.pipeline import Engines, Pipeline
from monitor.errors import OutputError, SourceError
from monitor.media.sources import Source
from monitor.media.video_writer import VideoWriter
from monitor.overlay import Overlay
from monitor.results.report import Provenance, Report, ReportWriter
from monitor.results.result_folder import VIDEO_FILE, OutputFolder, result_name
from monitor.runtime import Session, Sink, StreamEvents, VerdictCollector
from monitor.settings import Settings
from monitor.system import memory
from monitor.types import Frame, Observation, Segment, TrackSummary
from monitor.types.stats import SessionStats

_TICK = 0.5  # seconds


class ResultRecorder:
    """A sink that keeps report.json, timeline.csv and annotated.mp4: published whole, or not at all.

    Args:
        parent: results appear in a folder of their own there.
        source: the open source that is recorded.
        engines: what judges it.
        settings: all settings, for the report.
        video: whether to draw and encode annotated.mp4.

    Raises:
        OutputError: ``parent`` cannot be written.
    """

    def __init__(
        self, parent: Path, *, source: Source, engines: Engines, settings: Settings, video: bool = True
    ) -> None:
        info = source.info
        self.provenance = provenance = Provenance.of(info, engines=engines, settings=settings)
        with ExitStack() as stack:
            self._folder = stack.enter_context(OutputFolder(parent, result_name(info)))
            self._report = stack.enter_context(ReportWriter(self._folder.working, provenance))
            self._video = (
                VideoWriter(
                    self._folder.working / VIDEO_FILE,
                    fps=info.fps,
                    audio_from=info.path if info.has_audio else None,
                    source=settings.source,
                )
                if video
                else None
            )
            if self._video is not None:
                stack.enter_context(self._video)
            self._stack = stack.pop_all()
        self._overlay = Overlay()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Keep one frame's observation.

        Raises:
            OutputError: the disk is full or gone.
        """
        self._report.add(observation)
        if self._video is not None:
            self._video.write(self._overlay.draw(frame, observation), observation.media_time)

    def abort(self) -> None:
        """Leave nothing behind."""
        failure = OutputError("the recording was given up")
        self._stack.__exit__(type(failure), failure, None)

    def finish(self, tally: VerdictCollector, stats: SessionStats, *, ended_early: SourceError | None) -> Path:
        """Write the report and publish all three files.

        Args:
            tally: what the whole source came to.
            stats: where the frames went.
            ended_early: what ended the source before its time, if anything did.

        Returns:
            The folder that holds them.

        Raises:
            OutputError: the disk is full or gone; nothing is left behind.
        """
        with self._stack:
            self._report.finish(
                tally.verdict,
                segments=tally.open_segments,
                tracks=tally.open_tracks,
                dropped=stats.dropped,
                lost=stats.lost,
                ended_early=None if ended_early is None else str(ended_early),
            )
        return self._folder.target or self._folder.working


class ConnectionRecorder:
    """A sink for one opening of a source: what it comes to, recorded if wanted.

    Args:
        provenance: of the source that was opened.
        recording: is published, or not, by ``finish``.
    """

    def __init__(self, provenance: Provenance, recording: ResultRecorder | None = None) -> None:
        self._provenance = provenance
        self._tally = VerdictCollector()
        self._recording = recording

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Take in one frame's observation.

        Raises:
            OutputError: the disk is full or gone.
        """
        self._tally(frame, observation)
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
        """The source is over.

        Args:
            segments: that are still open.
            tracks: that are still followed.
            stats: where the frames went.
            failure: what ended the source before its time, if anything did.

        Raises:
            OutputError: the disk is full or gone; nothing is left behind.
        """
        tally = self._tally
        tally.finish(segments, tracks)
        kept = self._recording
        return Report(
            folder=None if kept is None else kept.finish(tally, stats, ended_early=failure),
            verdict=tally.verdict,
            segments=tally.segments,
            tracks=tally.tracks,
            label_changes=tally.label_changes,
            hints=tally.hints,
            frames=stats,
            provenance=self._provenance,
            engines=tally.engines,
            failure=failure,
        )

    def abort(self) -> None:
        """Nothing came of it: a recording leaves nothing behind."""
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
        source: is closed afterwards.
        engines: what judges it.
        settings: of every stage.
        recording: what keeps the results, if anything.
        sinks: who else wants the observations; called on the analysis thread.
        on_tick: called twice a second on this thread; False ends the session early, and what was seen is kept.
        events: emits what happens, on the analysis thread; opening and end on this one.

    Raises:
        SourceError: not one frame could be read.
        MonitorError: an engine or the disk failed; a recording is not published then.
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
            events.open(info, engine=provenance.engine, model=provenance.card.id)
        session = stack.enter_context(Session(source, pipeline, settings=settings.session, sinks=sinks))
        failure = _watched(session, on_tick)
        segments, tracks = pipeline.finish()
        report = connection.finish(segments, tracks, stats=session.stats, failure=failure)
        if events:
            events.close(segments, tracks, stats=session.stats, failure=failure)
        return report


def _watched(session: Session, on_tick: Callable[[SessionStats], bool] | None) -> SourceError | None:
    """Wait for the end; a source that was lost on the way does not take with it what was seen."""
    try:
        while not session.wait(_TICK):
            if on_tick is not None and not on_tick(session.stats):
                session.stop()
    except SourceError as error:
        if not session.stats.frames_analysed:
            raise
        return error
    return None
