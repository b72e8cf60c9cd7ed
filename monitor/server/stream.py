"""One watched source: the watch itself, and all who are told what it sees."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

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
    Observers,
    StreamMetrics,
    StreamStatus,
    StreamSupervisor,
    Subscription,
)
from monitor.server.broadcaster import Broadcaster
from monitor.server.verdict_history import VerdictHistory
from monitor.settings import Settings
from monitor.system.masking import mask
from monitor.types import Flag

_SPARE: Final = 10.0  # seconds that a ring holds beyond a clip: a flag looks back, and key frames are apart
_CLIP_BYTES: Final = 96 << 20  # of memory for a ring


def camera_id(key: str) -> str:
    """The id of a browser camera's stream: public, while only the camera's page has the key."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


class Stream:
    """A source that is watched for the dashboard.

    Args:
        source: whatever ``monitor.media.sources.open_source`` opens, or where pictures are pushed.
        name: what people call it; default: its masked address.
        engines: loaded when the watch begins.
        settings: of all stages.
        archive: where flags are kept.
        worker: writes clips.
        repeat: play a file again when it is over.
        channel_id: what tells it from others; default: a new one.
        load: of this machine, shared by all streams; default: every frame is analysed.
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
    ) -> None:
        self.id = stream_id or secrets.token_hex(4)
        self.inbox = source if isinstance(source, PushInbox) else None
        url, opener = (source.name, source.open) if isinstance(source, PushInbox) else (source, None)
        self.address = mask(url)
        self.name = name or self.address
        self.broadcaster = Broadcaster()
        self.verdict_history = VerdictHistory()
        self.metrics = StreamMetrics(lambda: self.status.stats)
        self._engines, self.settings = engines, settings
        self.flagger = FlagRecorder(archive, later=worker.do, committed=self._commit_flag)
        subscriptions = (  # a viewer may flag a frame that it sees: the recorder has it before
            Subscription(self.flagger, "flags", FailurePolicy.REQUIRED),
            Subscription(self.verdict_history, "verdict history"),
            Subscription(self.metrics, "metrics"),
            Subscription(self.broadcaster, "viewers"),
        )
        self._supervisor = StreamSupervisor(
            url,
            engines=engines,
            settings=settings,
            observers=Observers(subscriptions),
            prepare=self._prepare,
            repeat=repeat,
            opener=opener,
            load=load,
        )

    @property
    def status(self) -> StreamStatus:
        """Where the watch stands, and why."""
        return self._supervisor.status

    def _commit_flag(self, flag: Flag) -> None:
        self._supervisor.commit_flag(flag)

    def start(self) -> None:
        """Begin to watch."""
        self._supervisor.start()

    def stop(self) -> None:
        """End for good, and tell those who look."""
        if self.inbox is not None:
            self.inbox.close()  # the watch may wait there for a first picture
        self._supervisor.stop()
        self.broadcaster.end("the source was removed")

    def pause(self) -> None:
        """Look away."""
        self._supervisor.pause()

    def resume(self) -> None:
        """Look again."""
        self._supervisor.resume()

    def _prepare(self, source: Source) -> None:
        """Follow the packets or pictures of a source for clips; on the supervisor's thread."""
        evidence = self.settings.evidence
        seconds = evidence.pre_roll + evidence.post_roll + _SPARE
        self.flagger.prepare(
            Provenance.of(source.info, engines=self._engines(), settings=self.settings),
            clips=follow(source, seconds=seconds, max_bytes=_CLIP_BYTES, settings=self.settings.source),
        )
