"""``deepfake-monitor watch``: watches sources and prints a line for each event."""

import json
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text

from monitor import api
from monitor.cli.options import AsJson, Backend, MinFace, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors
from monitor.cli.watched_source import WatchedSource
from monitor.errors import OutputError
from monitor.media.sources.address import known_examples
from monitor.runtime import Cadence, EngineBuild, LoadShedder, run_parallel

_TICK = 0.2  # seconds (wall clock)
_STATUS_INTERVAL = 10.0  # seconds between status lines if the terminal cannot redraw a line
_STOP_TIMEOUT = 30.0  # seconds (wall clock) for closing all sources
_PUBLISH_TIMEOUT = 3600.0  # seconds (wall clock) for closing all sources with recordings; a second Ctrl-C cancels


def watch(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help=f"Addresses: {known_examples()}."),
    ],
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Stop after this many seconds; with --wait, from the start.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Keep report, timeline and annotated video there.")] = None,
    roll_over: Annotated[
        float,
        typer.Option(min=0.01, help="Hours of a live source after which --out publishes a part and begins the next."),
    ] = 24.0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for sources even if none can be opened yet.")] = False,  # noqa: FBT002 - a flag
    backend: Backend = None,
    min_face: MinFace = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Watch live sources side by side, or play files as if they were live; Ctrl-C ends it cleanly.

    A lost source is opened again, without limit or as often as the setting source.max_retries allows.
    """
    settings = settings_from(settings_file, assignments, backend=backend, min_face=min_face)
    with errors.status("loading engines (on first use they are built: up to a minute)"):
        engines = api.load_engines(settings)
    load = LoadShedder()
    watched = [
        WatchedSource(
            source,
            engines=engines,
            settings=settings,
            load=load,
            out=out,
            part_seconds=3600 * roll_over,
            patient=wait,
            as_json=as_json,
            named=len(sources) > 1,
        )
        for source in sources
    ]
    with EngineBuild(engines, settings), _stopped_by_signals() as stopped:
        try:
            for source in watched:
                source.supervisor.start()
            _follow(watched, load=load, stopped=stopped, duration=duration, wait=wait, as_json=as_json)
        finally:
            timeout = _STOP_TIMEOUT if out is None else _PUBLISH_TIMEOUT
            hanging = run_parallel([source.supervisor.stop for source in watched], timeout=timeout)
    failures = [failure for source in watched if (failure := source.failure) is not None]
    if hanging:
        failures.append(
            OutputError(f"{hanging} of {len(watched)} sources could not be closed: their recordings are lost")
        )
    for failure in failures[1:]:
        errors.print(f"[bold red]error:[/] {escape(str(failure))}")
    if failures:
        raise failures[0]


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Set an event at SIGINT (Ctrl-C) or SIGTERM; a second signal raises KeyboardInterrupt."""
    stopped = threading.Event()

    def stop(*_: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _follow(
    sources: Sequence[WatchedSource],
    *,
    load: LoadShedder,
    stopped: threading.Event,
    duration: float | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Print the status until all sources are over, the duration has passed, or a signal arrives."""
    until = None
    next_status = time.monotonic() + _STATUS_INTERVAL
    cadence = load.cadence
    redrawn = errors.is_terminal and not as_json
    with errors.status("opening") as status:
        while not all(source.over for source in sources) and (until is None or time.monotonic() < until):
            if stopped.wait(_TICK):
                return
            begun = wait or any(source.supervisor.status.connection for source in sources)
            if until is None and duration is not None and begun:
                until = time.monotonic() + duration
            if load.cadence != cadence:
                cadence = load.cadence
                _print_cadence(cadence, as_json=as_json)
            if redrawn:
                status.update(_one_line(source.status() for source in sources))
            elif time.monotonic() >= next_status:
                next_status += _STATUS_INTERVAL
                for source in sources:
                    source.print_status()


def _one_line(states: Iterable[str]) -> Text:
    """Join the states and cut them to one line, because the terminal redraws only one line."""
    line = Text.from_markup("  |  ".join(states))
    line.truncate(max(20, errors.width - 4), overflow="ellipsis")
    return line


def _print_cadence(cadence: Cadence, *, as_json: bool) -> None:
    if as_json:
        typer.echo(
            json.dumps(
                {"type": "cadence", "fps": cadence.fps, "rest": cadence.min_score_interval, "reason": str(cadence)}
            )
        )
    else:
        console.print(f"[yellow]{cadence}[/]")
