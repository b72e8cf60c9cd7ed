"""One source of ``deepfake-monitor watch``: the watch itself, and what the terminal is told of it."""

import json
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from monitor.analysis.pipeline import Engines
from monitor.cli import event_lines
from monitor.cli.terminal import console
from monitor.errors import SourceError
from monitor.media.sources import Source
from monitor.results.recorder import ConnectionRecorder, ResultRecorder
from monitor.results.report import Provenance
from monitor.runtime import ConnectionSummary, LoadShedder, StreamState, StreamStatus, StreamSupervisor
from monitor.settings import Settings
from monitor.system.masking import mask
from monitor.types import Frame, Observation

_TOLD = (StreamState.STALLED, StreamState.RECONNECTING, StreamState.FAILED)


class WatchedSource:
    """A watch and its audience, which says a line, or a JSON object, for each thing that happened.

    Args:
        url: of the source.
        engines: what judges it.
        settings: of all stages.
        load: of this machine, shared by all sources.
        out: where each opening leaves its results, if anywhere.
        patient: whether it is waited for, if it cannot be opened at first, when all others are over.
        as_json: say JSON objects.
        named: whether lines begin with the source's name.
    """

    def __init__(
        self,
        url: str,
        *,
        engines: Engines,
        settings: Settings,
        load: LoadShedder,
        out: Path | None,
        patient: bool,
        as_json: bool,
        named: bool,
    ) -> None:
        self.name = mask(url)
        self._engines, self._settings, self._out = engines, settings, out
        self._patient, self._as_json, self._named = patient, as_json, named
        self._epoch: ConnectionRecorder  # since ``opened``
        self._epochs = 0
        self._present: set[int] = set()  # tracks that were announced
        self._told = (StreamState.CONNECTING, "")
        self.watch = StreamSupervisor(url, engines=lambda: engines, settings=settings, audience=self, load=load)

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        status = self.watch.status
        return status.state.over or self._unreachable(status)

    def _unreachable(self, status: StreamStatus) -> bool:
        """Whether it could not be opened, and nobody is to wait for it."""
        return status.state is StreamState.RECONNECTING and status.epoch == 0 and not self._patient

    @property
    def failure(self) -> Exception | None:
        """What ended it, if it did not end by itself or because it was told to; or what was lost when it ended."""
        status, failure = self.watch.status, self.watch.failure
        ended = status.state is StreamState.FAILED or self._unreachable(status)
        return None if isinstance(failure, SourceError) and not ended else failure

    def opened(self, source: Source, epoch: int) -> None:
        """The source is open, or open again; on the watch's thread."""
        recording = None
        if self._out is not None:
            recording = ResultRecorder(self._out, source=source, engines=self._engines, settings=self._settings)
        info = source.info
        of = recording.provenance if recording else Provenance.of(info, engines=self._engines, settings=self._settings)
        self._epoch, self._epochs, self._present = ConnectionRecorder(of, recording), epoch, set()
        size = f"{info.width}x{info.height}"
        engine = (
            f"{self._engines.scorer.engine.name}: {self._engines.choice.reason}; {self._engines.classifier.card.id}"
        )
        begins = "watching" if epoch == 1 else "open again:"
        self._say(
            f"{begins} {escape(info.name)} ({size}) on {escape(engine)}; Ctrl-C ends it",
            {"event": "open", "epoch": epoch, "size": size, "engine": engine},
        )

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Who came, who went, whose label changed, and what is odd about the stream. Runs on the analysis thread."""
        self._epoch(frame, observation)
        now = observation.media_time
        for hint in observation.hint_changes:
            self._say(event_lines.hint_line(hint), event_lines.hint_record(hint))
        verdicts = {verdict.track_id: verdict for verdict in observation.verdicts}
        for track_id in sorted(verdicts.keys() - self._present):
            verdict = verdicts[track_id]
            self._say(event_lines.appearance_line(verdict, now), event_lines.appearance_record(verdict, now))
        for change in observation.changes:
            verdict = verdicts[change.track_id]
            self._say(event_lines.change_line(change, verdict), event_lines.change_record(change, verdict))
        for summary in observation.ended_tracks:
            self._say(event_lines.departure_line(summary), event_lines.departure_record(summary))
        self._present |= verdicts.keys()
        self._present -= {summary.track_id for summary in observation.ended_tracks}

    def closed(self, ending: ConnectionSummary) -> None:
        """One opening is over, what was seen is kept; on the watch's thread."""
        lost = isinstance(ending.failure, SourceError)
        if ending.stats.frames_analysed == 0 or (ending.failure is not None and not lost):
            self._epoch.abort()
            return
        failure = ending.failure if isinstance(ending.failure, SourceError) else None
        result = self._epoch.finish(ending.segments, ending.tracks, stats=ending.stats, failure=failure)
        self._say(
            f"[dim]           {event_lines.status_line(result.frames)}[/]", event_lines.status_record(result.frames)
        )
        said = [f"[bold]verdict[/]: {event_lines.verdict_line(result.verdict)}", *event_lines.result_lines(result)]
        self._say("\n".join(said), event_lines.result_record(self.name, result) | {"epoch": self._epochs})

    def tell_state(self) -> None:
        """Say so if the source was lost, hangs, or is seen again."""
        status = self.watch.status
        now = (status.state, "" if status.state is StreamState.STALLED else status.why)
        if now == self._told or (self._unreachable(status) and not self._named):
            return  # if it is the only one, that is the error of the whole command
        before, self._told = self._told[0], now
        if status.state in _TOLD or (status.state is StreamState.LIVE and before is StreamState.STALLED):
            self._say(event_lines.state_line(status), event_lines.state_record(status))

    def status(self) -> str:
        """Where it stands, in a line."""
        status = self.watch.status
        if status.state is StreamState.LIVE and status.stats is not None:
            said = event_lines.status_line(status.stats)
        else:
            said = event_lines.state_line(status)
        return f"{escape(self.name)}  {said}" if self._named else said

    def tell_status(self) -> None:
        """Say how many frames come, if any do."""
        status = self.watch.status
        stats = status.stats
        if stats is not None and status.state in (StreamState.LIVE, StreamState.STALLED):
            self._say(f"[dim]           {event_lines.status_line(stats)}[/]", event_lines.status_record(stats))

    def _say(self, line: str, record: dict[str, Any]) -> None:
        if self._as_json:
            typer.echo(json.dumps({"source": self.name, **record}))
            return
        prefix = f"[cyan]{escape(self.name)}[/]  " if self._named else ""
        for one in line.splitlines():
            console.print(f"{prefix}{one}")
