"""One stream of the service: its observers, and the place where it runs."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence

from monitor.analysis.pipeline import Engines
from monitor.flags.archive import FlagArchive
from monitor.media.sources.push import PushInbox
from monitor.runtime import BackgroundWorker, LoadShedder, StreamMetrics, StreamStatus, Subscription
from monitor.server.broadcaster import Broadcaster
from monitor.server.notify import Outlet
from monitor.server.stream_run import Flagger, LocalRun, Placement, StreamOrder, StreamRun
from monitor.server.verdict_history import VerdictHistory
from monitor.server.verdict_log import VerdictLog
from monitor.settings import Settings
from monitor.system.masking import mask


def camera_id(key: str) -> str:
    """The public id of a browser camera's stream, derived from the secret key of the camera's page."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


class Stream:
    """A source watched for the dashboard.

    Args:
        source: an address for ``monitor.media.sources.open_source``, or the inbox of pushed pictures.
        name: display name; default: the masked address.
        engines: loads the engines at the start.
        repeat: restart a file at its end.
        stream_id: unique id; default: a new one.
        load: the load shedder of this machine, shared by all streams; default: every frame is analysed.
        outlets: receive the events of the stream.
        placement: runs the stream on another machine; default: it runs in this process.
    """

    def __init__(
        self,
        source: str | PushInbox,
        *,
        name: str,
        engines: Callable[[], Engines],
        settings: Settings,
        archive: FlagArchive,
        worker: BackgroundWorker,
        repeat: bool,
        stream_id: str = "",
        load: LoadShedder | None = None,
        outlets: Sequence[Outlet] = (),
        placement: Placement | None = None,
    ) -> None:
        self.id = stream_id or secrets.token_hex(4)
        self.inbox = source if isinstance(source, PushInbox) else None
        self.address = mask(source.name if isinstance(source, PushInbox) else source)
        self.name = name or self.address
        self.settings = settings
        self.verdict_history = VerdictHistory()
        self.verdict_log = VerdictLog(hours=settings.api.history_hours, max_points=settings.api.history_points)
        self.metrics = StreamMetrics(lambda: self.status.stats)
        observers = (
            Subscription(self.verdict_history, "verdict history"),
            Subscription(self.verdict_log, "verdict log"),
            Subscription(self.metrics, "metrics"),
        )
        watching = tuple(Subscription(outlet.watch(self), outlet.name) for outlet in outlets)
        self.broadcaster: Broadcaster
        self._run: StreamRun
        if placement is not None and isinstance(source, str) and placement.can_place(source):
            order = StreamOrder(stream_id=self.id, url=source, settings=settings, repeat=repeat)
            self._run, self.broadcaster = placement.place(order, (*observers, *watching))
            return
        self.broadcaster = Broadcaster()
        self._run = LocalRun(
            source,
            engines=engines,
            settings=settings,
            archive=archive,
            worker=worker,
            observers=(*observers, Subscription(self.broadcaster, "viewers"), *watching),
            repeat=repeat,
            load=load,
        )

    @property
    def status(self) -> StreamStatus:
        """The state of the stream and its reason."""
        return self._run.status

    @property
    def node(self) -> str:
        """Name of the machine in a fleet that watches it; "" for none."""
        return self._run.node

    @property
    def is_placed(self) -> bool:
        """Whether other machines watch it."""
        return not isinstance(self._run, LocalRun)

    @property
    def observer_failures(self) -> Mapping[str, int]:
        """Number of failures of each best-effort observer, by name."""
        return self._run.observer_failures

    @property
    def flag_recorder(self) -> Flagger:
        """Commits the flags of the stream."""
        return self._run.flagger

    def start(self) -> None:
        """Begin to watch."""
        self._run.start()

    def stop(self) -> None:
        """End the stream and notify its viewers."""
        self._run.stop()
        self.broadcaster.end("the source was removed")

    def pause(self) -> None:
        """Pause the stream."""
        self._run.pause()

    def resume(self) -> None:
        """Continue a paused stream."""
        self._run.resume()
