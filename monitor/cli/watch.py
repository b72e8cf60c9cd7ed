"""``deepfake-monitor watch``: one source, live, a line at each change of label."""

from __future__ import annotations

import json
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from monitor.analysis import Recording, run
from monitor.cli import lines
from monitor.cli.terminal import AsJson, Backend, MinFace, Set, SettingsFile, console, errors, settings_from
from monitor.pipeline import Engines
from monitor.source import mask, open_isolated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.status import Status

    from monitor.analysis import Result
    from monitor.session import SessionStats
    from monitor.types import Frame, Observation, SourceInfo

_STATUS_EVERY = 10.0  # seconds between status lines where the terminal cannot redraw one


def watch(
    source: Annotated[str, typer.Argument(help="webcam:0, rtsp://..., http(s)://..., screen:, demo:, or a file.")],
    duration: Annotated[float | None, typer.Option(min=0.1, help="Stop after this many seconds.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep report, timeline and annotated video there.")] = None,
    backend: Backend = None,
    min_face: MinFace = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Watch a live source, or play a file as if it were one; Ctrl-C ends it cleanly."""
    settings = settings_from(settings_file, assignments, backend=backend, min_face=min_face)
    with errors.status("loading engines (on first use they are built: up to a minute)"):
        engines = Engines.load(settings)
    with errors.status(f"opening {escape(mask(source))}") as status, open_isolated(source, settings.source) as opened:
        said = _Said(opened.info, status=status, duration=duration, as_json=as_json)
        said.opening(f"{engines.scorer.engine.name}: {engines.choice.reason}; {engines.detector.card.id}")
        with _stopped_by_signals(said.stop):
            recording = Recording(out, source=opened, engines=engines, settings=settings) if out is not None else None
            result = run(
                opened,
                engines=engines,
                settings=settings,
                recording=recording,
                sinks=[said.observation],
                paced=True,
                on_tick=said.tick,
            )
    said.closing(result)
    if result.failure is not None:
        raise result.failure


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and a service manager's SIGTERM end the watch; what was seen so far is kept."""
    earlier = {number: signal.signal(number, lambda *_: stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


class _Said:
    """What this command says, as text or as one JSON object a line."""

    def __init__(self, info: SourceInfo, *, status: Status, duration: float | None, as_json: bool) -> None:
        self._info, self._status, self._as_json = info, status, as_json
        self._stopped = False
        self._present: set[int] = set()  # tracks that were announced
        self._until = None if duration is None else time.monotonic() + duration
        self._next_status = time.monotonic() + _STATUS_EVERY

    def opening(self, engine: str) -> None:
        size = f"{self._info.width}x{self._info.height}"
        if self._as_json:
            typer.echo(json.dumps({"event": "open", "source": self._info.name, "size": size, "engine": engine}))
        else:
            console.print(f"watching {escape(self._info.name)} ({size}) on {escape(engine)}; Ctrl-C ends it")

    def observation(self, frame: Frame, observation: Observation) -> None:  # noqa: ARG002 - a sink
        """Who came, who went, and whose label changed. Runs on the analysis thread."""
        now = observation.media_time
        verdicts = {verdict.track_id: verdict for verdict in observation.verdicts}
        for track_id in sorted(verdicts.keys() - self._present):
            verdict = verdicts[track_id]
            self._say(lines.appearance_line(verdict, now), lines.appearance_record(verdict, now))
        for change in observation.changes:
            verdict = verdicts[change.track_id]
            self._say(lines.change_line(change, verdict), lines.change_record(change, verdict))
        for summary in observation.ended_tracks:
            self._say(lines.departure_line(summary), lines.departure_record(summary))
        self._present |= verdicts.keys()
        self._present -= {summary.track_id for summary in observation.ended_tracks}

    def tick(self, stats: SessionStats) -> bool:
        """Show where the session stands; False when its time is over."""
        if errors.is_terminal and not self._as_json:
            self._status.update(lines.status_line(stats))
        elif time.monotonic() >= self._next_status:
            self._next_status += _STATUS_EVERY
            self._say_status(stats)
        return not self._stopped and (self._until is None or time.monotonic() < self._until)

    def stop(self) -> None:
        """The next tick ends the session."""
        self._stopped = True

    def closing(self, result: Result) -> None:
        self._say_status(result.stats)
        if self._as_json:
            typer.echo(json.dumps(lines.result_record(self._info.name, result)))
            return
        console.print(f"[bold]verdict[/]: {lines.verdict_line(result.verdict)}")
        for line in lines.result_lines(result):
            console.print(line)

    def _say_status(self, stats: SessionStats) -> None:
        self._say(f"[dim]           {lines.status_line(stats)}[/]", lines.status_record(stats))

    def _say(self, line: str, record: dict[str, Any]) -> None:
        if self._as_json:
            typer.echo(json.dumps(record))
        else:
            console.print(line)
