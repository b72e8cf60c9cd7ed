"""Uploaded files, analysed one after the other; what is queued survives a restart."""

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
from monitor.errors import MonitorError, SourceError, SourceUnreadableError, UsageError
from monitor.media.sources import open_isolated
from monitor.results.formats import REPORT_FILE
from monitor.results.key_frames import KeyFrameRecorder
from monitor.results.recorder import ResultRecorder, run
from monitor.runtime import BackgroundWorker
from monitor.settings import Settings
from monitor.system.files import write_error, write_whole
from monitor.types import SourceInfo
from monitor.types.stats import SessionStats

JOB_FILE: Final = "job.json"
_RESULTS: Final = "results"
_UPLOAD: Final = "upload"

_log = logging.getLogger(__name__)


class UploadState(StrEnum):
    """Where an analysis stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self not in (UploadState.QUEUED, UploadState.RUNNING)


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file and what became of it."""

    id: str
    name: str  # as the person's machine calls it
    created_at: str  # ISO 8601, UTC
    state: UploadState = UploadState.QUEUED
    why: str = ""
    progress: float | None = None  # 0..1, while it runs and its length is known


class CancelledError(MonitorError):
    """Somebody wanted no more of it."""


class Uploads:
    """The uploads of one folder.

    Args:
        root: a folder for each upload.
        settings: of all stages; another value holds for what begins from then on.
        engines: loaded with the first analysis.
    """

    def __init__(self, root: Path, *, settings: Settings, engines: Callable[[], Engines]) -> None:
        self._root, self.settings, self._engines = root, settings, engines
        self._lock = threading.RLock()  # of what is known, and of the job files that say the same
        self._known: dict[str, Upload] = {}
        self._worker = BackgroundWorker("analyses")
        self._closing = threading.Event()
        for analysis in self._kept():
            self._known[analysis.id] = analysis
            if not analysis.state.over:
                self._queue(analysis)

    def close(self) -> None:
        """Stop; what was running is begun anew with the next start."""
        self._closing.set()
        self._worker.close()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._worker.waiting

    @property
    def all(self) -> list[Upload]:
        """The newest first."""
        with self._lock:
            return sorted(self._known.values(), key=lambda analysis: analysis.created_at, reverse=True)

    def get(self, analysis_id: str) -> Upload | None:
        """One of them; None if there is none of that id."""
        return self._known.get(analysis_id)

    @contextmanager
    def receiving(self, name: str) -> Iterator[tuple[str, Path]]:
        """Where to write an upload, and its id; queued when the block ends well, gone otherwise.

        Raises:
            OutputError: it cannot be written.
        """
        now = datetime.now(UTC)
        analysis = Upload(
            id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            name=Path(name).name[:200] or "upload",
            created_at=now.isoformat(timespec="seconds"),
        )
        folder = self._root / analysis.id
        try:
            folder.mkdir(parents=True)
            yield analysis.id, folder / f"{_UPLOAD}{_suffix(name)}"
            self._keep(analysis)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise write_error(folder, error) from error
            raise
        with self._lock:
            self._known[analysis.id] = analysis
        self._queue(analysis)

    def looked_at(self, path: Path, *, name: str) -> None:
        """Open an upload to see that it holds a picture.

        Args:
            path: where it was written.
            name: as the person calls it.

        Raises:
            SourceUnreadableError: it does not.
        """
        try:
            open_isolated(path, self.settings.source).close()
        except SourceError as error:
            raise SourceUnreadableError(_named(error, path, name)) from None

    def cancel(self, analysis_id: str) -> None:
        """Do not begin it, or stop it; its upload stays."""
        with self._lock:
            analysis = self._known.get(analysis_id)
            if analysis is not None and not analysis.state.over:
                self._set(analysis_id, state=UploadState.CANCELLED, progress=None)

    def remove(self, analysis_id: str) -> None:
        """Forget it, its upload and its results."""
        with self._lock:
            if self._known.pop(analysis_id, None) is not None:
                shutil.rmtree(self._root / analysis_id, ignore_errors=True)

    def upload(self, analysis_id: str) -> Path | None:
        """The uploaded file."""
        return next(iter(sorted((self._root / analysis_id).glob(f"{_UPLOAD}*"))), None)

    def results(self, analysis_id: str) -> Path | None:
        """The folder of report, timeline and video, once they are there."""
        if analysis_id not in self._known:
            return None
        found = sorted((self._root / analysis_id / _RESULTS).glob(f"*/{REPORT_FILE}"))
        return found[0].parent if found else None

    def report(self, analysis_id: str) -> dict[str, Any] | None:
        """The content of report.json, once it is there."""
        folder = self.results(analysis_id)
        if folder is None:
            return None
        content: dict[str, Any] = json.loads((folder / REPORT_FILE).read_bytes())
        return content

    def _queue(self, analysis: Upload) -> None:
        self._worker.do(lambda: self._work(analysis.id))

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
            self._set(analysis_id, state=UploadState.FAILED, progress=None, why=_named(error, upload, analysis.name))
        except Exception as error:
            self._set(analysis_id, state=UploadState.FAILED, progress=None, why=f"this should not happen: {error!r}")
            raise
        else:
            self._set(analysis_id, state=UploadState.DONE, progress=None)

    def _wanted(self, analysis_id: str) -> None:
        """Go on only if somebody still wants it.

        Raises:
            CancelledError: nobody does.
        """
        analysis = self.get(analysis_id)
        if self._closing.is_set() or analysis is None or analysis.state is not UploadState.RUNNING:
            raise CancelledError("cancelled")

    def _analyse(self, analysis_id: str, upload: Path) -> None:
        engines, settings = self._engines(), self.settings
        self._wanted(analysis_id)
        with open_isolated(upload, settings.source) as source:
            folder = self._root / analysis_id / _RESULTS
            recording = ResultRecorder(folder, source=source, engines=engines, settings=settings)

            def tick(stats: SessionStats) -> bool:
                self._progressed(analysis_id, stats, source.info)
                return True

            strongest = KeyFrameRecorder()
            result = run(
                source, engines=engines, settings=settings, recording=recording, sinks=(strongest,), on_tick=tick
            )
        self._wanted(analysis_id)
        if result.folder is not None:
            strongest.write(result.folder)
        analysis = self.get(analysis_id)
        if result.failure is not None and analysis is not None:
            self._set(analysis_id, why=_named(result.failure, upload, analysis.name))

    def _progressed(self, analysis_id: str, stats: SessionStats, info: SourceInfo) -> None:
        """Write down how far it is; ends it if nobody wants it any more."""
        self._wanted(analysis_id)
        if info.frame_count:
            share = min(1.0, stats.frames_analysed / info.frame_count)
            with self._lock:
                if analysis := self._known.get(analysis_id):
                    self._known[analysis_id] = replace(analysis, progress=share)

    def _set(self, analysis_id: str, **changes: Any) -> None:  # noqa: ANN401 - fields
        with self._lock:
            analysis = self._known.get(analysis_id)
            if analysis is None:
                return
            changed = replace(analysis, **changes)
            try:
                self._keep(changed)
            finally:
                self._known[analysis_id] = changed  # told only when it is written, or cannot be

    def _keep(self, analysis: Upload) -> None:
        facts = asdict(analysis) | {"progress": None}
        write_whole(self._root / analysis.id / JOB_FILE, json.dumps(facts, ensure_ascii=False).encode())

    def _kept(self) -> Iterator[Upload]:
        """What an earlier run left; a folder without a job was an upload that broke off."""
        for folder in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            try:
                facts = json.loads((folder / JOB_FILE).read_bytes())
                yield Upload(**facts | {"state": UploadState(facts["state"])})
            except FileNotFoundError:
                shutil.rmtree(folder, ignore_errors=True)
            except (OSError, ValueError, TypeError, KeyError) as error:
                _log.warning("%s cannot be read and is left alone: %s", folder / JOB_FILE, error)


def _suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return suffix if suffix[1:].isalnum() and len(suffix) <= 8 else ""


def _named(error: MonitorError, upload: Path, name: str) -> str:
    """An error's sentence with the name that the person knows."""
    return str(error).replace(str(upload), name)


def checked_size(received: int, *, most_megabytes: int) -> None:
    """Refuse what is larger than the settings allow.

    Raises:
        UsageError: it is.
    """
    if received > most_megabytes * 1_000_000:
        raise UsageError(
            f"the file is larger than {most_megabytes} MB: raise the setting dashboard.max_upload_megabytes, or cut it"
        )
