"""Uploaded files and their analyses, one at a time; the queue survives a restart."""

import json
import logging
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from monitor.analysis.pipeline import Engines
from monitor.errors import MonitorError, SourceError, SourceUnreadableError, kind_of
from monitor.media.sources import open_isolated
from monitor.results.formats import REPORT_FILE
from monitor.results.key_frames import KeyFrameRecorder
from monitor.results.recorder import ResultRecorder, run
from monitor.runtime import BackgroundWorker
from monitor.server.downloads import check_file_address, download
from monitor.settings import Settings
from monitor.system.files import write_error, write_whole
from monitor.types import Label, SourceInfo
from monitor.types.stats import SessionStats

JOB_FILE: Final = "job.json"
_RESULTS: Final = "results"
_UPLOAD: Final = "upload"
_ADDRESS: Final = "address"  # file with the address of a download that has not ended; it may hold a password
_DOWNLOAD: Final = "download"

_log = logging.getLogger(__name__)


class UploadState(StrEnum):
    """The state of an analysis."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether the analysis has ended."""
        return self not in (UploadState.QUEUED, UploadState.RUNNING)


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file and the state of its analysis."""

    id: str
    name: str  # the file name on the user's machine
    created_at: str  # ISO 8601, UTC
    state: UploadState = UploadState.QUEUED
    why: str = ""
    progress: float | None = None  # 0..1 during the analysis; None if the length is unknown
    label: Label | None = None  # of the whole file; None before the end, and of uploads of earlier versions
    error: str = ""  # kind of the error that ``why`` describes, see ``monitor.errors.kind_of``; "" without one


class CancelledError(MonitorError):
    """A person cancelled the analysis, or the server stops."""


class Uploads:
    """The uploads of one folder.

    Args:
        root: parent of one folder per upload.
        settings: of all stages; a new value applies to the analyses that start after it.
        engines: loads the engines; called at the first analysis.
    """

    def __init__(self, root: Path, *, settings: Settings, engines: Callable[[], Engines]) -> None:
        self._root, self.settings, self._engines = root, settings, engines
        self._lock = threading.RLock()  # of _uploads and of the job files with the same content
        self._uploads: dict[str, Upload] = {}
        self._worker, self._downloads = BackgroundWorker("analyses"), BackgroundWorker("downloads")
        self._closing = threading.Event()
        for analysis in sorted(self._load_jobs(), key=lambda analysis: analysis.created_at):
            self._uploads[analysis.id] = analysis
            if not analysis.state.over:
                self._queue(analysis)

    def close(self) -> None:
        """Stops the workers; the next start repeats an interrupted analysis or download."""
        self._closing.set()
        self._worker.close()
        self._downloads.close()

    @property
    def waiting(self) -> int:
        """The number of queued analyses and downloads."""
        return self._worker.waiting + self._downloads.waiting

    @property
    def all(self) -> list[Upload]:
        """All uploads, the newest first; within one run of the server, a changed clock does not change the order."""
        with self._lock:
            return list(reversed(self._uploads.values()))

    def get(self, analysis_id: str) -> Upload | None:
        """The upload with this id, or None."""
        return self._uploads.get(analysis_id)

    @contextmanager
    def receive(self, name: str) -> Iterator[tuple[str, Path]]:
        """Yields the id of a new upload and the path to write; queues it after the block, deletes it on an error.

        Raises:
            OutputError: the file cannot be written.
        """
        with self._create(name) as (analysis, folder):
            yield analysis.id, folder / f"{_UPLOAD}{_suffix(name)}"

    def download(self, url: str, *, accept: Callable[[str], None] = lambda _: None) -> Upload:
        """Queues the file of an address: it is downloaded, then analysed. The call waits for a name look-up only.

        Args:
            accept: called with the id before the download is queued; its error deletes the upload.

        Raises:
            UsageError: the address is invalid, may not be opened by a client, or is no file.
            OutputError: the files cannot be written.
        """
        name = check_file_address(url, folders=self.settings.dashboard.media_folders)
        with self._create(name) as (analysis, folder):
            write_whole(folder / _ADDRESS, url, private=True)
            accept(analysis.id)
        return analysis

    @contextmanager
    def _create(self, name: str) -> Iterator[tuple[Upload, Path]]:
        now = datetime.now(UTC)
        analysis = Upload(
            id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            name=Path(name).name[:200] or "upload",
            created_at=now.isoformat(timespec="milliseconds"),
        )
        folder = self._root / analysis.id
        try:
            folder.mkdir(parents=True)
            yield analysis, folder
            self._save(analysis)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise write_error(folder, error) from error
            raise
        with self._lock:
            self._uploads[analysis.id] = analysis
        self._queue(analysis)

    def check_readable(self, path: Path, *, name: str) -> None:
        """Checks that an upload contains a picture.

        Args:
            path: of the upload on this machine.
            name: the file name on the user's machine.

        Raises:
            SourceUnreadableError: the file contains no picture.
        """
        try:
            open_isolated(path, self.settings.source).close()
        except SourceError as error:
            raise SourceUnreadableError(_describe(error, path, name)) from None

    def cancel(self, analysis_id: str) -> None:
        """Cancels a queued or running analysis; the upload stays."""
        with self._lock:
            analysis = self._uploads.get(analysis_id)
            if analysis is not None and not analysis.state.over:
                self._set(analysis_id, state=UploadState.CANCELLED, progress=None)

    def remove(self, analysis_id: str) -> None:
        """Deletes an upload and its results."""
        with self._lock:
            if self._uploads.pop(analysis_id, None) is not None:
                shutil.rmtree(self._root / analysis_id, ignore_errors=True)

    def upload(self, analysis_id: str) -> Path | None:
        """The uploaded file."""
        return next(iter(sorted((self._root / analysis_id).glob(f"{_UPLOAD}*"))), None)

    def results(self, analysis_id: str) -> Path | None:
        """The folder of report, timeline and video; None before the analysis has ended."""
        if analysis_id not in self._uploads:
            return None
        reports = sorted((self._root / analysis_id / _RESULTS).glob(f"*/{REPORT_FILE}"))
        return reports[0].parent if reports else None

    def report(self, analysis_id: str) -> dict[str, Any] | None:
        """The content of report.json; None before the analysis has ended."""
        folder = self.results(analysis_id)
        if folder is None:
            return None
        content: dict[str, Any] = json.loads((folder / REPORT_FILE).read_bytes())
        return content

    def _queue(self, analysis: Upload) -> None:
        if (self._root / analysis.id / _ADDRESS).exists():
            self._downloads.do(lambda: self._download(analysis.id))
        else:
            self._worker.do(lambda: self._work(analysis.id))

    def _download(self, analysis_id: str) -> None:
        """Downloads the file of an upload, then queues its analysis; runs on the thread of the downloads."""
        folder, analysis = self._root / analysis_id, self.get(analysis_id)
        address, partial = folder / _ADDRESS, folder / _DOWNLOAD
        if self._closing.is_set() or analysis is None:
            return
        dashboard = self.settings.dashboard
        try:
            download(
                address.read_text(encoding="utf-8"),
                partial,
                folders=dashboard.media_folders,
                max_megabytes=dashboard.max_upload_megabytes,
                check=lambda: self._check_state(analysis_id, UploadState.QUEUED),
            )
            self.check_readable(partial, name=analysis.name)
            partial.rename(folder / f"{_UPLOAD}{_suffix(analysis.name)}")
        except CancelledError:
            partial.unlink(missing_ok=True)
            if self._closing.is_set():
                return  # the next start repeats the download
        except (MonitorError, OSError) as error:
            partial.unlink(missing_ok=True)
            told = write_error(partial, error) if isinstance(error, OSError) else error
            self._set(analysis_id, state=UploadState.FAILED, **_failure(told, partial, analysis.name))
        address.unlink(missing_ok=True)
        if (current := self.get(analysis_id)) is not None and not current.state.over:
            self._queue(current)

    def _work(self, analysis_id: str) -> None:
        with self._lock:
            analysis, upload = self.get(analysis_id), self.upload(analysis_id)
            if self._closing.is_set() or analysis is None or analysis.state.over or upload is None:
                return
            self._set(analysis_id, state=UploadState.RUNNING, progress=0.0)
        shutil.rmtree(self._root / analysis_id / _RESULTS, ignore_errors=True)
        try:
            self._analyse(analysis_id, upload)
        except CancelledError:
            if self._closing.is_set():
                self._set(analysis_id, state=UploadState.QUEUED, progress=None)
        except MonitorError as error:
            self._set(analysis_id, state=UploadState.FAILED, progress=None, **_failure(error, upload, analysis.name))
        except Exception as error:
            self._set(
                analysis_id, state=UploadState.FAILED, progress=None, why=f"internal error, please report it: {error!r}"
            )
            raise
        else:
            self._set(analysis_id, state=UploadState.DONE, progress=None)

    def _check_state(self, analysis_id: str, state: UploadState) -> None:
        """Raises CancelledError if the upload has another state or the server stops."""
        analysis = self.get(analysis_id)
        if self._closing.is_set() or analysis is None or analysis.state is not state:
            raise CancelledError("cancelled")

    def _analyse(self, analysis_id: str, upload: Path) -> None:
        engines, settings = self._engines(), self.settings
        self._check_state(analysis_id, UploadState.RUNNING)
        with open_isolated(upload, settings.source) as source:
            if analysis := self.get(analysis_id):  # the report names the user's file, not the server's path
                source.info = replace(source.info, name=analysis.name)
            folder = self._root / analysis_id / _RESULTS
            recording = ResultRecorder(folder, source=source, engines=engines, settings=settings, plain_video=True)

            def tick(stats: SessionStats) -> bool:
                self._report_progress(analysis_id, stats, source.info)
                return True

            strongest = KeyFrameRecorder()
            result = run(
                source, engines=engines, settings=settings, recording=recording, sinks=(strongest,), on_tick=tick
            )
        self._check_state(analysis_id, UploadState.RUNNING)
        if result.folder is not None:
            strongest.write(result.folder)
        analysis = self.get(analysis_id)
        if analysis is not None:
            failure = {} if result.failure is None else _failure(result.failure, upload, analysis.name)
            self._set(analysis_id, label=result.verdict.label, **failure)

    def _report_progress(self, analysis_id: str, stats: SessionStats, info: SourceInfo) -> None:
        """Updates the progress; raises CancelledError after a cancellation."""
        self._check_state(analysis_id, UploadState.RUNNING)
        if info.frame_count:
            share = min(1.0, stats.frames_analysed / info.frame_count)
            with self._lock:
                if analysis := self._uploads.get(analysis_id):
                    self._uploads[analysis_id] = replace(analysis, progress=share)

    def _set(self, analysis_id: str, **changes: Any) -> None:  # noqa: ANN401 - fields
        with self._lock:
            analysis = self._uploads.get(analysis_id)
            if analysis is None:
                return
            changed = replace(analysis, **changes)
            try:
                self._save(changed)
            finally:
                self._uploads[analysis_id] = changed  # visible only after the write, or after its failure

    def _save(self, analysis: Upload) -> None:
        facts = asdict(analysis) | {"progress": None}
        write_whole(self._root / analysis.id / JOB_FILE, json.dumps(facts, ensure_ascii=False).encode())

    def _load_jobs(self) -> Iterator[Upload]:
        """Loads the uploads of earlier runs; deletes folders without a job file, left by interrupted uploads."""
        for folder in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            try:
                facts = json.loads((folder / JOB_FILE).read_bytes())
                label = Label(facts["label"]) if facts.get("label") else None
                yield Upload(**facts | {"state": UploadState(facts["state"]), "label": label})
            except FileNotFoundError:
                shutil.rmtree(folder, ignore_errors=True)
            except (OSError, ValueError, TypeError, KeyError) as error:
                _log.warning("%s cannot be read, so this upload is ignored: %s", folder / JOB_FILE, error)


def _suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return suffix if suffix[1:].isalnum() and len(suffix) <= 8 else ""


def _failure(error: MonitorError, upload: Path, name: str) -> dict[str, str]:
    """The fields of an upload that describe an error."""
    return {"why": _describe(error, upload, name), "error": kind_of(error)}


def _describe(error: MonitorError, upload: Path, name: str) -> str:
    """An error's message with the file name on the user's machine instead of the server's path."""
    return str(error).replace(str(upload), name)
