"""One source of ``deepfake-monitor watch``: its supervisor, its terminal output and its results."""

import json
import math
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from monitor import api
from monitor.analysis.pipeline import Engines
from monitor.cli import event_lines
from monitor.cli.terminal import console
from monitor.errors import SourceError
from monitor.media.sources import Source
from monitor.results.recorder import ConnectionRecorder, ResultRecorder
from monitor.results.report import Provenance, Report
from monitor.results.rollover import DAY, RolloverRecorder
from monitor.runtime import (
    FailurePolicy,
    LoadShedder,
    StreamState,
    StreamStatus,
    Subscription,
)
from monitor.settings import Settings
from monitor.system.masking import mask
from monitor.types import Observation
from monitor.types.events import (
    Event,
    FrameAnalysed,
    HintRaised,
    LabelChanged,
    SegmentClosed,
    StreamClosed,
    StreamOpened,
    StreamStateChanged,
)

_PRINTED = (StreamState.STALLED, StreamState.RECONNECTING, StreamState.FAILED)


class WatchedSource:
    """Watches one source, prints its events and records its results.

    Args:
        url: address of the source.
        engines: shared by all sources.
        settings: of all stages.
        load: the load shedder of this machine, shared by all sources.
        out: parent of the results folder of each connection; None: no results are written.
        part_seconds: media time of one part of a live recording.
        patient: wait for a source that cannot be opened at first.
        as_json: print JSON objects.
        named: prefix each line with the source's name.
    """

    def __init__(
        self,
        url: str,
        *,
        engines: Engines,
        settings: Settings,
        load: LoadShedder,
        out: Path | None,
        part_seconds: float = DAY,
        patient: bool,
        as_json: bool,
        named: bool,
    ) -> None:
        self.name = mask(url)
        self._engines, self._settings, self._out = engines, settings, out
        self._patient, self._as_json, self._named = patient, as_json, named
        self._part_seconds = part_seconds
        self._recorder: RolloverRecorder  # of the current connection
        self._announced: set[int] = set()  # ids of the tracks in view
        self._state: str = StreamState.CONNECTING
        self.supervisor = api.supervise(
            url,
            engines=engines,
            settings=settings,
            observers=[Subscription(self, "terminal", FailurePolicy.REQUIRED)],
            prepare=self._prepare,
            load=load,
        )

    @property
    def over(self) -> bool:
        """Whether the stream has ended, failed, or cannot be opened."""
        status = self.supervisor.status
        return status.state.over or self._unreachable(status)

    def _unreachable(self, status: StreamStatus) -> bool:
        """Whether the source could never be opened and the command does not wait for it."""
        return status.state is StreamState.RECONNECTING and status.connection == 0 and not self._patient

    @property
    def failure(self) -> Exception | None:
        """The error that ended the stream or its recording; None after a regular end."""
        status, failure = self.supervisor.status, self.supervisor.failure
        ended = status.state is StreamState.FAILED or self._unreachable(status)
        return None if isinstance(failure, SourceError) and not ended else failure

    def _prepare(self, source: Source) -> None:
        """Begin a recording. Runs on the supervisor's thread."""

        def begin(start: float) -> ConnectionRecorder:
            if self._out is None:
                return ConnectionRecorder(Provenance.of(source.info, engines=self._engines, settings=self._settings))
            recording = ResultRecorder(
                self._out, source=source, engines=self._engines, settings=self._settings, start=start
            )
            return ConnectionRecorder(recording.provenance, recording)

        self._recorder = RolloverRecorder(
            begin,
            # the parts of a file would replace each other
            part_seconds=self._part_seconds if source.info.live else math.inf,
            so_far=self.supervisor.so_far,
            stats=lambda: self.supervisor.status.stats,
            published=self._print_report,
        )

    def __call__(self, event: Event) -> None:
        """Print a line or a JSON object for each event except frames and flags; an observer."""
        match event:
            case StreamOpened():
                self._announced = set()
                self._print(self._opening_line(event), event.to_dict())
            case FrameAnalysed(frame=frame, observation=observation):
                self._recorder(frame, observation)
                self._print_faces(observation)
            case LabelChanged(change=change, verdict=verdict):
                self._print(event_lines.change_line(change, verdict), event.to_dict())
            case HintRaised(hint=hint):
                self._print(event_lines.hint_line(hint), event.to_dict())
            case SegmentClosed(segment=segment):
                self._print(event_lines.segment_line(segment), event.to_dict())
            case StreamStateChanged():
                self._print_state(event)
            case StreamClosed():
                self._finish(event)

    def _opening_line(self, event: StreamOpened) -> str:
        info, choice = event.source, self._engines.choice
        verb = "watching" if event.connection == 1 else "open again:"
        engine = f"{event.engine}: {choice.reason}; {event.model}"
        line = f"{verb} {escape(info.name)} ({info.width}x{info.height}) on {escape(engine)}; Ctrl-C ends it"
        return "\n".join([line, *map(event_lines.note_line, info.notes)])

    def _print_faces(self, observation: Observation) -> None:
        """Print the faces that appeared and the faces that left."""
        now = observation.media_time
        verdicts = {verdict.track_id: verdict for verdict in observation.verdicts}
        for track_id in sorted(verdicts.keys() - self._announced):
            verdict = verdicts[track_id]
            self._print(event_lines.appearance_line(verdict, now), event_lines.appearance_record(verdict, now))
        for summary in observation.ended_tracks:
            self._print(event_lines.departure_line(summary), event_lines.departure_record(summary))
        self._announced |= verdicts.keys()
        self._announced -= {summary.track_id for summary in observation.ended_tracks}

    def _print_state(self, event: StreamStateChanged) -> None:
        """Print a change of state: as JSON every state, as text only problems and their end."""
        before, self._state = self._state, event.state
        if self._unreachable(self.supervisor.status) and not self._named:
            return  # the command fails with this error
        if (
            self._as_json
            or event.state in _PRINTED
            or (event.state == StreamState.LIVE and before == StreamState.STALLED)
        ):
            self._print(event_lines.state_line(event), event.to_dict())

    def _finish(self, event: StreamClosed) -> None:
        """Publish the results of a connection, unless it had no frame or the recording failed."""
        lost = isinstance(event.error, SourceError)
        if event.frames.frames_analysed == 0 or (event.error is not None and not lost):
            self._recorder.abort()
            return
        failure = event.error if isinstance(event.error, SourceError) else None
        report = self._recorder.finish(event.segments, event.tracks, stats=event.frames, failure=failure)
        self._print(f"[dim]           {event_lines.status_line(report.frames)}[/]", event.to_dict())
        self._print_report(report)

    def _print_report(self, report: Report) -> None:
        lines = [f"[bold]verdict[/]: {event_lines.verdict_line(report.verdict)}", *event_lines.result_lines(report)]
        self._print("\n".join(lines), {"type": "result", **event_lines.result_record(self.name, report)})

    def status(self) -> str:
        """The state as one line of text."""
        status = self.supervisor.status
        if status.state is StreamState.LIVE and status.stats is not None:
            line = event_lines.status_line(status.stats)
        else:
            line = event_lines.state_line(status)
        return f"{escape(self.name)}  {line}" if self._named else line

    def print_status(self) -> None:
        """Print frame rate and latency of an open source."""
        status = self.supervisor.status
        stats = status.stats
        if stats is not None and status.state in (StreamState.LIVE, StreamState.STALLED):
            self._print(f"[dim]           {event_lines.status_line(stats)}[/]", {"type": "status", **stats.to_dict()})

    def _print(self, text: str, record: dict[str, Any]) -> None:
        if self._as_json:
            typer.echo(json.dumps({"stream": self.name, **record}))
            return
        prefix = f"[cyan]{escape(self.name)}[/]  " if self._named else ""
        for line in text.splitlines():
            console.print(f"{prefix}{line}")
