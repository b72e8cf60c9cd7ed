"""Which notices are sent at once, and which wait for the digest: cool-down and quiet hours."""

from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from monitor.server.notify.notices import HeldSource, Notice
from monitor.settings import NotificationSettings

_MINUTE: Final = 60.0  # seconds


class NotificationPolicy:
    """Holds notices back instead of a flood. Not thread-safe, but any thread may read ``held``.

    The caller gives the time: ``now`` (UTC) for the quiet hours, ``clock`` (monotonic seconds) for durations.
    """

    def __init__(self, settings: NotificationSettings) -> None:
        self._settings = settings
        self.zone = ZoneInfo(settings.time_zone or "UTC")
        hours = settings.quiet_hours
        self._quiet = (time.fromisoformat(hours[:5]), time.fromisoformat(hours[6:])) if hours else None
        self._last: dict[str, tuple[float, int]] = {}  # by source: clock of the last message, worst severity since
        self._reported_lost: set[str] = set()  # sources of which people know that they are lost
        self._held: dict[str, HeldSource] = {}
        self.held = 0  # notices; other threads read it
        self._held_since = 0.0  # clock, of the oldest held notice
        self.worst_held: Notice | None = None

    def is_quiet(self, now: datetime) -> bool:
        """Whether a moment is in the quiet hours, by the clocks on the walls of the time zone."""
        if self._quiet is None:
            return False
        begin, end = self._quiet
        local = now.astimezone(self.zone).time()
        return begin <= local < end if begin < end else local >= begin or local < end

    def admit(self, notice: Notice, *, now: datetime, clock: float) -> bool:
        """Whether a notice is sent now; if not, it is held for the digest."""
        if self.is_quiet(now) or not self._passes(notice, clock):
            self._hold(notice, clock)
            return False
        worst = notice.severity
        if self._is_cooling(notice.source_id, clock):
            worst = max(worst, self._last[notice.source_id][1])
        self._last[notice.source_id] = clock, worst
        if notice.kind == "stream_lost":
            self._reported_lost.add(notice.source_id)
        else:
            self._reported_lost -= {notice.source_id} if notice.kind == "stream_back" else set()
        return True

    def _is_cooling(self, source_id: str, clock: float) -> bool:
        return source_id in self._last and clock - self._last[source_id][0] < self._settings.cooldown

    def _passes(self, notice: Notice, clock: float) -> bool:
        """Whether the cool-down is over, or the notice is worse, or corrects a message that people have."""
        if not self._is_cooling(notice.source_id, clock):
            return True
        is_correction = notice.kind == "stream_back" and notice.source_id in self._reported_lost
        return is_correction or notice.severity > self._last[notice.source_id][1]

    def _hold(self, notice: Notice, clock: float) -> None:
        if not self._held:
            self._held_since = clock
        source = self._held.setdefault(notice.source_id, HeldSource(worst=notice, first=notice.at, last=notice.at))
        source.add(notice)
        self.held += 1
        if self.worst_held is None or notice.severity > self.worst_held.severity:
            self.worst_held = notice

    def take_digest(self, *, now: datetime, clock: float, at_once: bool = False) -> list[HeldSource]:
        """The held notices, if the digest is due; they are held no longer.

        Args:
            now: UTC.
            clock: monotonic seconds.
            at_once: also before ``digest_minutes`` are over; not in the quiet hours.
        """
        is_due = at_once or clock - self._held_since >= self._settings.digest_minutes * _MINUTE
        if not self._held or not is_due or self.is_quiet(now):
            return []
        sources = list(self._held.values())
        self._held, self.held, self.worst_held = {}, 0, None
        return sources

    def forget(self, source_id: str) -> None:
        """Forget a removed source; its held notices stay."""
        self._last.pop(source_id, None)
        self._reported_lost.discard(source_id)
