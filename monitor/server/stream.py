"""One stream of the service: its supervisor and its observers."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from monitor import api
from monitor.analysis.pipeline import Engines
from monitor.flags.archive import FlagArchive
from monitor.flags.clips import follow
from monitor.flags.recorder import FlagRecorder
from monitor.media.sources import Source
from monitor.media.sources.push import PushInbox
from monitor.results.report import Provenance
from monitor.runtime import (
    BackgroundWorker,
    FailurePolicy,
    LoadShedder,
    StreamMetrics,
    StreamStatus,
    Subscription,
)
from monitor.server.broadcaster import Broadcaster
from monitor.server.notify import Outlet
from monitor.server.verdict_history import VerdictHistory
from monitor.server.verdict_log import VerdictLog
from monitor.settings import Settings
from monitor.system.masking import mask
from monitor.types import Flag

_BUFFERED_SECONDS: Final = 35.0  # before the pre-roll: the moments that can still be flagged, and a slow analysis
_CLIP_BYTES: Final = 96 << 20  # memory limit of the clip buffer, and of its reserved clips


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
    ) -> None:
        self.id = stream_id or secrets.token_hex(4)
        self.inbox = source if isinstance(source, PushInbox) else None
        url, opener = (source.name, source.open) if isinstance(source, PushInbox) else (source, None)
        self.address = mask(url)
        self.name = name or self.address
        self.broadcaster = Broadcaster()
        self.verdict_history = VerdictHistory()
        self.verdict_log = VerdictLog(hours=settings.api.history_hours, max_points=settings.api.history_points)
        self.metrics = StreamMetrics(lambda: self.status.stats)
        self._engines, self.settings = engines, settings
        self.flag_recorder = FlagRecorder(archive, submit=worker.do, on_commit=self._commit_flag)
        subscriptions = (  # the flag recorder first: a viewer may flag a frame as soon as it is shown
            Subscription(self.flag_recorder, "flags", FailurePolicy.REQUIRED),
            Subscription(self.verdict_history, "verdict history"),
            Subscription(self.verdict_log, "verdict log"),
            Subscription(self.metrics, "metrics"),
            Subscription(self.broadcaster, "viewers"),
            *(Subscription(outlet.watch(self), outlet.name) for outlet in outlets),
        )
        self._supervisor = api.supervise(
            url,
            engines=engines,
            settings=settings,
            observers=subscriptions,
            prepare=self._prepare,
            repeat=repeat,
            opener=opener,
            load=load,
        )

    @property
    def status(self) -> StreamStatus:
        """The state of the stream and its reason."""
        return self._supervisor.status

    @property
    def observer_failures(self) -> Mapping[str, int]:
        """Number of failures of each best-effort observer, by name."""
        return self._supervisor.observer_failures

    def _commit_flag(self, flag: Flag) -> None:
        self._supervisor.commit_flag(flag)

    def start(self) -> None:
        """Start the supervisor."""
        self._supervisor.start()

    def stop(self) -> None:
        """End the stream and notify its viewers."""
        if self.inbox is not None:
            self.inbox.close()  # the supervisor may wait there for the first picture
        self._supervisor.stop()
        self.broadcaster.end("the source was removed")

    def pause(self) -> None:
        """Pause the stream."""
        self._supervisor.pause()

    def resume(self) -> None:
        """Continue a paused stream."""
        self._supervisor.resume()

    def _prepare(self, source: Source) -> None:
        """Buffer the packets or pictures of a source for clips. Runs on the supervisor's thread."""
        evidence = self.settings.evidence
        seconds = evidence.pre_roll + _BUFFERED_SECONDS
        self.flag_recorder.prepare(
            Provenance.of(source.info, engines=self._engines(), settings=self.settings),
            clips=follow(source, seconds=seconds, max_bytes=_CLIP_BYTES, settings=self.settings.source),
        )
