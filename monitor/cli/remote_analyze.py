"""``deepfake-monitor --server URL analyze``: files are uploaded, the server analyses them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from monitor.cli.options import AsJson
from monitor.cli.outcomes import SourceOutcome, expand_sources, print_end, print_outcome
from monitor.cli.terminal import errors
from monitor.client import AnalysisAnswer, Client, RemoteReport
from monitor.client.polling import require_done
from monitor.errors import AccessDeniedError, MonitorError, RemoteError, ServerUnavailableError, UsageError
from monitor.media.sources.address import Address, known_examples
from monitor.results.result_folder import VIDEO_FILE, OutputFolder, result_files, result_name
from monitor.settings.loader import KEY_VARIABLE
from monitor.system.masking import mask

_OUT: Final = (
    "Parent folder; the result files of each source are downloaded into its own folder there. Default: none are."
)


def remote_analyze(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(help=f"Files, folders of files, or addresses: {known_examples()}.")],
    out: Annotated[Path | None, typer.Option(help=_OUT)] = None,
    video: Annotated[bool, typer.Option(help="Download annotated.mp4.")] = True,  # noqa: FBT002 - a flag
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Upload files to a server, which analyses every frame, and print the results.

    A folder is searched with its subfolders; what is left out is listed with the reason. An unreadable source is
    reported and the others continue; the exit code is then 3, or 1 after another failure. The files stay on the server,
    on its page Analyse.
    """
    names, left_out = expand_sources(sources)
    outcomes: list[SourceOutcome] = []
    unusable: MonitorError | None = None
    with _open_client(context) as client:
        for name in names:
            outcome = _attempt(client, name, out=out, video=video) if unusable is None else None
            if outcome is None:  # the server would refuse this one, too
                outcomes.append(SourceOutcome(mask(name), failure=unusable))
                continue
            outcomes.append(outcome)
            if isinstance(outcome.failure, AccessDeniedError | ServerUnavailableError):
                unusable = outcome.failure
            if not as_json:
                print_outcome(outcome)
    print_end(outcomes, left_out, as_json=as_json)


def _open_client(context: typer.Context) -> Client:
    chosen = context.find_root().params
    return Client(chosen["server"], key=_read_key(chosen["key_file"]))


def _read_key(file: Path | None) -> str | None:
    """The key of the server, from a file or the environment: other users can see a command line."""
    if file is None:
        return os.environ.get(KEY_VARIABLE, "").strip() or None
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the key file {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not key:
        raise UsageError(f"the key file {file} is empty: write the key of `people key add` into it")
    return key


def _attempt(client: Client, name: str, *, out: Path | None, video: bool) -> SourceOutcome:
    try:
        address = Address.of(name)
        with _progress() as progress:
            bar = _Bar(progress, escape(mask(name)))
            analysis = client.submit_address(name) if address.path is None else _upload(client, address.path, bar)
            with _cancel_at_interrupt(client, analysis):
                require_done(client.wait(analysis.id, on_progress=bar.show_state))
            report = client.report(analysis.id)
            if out is not None:
                path = address.path or Path(report.source.name)
                report = _download(client, analysis.id, replace(report), path=path, out=out, video=video)
        return SourceOutcome(mask(name), result=report, failure=report.failure)
    except MonitorError as error:
        return SourceOutcome(mask(name), failure=error)


def _upload(client: Client, path: Path, bar: "_Bar") -> AnalysisAnswer:
    return client.upload(path, on_progress=bar.show_upload)


@contextmanager
def _cancel_at_interrupt(client: Client, analysis: AnalysisAnswer) -> Iterator[None]:
    """Cancels an analysis that nobody waits for any more."""
    try:
        yield
    except KeyboardInterrupt:
        with suppress(RemoteError):
            client.cancel_analysis(analysis.id)
        raise


def _download(
    client: Client, analysis_id: str, report: RemoteReport, *, path: Path, out: Path, video: bool
) -> RemoteReport:
    """Downloads the files that ``analyze`` writes on this machine; the report with their folder."""
    wanted = set(result_files()) - (set() if video else {VIDEO_FILE})
    with OutputFolder(out, result_name(replace(report.source, path=path))) as folder:
        for file in client.result_files(analysis_id):
            if file.name in wanted:
                client.download_result(analysis_id, file.name, folder.working / file.name)
    return replace(report, folder=folder.target)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True)


class _Bar:
    """The progress of one source: its upload, then its analysis."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, name
        self._task: TaskID = progress.add_task(f"{name}: uploading", total=None)

    def show_upload(self, sent: int, total: int) -> None:
        """Shows the bytes sent so far."""
        self._progress.update(self._task, completed=sent, total=total)

    def show_state(self, analysis: AnalysisAnswer) -> None:
        """Shows the state of the analysis."""
        share = analysis.progress
        text = f"{self._name}: {analysis.state}"
        self._progress.update(
            self._task, description=text, completed=share or 0.0, total=None if share is None else 1.0
        )
