"""``deepfake-monitor watch``: sources, live, a line at each change of label."""

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

from monitor.analysis.pipeline import Engines
from monitor.cli.terminal import AsJson, Backend, MinFace, Set, SettingsFile, console, errors, settings_from
from monitor.cli.watched_source import WatchedSource
from monitor.errors import OutputError
from monitor.media.sources.address import known_examples
from monitor.runtime import Cadence, EngineBuild, LoadShedder, run_parallel

_TICK = 0.2  # seconds (wall clock)
_STATUS_EVERY = 10.0  # seconds between status lines where the terminal cannot redraw one
_TO_STOP = 30.0  # seconds (wall clock) until a source that cannot be closed is left behind
_TO_PUBLISH = 3600.0  # the same where it closes a recording, which may be long; a second Ctrl-C ends it


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

    A source that is lost is opened again, for ever or as often as the setting source.max_retries says.
    """
    settings = settings_from(settings_file, assignments, backend=backend, min_face=min_face)
    with errors.status("loading engines (on first use they are built: up to a minute)"):
        engines = Engines.load(settings)
    load = LoadShedder()
    everything = [
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
            for one in everything:
                one.supervisor.start()
            _follow(everything, load=load, stopped=stopped, duration=duration, wait=wait, as_json=as_json)
        finally:
            timeout = _TO_STOP if out is None else _TO_PUBLISH
            hanging = run_parallel([one.supervisor.stop for one in everything], timeout=timeout)
    failures = [failure for one in everything if (failure := one.failure) is not None]
    if hanging:
        failures.append(
            OutputError(f"{hanging} of {len(everything)} sources could not be closed: what they kept is lost")
        )
    for failure in failures[1:]:
        errors.print(f"[bold red]error:[/] {escape(str(failure))}")
    if failures:
        raise failures[0]


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Ctrl-C and a service manager's SIGTERM end the watch; what was seen so far is kept, unless they come twice."""
    stopped = threading.Event()

    def stop(*_: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    earlier = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _follow(
    everything: Sequence[WatchedSource],
    *,
    load: LoadShedder,
    stopped: threading.Event,
    duration: float | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Until all sources are over, time is, or somebody stops it."""
    until = None
    next_status = time.monotonic() + _STATUS_EVERY
    cadence = load.cadence
    redrawn = errors.is_terminal and not as_json
    with errors.status("opening") as status:
        while not all(one.over for one in everything) and (until is None or time.monotonic() < until):
            if stopped.wait(_TICK):
                return
            begun = wait or any(one.supervisor.status.connection for one in everything)
            if until is None and duration is not None and begun:
                until = time.monotonic() + duration
            if load.cadence != cadence:
                cadence = load.cadence
                _say_cadence(cadence, as_json=as_json)
            if redrawn:
                status.update(_one_line(one.status() for one in everything))
            elif time.monotonic() >= next_status:
                next_status += _STATUS_EVERY
                for one in everything:
                    one.print_status()


def _one_line(said: Iterable[str]) -> Text:
    """As much as fits: more lines than one would be drawn over what is printed meanwhile."""
    line = Text.from_markup("  |  ".join(said))
    line.truncate(max(20, errors.width - 4), overflow="ellipsis")
    return line


def _say_cadence(cadence: Cadence, *, as_json: bool) -> None:
    if as_json:
        typer.echo(
            json.dumps(
                {"type": "cadence", "fps": cadence.fps, "rest": cadence.min_score_interval, "reason": str(cadence)}
            )
        )
    else:
        console.print(f"[yellow]{cadence}[/]")
