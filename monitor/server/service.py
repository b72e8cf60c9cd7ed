"""The service behind the dashboard: streams, analyses, flags and accounts of one server process."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Self

from monitor.analysis.pipeline import Engines
from monitor.errors import ConflictError, MonitorError, OutputError, UsageError
from monitor.flags.archive import FlagArchive
from monitor.flags.files import RepairReport
from monitor.flags.retention import RetentionPlan
from monitor.flags.retention_clock import RetentionClock
from monitor.media.sources.push import PushInbox
from monitor.runtime import BackgroundWorker, EngineBuild, Heartbeat, LoadShedder, StreamState, Timer, run_parallel
from monitor.server.address_policy import check_address
from monitor.server.auth.accounts import Accounts
from monitor.server.auth.api_keys import ApiKeys
from monitor.server.auth.audit import AuditLog
from monitor.server.auth.login_throttle import LoginThrottle
from monitor.server.auth.sessions import Sessions
from monitor.server.auth.user import User
from monitor.server.idempotency_keys import IdempotencyKeys
from monitor.server.notify import OutletContext, open_outlets
from monitor.server.saved_sources import SavedSource, read_sources, write_sources
from monitor.server.stream import Stream, camera_id
from monitor.server.stream_run import NodeSummary, Placement
from monitor.server.uploads import Uploads
from monitor.settings import Preset, Settings, load_settings
from monitor.system.masking import mask

CAMERA_GRACE: Final = 30.0  # seconds (wall clock) until the stream of a disconnected browser camera ends
_TIDY_INTERVAL: Final = 3600.0  # seconds (wall clock)
_REPAIR_INTERVAL: Final = 600.0  # seconds (wall clock)
_MAX_BEAT_TIME: Final = 60.0  # seconds, duration of a heartbeat test on a busy machine
_STOP_TIMEOUT: Final = 2.0  # seconds (wall clock) for stopping all streams
_CLOSE_TIMEOUT: Final = 3.5  # seconds (wall clock) for stopping all streams and writing the pending clips

_NOT_REPAIRED: Final = "files of flags that a process left unfinished could not be repaired"

_log = logging.getLogger(__name__)

_current: "MonitorService | None" = None
_lock = threading.Lock()


class MonitorService:
    """The streams, the analyses, the flags and the accounts.

    Args:
        archive: an open archive; closed with the service.
        placement: runs streams on other machines; closed with the service.
    """

    def __init__(self, settings: Settings, archive: FlagArchive, *, placement: Placement | None = None) -> None:
        self.settings = settings
        self._placement = placement
        self.archive = archive
        self.repaired = _repair_at_start(archive)
        self._worker = BackgroundWorker("clips")
        self.load = LoadShedder()
        self._streams: dict[str, Stream] = {}
        self._engines: Engines | None = None
        self._build: EngineBuild | None = None
        self._loading, self._adding = threading.Lock(), threading.RLock()
        database = archive.store.database
        self.accounts, self.audit, self.guesses = Accounts(database), AuditLog(database), LoginThrottle()
        self.api_keys, self.idempotency_keys = ApiKeys(database), IdempotencyKeys(database)
        self.sessions = Sessions(settings.access, look_up=self._find_user)
        every = settings.service.heartbeat_interval
        self.heartbeat = Heartbeat(self.engines, max_age=2 * every + _MAX_BEAT_TIME)
        self._timers = (
            Timer("heartbeat", self.heartbeat.beat, every=every),
            Timer("retention", self._tidy, every=_TIDY_INTERVAL),
            Timer("repair", self._repair, every=_REPAIR_INTERVAL),
        )
        self._retention_clock = RetentionClock()
        self.hanging = 0  # number of threads that ``close`` left running
        self._saved: dict[str, SavedSource] = {}  # by the id of the stream
        self.analyses = Uploads(archive.folder / "analyses", settings=settings, engines=self.engines)
        self.outlets = open_outlets(OutletContext(settings=settings, database=database))

    @classmethod
    def open(cls, settings: Settings, *, placement: Callable[[FlagArchive], Placement] | None = None) -> Self:
        """Open a service with the archive of the settings.

        Args:
            placement: opens the machines that run the streams; default: this process runs them.

        Raises:
            StoreError: the database cannot be opened.
        """
        archive = FlagArchive.open(settings.evidence)
        try:
            return cls(settings, archive, placement=None if placement is None else placement(archive))
        except BaseException:
            archive.close()
            raise

    def begin(self) -> None:
        """Start the outlets, the periodic test of the engine and the periodic deletion of old flags."""
        for outlet in self.outlets:
            outlet.start()
        if self._placement is not None:
            self._placement.begin()
        for timer in self._timers:
            timer.start()

    def close(self) -> None:
        """Stop all streams, write the pending clips and close the database.

        A thread that hangs (on a camera without an answer) stays behind after some seconds and ends with the process.
        """
        deadline = time.monotonic() + _CLOSE_TIMEOUT
        leaving = BackgroundWorker("placement")
        if self._placement is not None:
            leaving.do(self._placement.close)
        jobs = [timer.stop for timer in self._timers] + [stream.stop for stream in self.streams]
        jobs += [] if self._build is None else [self._build.close]
        self.hanging = run_parallel([*jobs, self.analyses.close], timeout=_STOP_TIMEOUT)
        if self.hanging:
            _log.warning("%d of %d threads did not end in time", self.hanging, len(jobs) + 1)
        if not self._worker.close(timeout=deadline - time.monotonic()):
            self.hanging += 1
            _log.warning("some clips could not be written in time: they are recorded as missing at the next start")
        if not leaving.close(timeout=max(0.0, deadline - time.monotonic())):
            self.hanging += 1
            _log.warning("the other machines did not end their streams in time: they end them alone")
        self.hanging += run_parallel([outlet.close for outlet in self.outlets], timeout=_STOP_TIMEOUT)
        self.archive.close()

    def _find_user(self, user: User) -> User | None:
        with_password = self.settings.access.mode == "password"
        return self.accounts.find(user) if with_password else user

    def plan_retention(self) -> RetentionPlan:
        """The flags that are due to be deleted."""
        return self.archive.plan(self.settings.evidence, now=self._retention_clock.now())

    def _tidy(self) -> None:
        try:
            result = self.archive.tidy(self.settings.evidence, now=self._retention_clock.now())
        except OutputError as error:
            _log.warning("old flags could not be deleted: %s", error)
            return
        if result.deletions:
            _log.info("retention: %d flags deleted, %.1f MB freed", len(result.deletions), result.freed / 1e6)

    def _repair(self) -> None:
        """Complete what another process or machine has left unfinished."""
        try:
            result = self.archive.files.repair_abandoned(self.archive.store)
        except MonitorError as error:
            _log.warning("%s: %s", _NOT_REPAIRED, error)
            return
        if result.orphans or result.found or result.lost:
            _log.info(
                "repair: %d unfinished files removed, %d clips recorded, %d clips missing",
                *(result.orphans, result.found, result.lost),
            )

    @property
    def clips_waiting(self) -> int:
        """The number of waiting clips and automatic flags."""
        return self._worker.waiting

    def engines(self) -> Engines:
        """The engines, loaded at the first call, which may take a minute.

        Raises:
            MonitorError: the weights are missing, or no engine can run them.
        """
        with self._loading:
            if self._engines is None:
                self._engines = Engines.load(self.settings, on_step=self._show_loading)
                self._show_loading("")
                self._build = EngineBuild(self._engines, self.settings)
                self._build.start()
            return self._engines

    def _show_loading(self, network: str) -> None:
        """Tell the viewers of the streams of this process which network they wait for; "" for none."""
        reason = f"preparing {network} (the first start builds each network once: up to a minute)" if network else ""
        for stream in self.streams:
            if self._placement is None or not stream.is_placed:
                stream.broadcaster.show_state(StreamState.CONNECTING, reason)

    @property
    def loaded(self) -> Engines | None:
        """The engines; None before they are loaded."""
        return self._engines

    @property
    def nodes(self) -> Sequence[NodeSummary]:
        """The machines that run the streams; empty if this process runs them."""
        return () if self._placement is None else self._placement.nodes

    @property
    def streams(self) -> Sequence[Stream]:
        """All streams, in the order of their creation."""
        return tuple(self._streams.values())

    def stream(self, stream_id: str) -> Stream | None:
        """The stream with this id; None if it was removed."""
        return self._streams.get(stream_id)

    def add(self, url: str, *, name: str = "", repeat: bool = False, trusted: bool = False) -> Stream:
        """Watch another source.

        Args:
            name: display name; default: the masked address.
            repeat: restart a file at its end.
            trusted: allow every address, because it comes from the command line and not from a browser.

        Raises:
            ConflictError: the limit of streams is reached.
            UsageError: a browser may not use this address.
        """
        if not trusted:
            check_address(url, folders=self.settings.dashboard.media_folders)
        with self._adding:
            return self._watch(url.strip(), name=name.strip(), repeat=repeat)

    def camera(self, key: str, *, name: str) -> Stream:
        """The stream of a browser's own camera; created with its first connection.

        Args:
            key: the secret of the camera's page.

        Raises:
            ConflictError: the limit of streams is reached.
        """
        with self._adding:
            existing = self.stream(camera_id(key))
            if existing is not None:
                return existing
            inbox = PushInbox(name, open_timeout=CAMERA_GRACE, settings=self.settings.source)
            return self._watch(inbox, name=name, stream_id=camera_id(key))

    def _watch(self, source: str | PushInbox, *, name: str, repeat: bool = False, stream_id: str = "") -> Stream:
        self._check_room()
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
            outlets=self.outlets,
            placement=self._placement,
        )
        self._streams[stream.id] = stream
        stream.start()
        return stream

    def judge_by(self, preset: Preset) -> None:
        """Use a preset's thresholds for all sources opened from now on, until the server ends.

        The initial preset is the setting ``verdict.preset``.
        """
        verdict = self.settings.verdict.under(preset)
        self.settings = self.settings.model_copy(update={"verdict": verdict})
        self.analyses.settings = self.settings

    def _check_room(self) -> None:
        limit = self.settings.dashboard.max_sources
        if len(self._streams) >= limit:
            raise ConflictError(
                f"{limit} sources are watched already: remove one first, or raise dashboard.max_sources"
            )

    def check_new_source(self, url: str) -> str:
        """The masked address of a source that a person may add now.

        Raises:
            ConflictError: the source is watched already, or the limit of streams is reached.
            UsageError: a browser may not use this address.
        """
        check_address(url, folders=self.settings.dashboard.media_folders)
        return self._require_new(url)

    def _require_new(self, url: str) -> str:
        address = mask(url.strip())
        twin = next((stream for stream in self.streams if stream.address == address), None)
        if twin is not None:
            raise ConflictError(f"{address} is watched already, as {twin.name}: rename it, or remove it first")
        self._check_room()
        return address

    def add_saved(self, url: str, *, name: str, repeat: bool) -> Stream:
        """Watch a source that a person adds, also after a restart of the server.

        Raises:
            ConflictError, UsageError: as for :meth:`check_new_source`.
        """
        check_address(url, folders=self.settings.dashboard.media_folders)  # may wait for a name, so before the lock
        with self._adding:
            self._require_new(url)
            stream = self._watch(url.strip(), name=name.strip(), repeat=repeat)
            self._saved[stream.id] = SavedSource(url=url.strip(), name=name.strip(), repeat=repeat)
            self._save()
        return stream

    def restore(self) -> None:
        """Watch the sources again that people added before the last end of the server."""
        for saved in read_sources(self.archive.folder):
            try:
                stream_id = self.add(saved.url, name=saved.name, repeat=saved.repeat).id
            except UsageError as error:  # it stays saved: another setting may allow it again
                _log.warning("%s is not watched: %s", mask(saved.url), error)
                stream_id = f"not watched {len(self._saved)}"
            self._saved[stream_id] = saved

    def rename(self, stream: Stream, name: str) -> None:
        """Give a stream another name; "" for its masked address."""
        stream.name = name.strip() or stream.address
        with self._adding:
            if stream.id in self._saved:
                self._saved[stream.id] = self._saved[stream.id].model_copy(update={"name": name.strip()})
                self._save()

    def remove(self, stream_id: str) -> None:
        """Stop watching a source, also after a restart; its flags stay."""
        with self._adding:
            stream = self._streams.pop(stream_id, None)
            if self._saved.pop(stream_id, None) is not None:
                self._save()
        if stream is not None:
            stream.stop()
            for outlet in self.outlets:
                outlet.forget(stream)

    def _save(self) -> None:
        write_sources(self.archive.folder, self._saved.values())


def _repair_at_start(archive: FlagArchive) -> RepairReport:
    """The repairs; none if the files cannot be read now: a timer tries again."""
    try:
        return archive.files.repair(archive.store)
    except OutputError as error:
        _log.warning("%s: %s", _NOT_REPAIRED, error)
        return RepairReport(orphans=0, found=0, lost=0)


def current() -> MonitorService:
    """The service of this process; opened at the first call, with the settings of working directory and environment.

    Raises:
        MonitorError: the service cannot be opened.
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
