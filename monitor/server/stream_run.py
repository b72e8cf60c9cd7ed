"""Where a stream runs: in this process, or on another machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from monitor import api
from monitor.analysis.pipeline import Engines
from monitor.flags.archive import FlagArchive
from monitor.flags.clips import follow
from monitor.flags.recorder import FlagRecorder, FlagRequest
from monitor.media.sources import Source
from monitor.media.sources.push import PushInbox
from monitor.results.report import Provenance
from monitor.runtime import BackgroundWorker, FailurePolicy, LoadShedder, StreamStatus, Subscription
from monitor.server.broadcaster import Broadcaster
from monitor.settings import Settings
from monitor.types import Flag

_BUFFERED_SECONDS: Final = 35.0  # before the pre-roll: the moments that can still be flagged, and a slow analysis
_CLIP_BYTES: Final = 96 << 20  # memory limit of the clip buffer, and of its reserved clips


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOrder:
    """The source of a stream, and how to watch it."""

    stream_id: str
    url: str = field(repr=False)  # may hold secrets
    settings: Settings = field(repr=False)
    repeat: bool = False  # restart a file at its end


class Flagger(Protocol):
    """Commits the flags of one stream."""

    def flag(self, mark: FlagRequest) -> Flag:
        """Flag a moment; on return, the flag is committed and its pictures are stored.

        Raises:
            UsageError: the moment is not available.
            MonitorError: the flag cannot be stored; nothing was stored.
        """


class StreamRun(Protocol):
    """The supervisor of a stream, wherever it runs."""

    @property
    def status(self) -> StreamStatus:
        """The state of the stream and its reason."""

    @property
    def observer_failures(self) -> Mapping[str, int]:
        """Number of failures of each best-effort observer, by name."""

    @property
    def node(self) -> str:
        """Name of the machine in a fleet; "" for none."""

    @property
    def flagger(self) -> Flagger:
        """Commits the flags of the stream."""

    def start(self) -> None:
        """Begin to watch."""

    def stop(self) -> None:
        """End the stream; the observers have received its last event on return, if its machine answers."""

    def pause(self) -> None:
        """Pause the stream."""

    def resume(self) -> None:
        """Continue a paused stream; restart a failed or ended one."""


@dataclass(frozen=True, slots=True)
class NodeSummary:
    """One machine of a fleet, as the pages show it."""

    name: str
    state: str  # "ready", or in words why it takes no streams
    streams: int
    capacity: int  # streams
    load: str  # in words
    load_level: int  # of its load shedder; 0: every frame is analysed
    clips_waiting: int
    lost: Mapping[str, int]  # events that did not arrive, by cause


class Placement(Protocol):
    """Runs streams on other machines, and chooses the machine of each."""

    @property
    def nodes(self) -> Sequence[NodeSummary]:
        """All machines now."""

    def can_place(self, url: str) -> bool:
        """Whether a source can be opened on another machine: not a device of this one."""

    def place(self, order: StreamOrder, observers: Sequence[Subscription]) -> tuple[StreamRun, Broadcaster]:
        """A stream that runs on another machine, not started.

        Args:
            observers: receive its events; the broadcaster is another observer, which comes last.
        """

    def begin(self) -> None:
        """Connect to the machines; called once, before the first stream starts."""

    def close(self) -> None:
        """Save the pending clips and leave the machines; called once, after the last stream."""


class LocalRun:
    """A supervisor in this process, with the recorder of its flags.

    Args:
        source: an address for ``monitor.media.sources.open_source``, or the inbox of pushed pictures.
        engines: loads the engines at the start.
        worker: writes the clips.
        observers: receive the events, after the flag recorder.
        repeat: restart a file at its end.
        load: the load shedder of this machine; default: every frame is analysed.
        connections: number of connections to this source so far, in other processes.
    """

    node = ""

    def __init__(
        self,
        source: str | PushInbox,
        *,
        engines: Callable[[], Engines],
        settings: Settings,
        archive: FlagArchive,
        worker: BackgroundWorker,
        observers: Sequence[Subscription],
        repeat: bool = False,
        load: LoadShedder | None = None,
        connections: int = 0,
    ) -> None:
        self._inbox = source if isinstance(source, PushInbox) else None
        url, opener = (source.name, source.open) if isinstance(source, PushInbox) else (source, None)
        self._engines, self._settings = engines, settings
        self.flag_recorder = FlagRecorder(archive, submit=worker.do, on_commit=self._commit_flag)
        # the flag recorder first: a viewer may flag a frame as soon as it is shown
        flags = Subscription(self.flag_recorder, "flags", FailurePolicy.REQUIRED)
        self._supervisor = api.supervise(
            url,
            engines=engines,
            settings=settings,
            observers=(flags, *observers),
            prepare=self._prepare,
            repeat=repeat,
            opener=opener,
            load=load,
            connections=connections,
        )

    @property
    def status(self) -> StreamStatus:
        """The state of the stream and its reason."""
        return self._supervisor.status

    @property
    def observer_failures(self) -> Mapping[str, int]:
        """Number of failures of each best-effort observer, by name."""
        return self._supervisor.observer_failures

    @property
    def flagger(self) -> FlagRecorder:
        """Commits the flags of the stream."""
        return self.flag_recorder

    def start(self) -> None:
        """Start the supervisor."""
        self._supervisor.start()

    def stop(self) -> None:
        """Stop the supervisor and wait for its threads."""
        if self._inbox is not None:
            self._inbox.close()  # the supervisor may wait there for the first picture
        self._supervisor.stop()

    def pause(self) -> None:
        """Pause the stream."""
        self._supervisor.pause()

    def resume(self) -> None:
        """Continue a paused stream; restart a failed or ended one."""
        self._supervisor.resume()

    def _commit_flag(self, flag: Flag) -> None:
        self._supervisor.commit_flag(flag)

    def _prepare(self, source: Source) -> None:
        """Buffer the packets or pictures of a source for clips. Runs on the supervisor's thread."""
        seconds = self._settings.evidence.pre_roll + _BUFFERED_SECONDS
        self.flag_recorder.prepare(
            Provenance.of(source.info, engines=self._engines(), settings=self._settings),
            clips=follow(source, seconds=seconds, max_bytes=_CLIP_BYTES, settings=self._settings.source),
        )
