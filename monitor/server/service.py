"""All that runs behind the dashboard, in one place that the server owns: pages and routes only look it up."""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Self

from monitor.analysis.pipeline import Engines
from monitor.errors import UsageError
from monitor.flags.archive import FlagArchive
from monitor.media.sources.push import PushInbox
from monitor.runtime import BackgroundWorker, EngineBuild, Heartbeat, LoadShedder, Timer, run_parallel
from monitor.server.address_policy import check_address
from monitor.server.auth.accounts import Accounts
from monitor.server.auth.audit import AuditLog
from monitor.server.auth.login_throttle import LoginThrottle
from monitor.server.auth.sessions import Sessions
from monitor.server.auth.user import User
from monitor.server.stream import Stream, camera_id
from monitor.server.uploads import Uploads
from monitor.settings import Preset, Settings, load_settings

MAX_STREAMS: Final = 16
CAMERA_GRACE: Final = 30.0  # seconds (wall clock) without its camera until a browser's stream ends
_TIDY_EVERY: Final = 3600.0  # seconds (wall clock)
_ONE_BEAT: Final = 60.0  # seconds that a beat may take on a busy machine
_TO_STOP: Final = 2.0  # seconds (wall clock) for all watches to end
_TO_CLOSE: Final = 3.5  # the same for that, and for the clips that are under way

_log = logging.getLogger(__name__)

_current: "MonitorService | None" = None
_lock = threading.Lock()


class MonitorService:
    """The watched sources, the analyses, the flags, and who may see them.

    Args:
        settings: of everything.
        archive: open; closed with the service.
    """

    def __init__(self, settings: Settings, archive: FlagArchive) -> None:
        self.settings = settings
        self.archive = archive
        self.repaired = archive.files.repair(archive.store)
        self._worker = BackgroundWorker("clips")
        self.load = LoadShedder()
        self._streams: dict[str, Stream] = {}
        self._engines: Engines | None = None
        self._build: EngineBuild | None = None
        self._loading, self._adding = threading.Lock(), threading.Lock()
        database = archive.store.database
        self.accounts, self.audit, self.guesses = Accounts(database), AuditLog(database), LoginThrottle()
        self.sessions = Sessions(settings.access, look_up=self._find_user)
        every = settings.service.heartbeat_interval
        self.heartbeat = Heartbeat(self.engines, max_age=2 * every + _ONE_BEAT)
        self._timers = (
            Timer("heartbeat", self.heartbeat.beat, every=every),
            Timer("retention", self._tidy, every=_TIDY_EVERY),
        )
        self.hanging = 0  # threads that were left behind when it was closed
        self.analyses = Uploads(archive.folder / "analyses", settings=settings, engines=self.engines)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The service over the archive that the settings name.

        Raises:
            StoreError: the database cannot be opened.
            OutputError: a file of a flag cannot be read.
        """
        return cls(settings, FlagArchive.open(settings.evidence))

    def begin(self) -> None:
        """Test the engine and delete what is kept long enough, now and again."""
        for timer in self._timers:
            timer.start()

    def close(self) -> None:
        """Stop all watching, write what clips can be had, let go of the database.

        What hangs (a camera that does not answer) is left behind after some seconds: its threads end with the process.
        """
        end = time.monotonic() + _TO_CLOSE
        jobs = [timer.stop for timer in self._timers] + [stream.stop for stream in self.streams]
        jobs += [] if self._build is None else [self._build.close]
        self.hanging = run_parallel([*jobs, self.analyses.close], timeout=_TO_STOP)
        if self.hanging:
            _log.warning("%d of %d threads did not end in time", self.hanging, len(jobs) + 1)
        if not self._worker.close(timeout=end - time.monotonic()):
            self.hanging += 1
            _log.warning("some clips could not be written in time: they are recorded as missing at the next start")
        self.archive.store.close()

    def _find_user(self, person: User, since: datetime) -> User | None:
        with_password = self.settings.access.mode == "password"
        return self.accounts.find(person.name, since=since) if with_password else person

    def _tidy(self) -> None:
        done = self.archive.tidy(self.settings.evidence, now=datetime.now(UTC))
        if done.deletions:
            _log.info("retention: %d flags deleted, %.1f MB freed", len(done.deletions), done.freed / 1e6)

    @property
    def clips_waiting(self) -> int:
        """How many clips and automatic flags wait to be written."""
        return self._worker.waiting

    def engines(self) -> Engines:
        """The networks, loaded when they are first needed; may take a minute.

        Raises:
            MonitorError: there are no weights, or no engine can run them.
        """
        with self._loading:
            if self._engines is None:
                self._engines = Engines.load(self.settings)
                self._build = EngineBuild(self._engines, self.settings)
                self._build.start()
            return self._engines

    @property
    def loaded(self) -> Engines | None:
        """The networks, if they are loaded."""
        return self._engines

    @property
    def streams(self) -> Sequence[Stream]:
        """All watched sources, in the order they were added."""
        return tuple(self._streams.values())

    def stream(self, stream_id: str) -> Stream | None:
        """One of them; None if it was removed."""
        return self._streams.get(stream_id)

    def add(self, url: str, *, name: str = "", repeat: bool = False, trusted: bool = False) -> Stream:
        """Watch one more source.

        Args:
            url: as a person typed it.
            name: what people call it.
            repeat: play a file again when it is over.
            trusted: named where the server was started, not in a browser: may be any file.

        Raises:
            UsageError: there are enough, or the address is not one that a browser may ask for.
        """
        if not trusted:
            check_address(url, folders=self.settings.dashboard.media_folders)
        return self._watch(url.strip(), name=name.strip(), repeat=repeat)

    def camera(self, key: str, *, name: str) -> Stream:
        """The stream of a browser's own camera; created with its first connection.

        Args:
            key: a secret of the page that the camera belongs to.
            name: what people call it.

        Raises:
            UsageError: there are enough sources.
        """
        with self._adding:
            known = self.stream(camera_id(key))
            if known is not None:
                return known
            inbox = PushInbox(name, open_timeout=CAMERA_GRACE, settings=self.settings.source)
            return self._watch(inbox, name=name, stream_id=camera_id(key))

    def _watch(self, source: str | PushInbox, *, name: str, repeat: bool = False, stream_id: str = "") -> Stream:
        if len(self._streams) >= MAX_STREAMS:
            raise UsageError(f"{MAX_STREAMS} sources are watched already: remove one first")
        stream = Stream(
            source,
            name=name,
            engines=self.engines,
            settings=self.settings,
            archive=self.archive,
            worker=self._worker,
            load=self.load,
            repeat=repeat,
            stream_id=stream_id,
        )
        self._streams[stream.id] = stream
        stream.start()
        return stream

    def judge_by(self, preset: Preset) -> None:
        """Use a preset's thresholds for all that is opened from now on, until the server ends.

        What it begins with is the setting ``verdict.preset``.
        """
        verdict = self.settings.verdict.under(preset)
        self.settings = self.settings.model_copy(update={"verdict": verdict})
        self.analyses.settings = self.settings

    def remove(self, stream_id: str) -> None:
        """Stop watching a source; its flags stay."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.stop()


def current() -> MonitorService:
    """The service of this process; opened with the settings of the working directory and environment if need be.

    Raises:
        MonitorError: it cannot be opened.
    """
    global _current
    with _lock:
        if _current is None:
            _current = MonitorService.open(load_settings())
        return _current


def install(monitor_service: MonitorService | None) -> None:
    """Set the service of this process, or clear it with None."""
    global _current
    with _lock:
        _current = monitor_service
