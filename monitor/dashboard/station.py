"""All that runs behind the dashboard, in one place that the server owns: pages and routes only look it up."""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from monitor.dashboard.analyses import Analyses
from monitor.dashboard.channel import Channel
from monitor.dashboard.policy import allowed
from monitor.errors import UsageError
from monitor.evidence.archive import Archive
from monitor.pipeline import Engines
from monitor.session import Worker
from monitor.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CHANNELS: Final = 16
_TOKEN_LASTS: Final = 12 * 3600.0  # seconds (wall clock) since a page last asked for it

_current: Station | None = None
_lock = threading.Lock()


class Station:
    """The watched sources, the analyses, the flags, and who may see them.

    Args:
        settings: of everything.
        archive: open; closed with the station.
    """

    def __init__(self, settings: Settings, archive: Archive) -> None:
        self.settings = settings
        self.archive = archive
        self.repaired = archive.exhibits.repair(archive.store)
        archive.tidy(settings.evidence, now=datetime.now(UTC))
        self._worker = Worker("clips")
        self._channels: dict[str, Channel] = {}
        self._engines: Engines | None = None
        self._loading, self._admitting = threading.Lock(), threading.Lock()
        self._tokens: dict[str, float] = {}  # -> monotonic time of the last use
        self.analyses = Analyses(archive.folder / "analyses", settings=settings, engines=self.engines)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """A station over the archive that the settings name.

        Raises:
            StoreError: the database cannot be opened.
            OutputError: a file of a flag cannot be read.
        """
        return cls(settings, Archive.open(settings.evidence))

    def close(self) -> None:
        """Stop all watching, write what clips can be had, let go of the database."""
        for channel in self.channels:
            channel.stop()
        self.analyses.close()
        self._worker.close()
        self.archive.store.close()

    def engines(self) -> Engines:
        """The networks, loaded when they are first needed; may take a minute.

        Raises:
            MonitorError: there are no weights, or no engine can run them.
        """
        with self._loading:
            if self._engines is None:
                self._engines = Engines.load(self.settings)
            return self._engines

    @property
    def loaded(self) -> Engines | None:
        """The networks, if they are loaded."""
        return self._engines

    @property
    def channels(self) -> Sequence[Channel]:
        """All watched sources, in the order they were added."""
        return tuple(self._channels.values())

    def channel(self, channel_id: str) -> Channel | None:
        """One of them; None if it was removed."""
        return self._channels.get(channel_id)

    def add(self, url: str, *, name: str = "", repeat: bool = False, trusted: bool = False) -> Channel:
        """Watch one more source.

        Args:
            url: as a person typed it.
            name: what people call it.
            repeat: play a file again when it is over.
            trusted: named where the server was started, not in a browser: may be any file.

        Raises:
            UsageError: there are enough, or the address is not one that a browser may ask for.
        """
        if len(self._channels) >= MOST_CHANNELS:
            msg = f"{MOST_CHANNELS} sources are watched already: remove one first"
            raise UsageError(msg)
        if not trusted:
            allowed(url, folders=self.settings.dashboard.media_folders)
        channel = Channel(
            url.strip(),
            name=name.strip(),
            engines=self.engines,
            settings=self.settings,
            archive=self.archive,
            worker=self._worker,
            repeat=repeat,
        )
        self._channels[channel.id] = channel
        channel.start()
        return channel

    def remove(self, channel_id: str) -> None:
        """Stop watching a source; its flags stay."""
        channel = self._channels.pop(channel_id, None)
        if channel is not None:
            channel.stop()

    def admit(self) -> str:
        """A token for one page: what its WebSockets, pictures and downloads must show."""
        token = secrets.token_urlsafe(24)
        with self._admitting:
            self._tokens[token] = time.monotonic()
        return token

    def admitted(self, token: str) -> bool:
        """Whether a token was handed out, and not long ago; asking keeps it alive."""
        now = time.monotonic()
        with self._admitting:
            for old in [one for one, used in self._tokens.items() if now - used > _TOKEN_LASTS]:
                del self._tokens[old]
            if token not in self._tokens:
                return False
            self._tokens[token] = now
            return True


def current() -> Station:
    """The station of this process; opened with the settings of the working directory and environment if need be.

    Raises:
        MonitorError: it cannot be opened.
    """
    global _current
    with _lock:
        if _current is None:
            _current = Station.open(load_settings())
        return _current


def install(station: Station | None) -> None:
    """Make this the station of the process; None: there is none any more."""
    global _current
    with _lock:
        _current = station
