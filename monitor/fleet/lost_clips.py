"""The clips that a lost host has not written: they are recorded as missing, with the reason."""

import logging
import threading
import time
from collections import defaultdict
from typing import Final

from monitor.errors import FlagChangedError, FlagNotFoundError, MonitorError
from monitor.flags.archive import FlagArchive
from monitor.types import ClipState, Flag

_MAX_WAIT: Final = 300.0  # seconds (wall clock) after which a clip is no longer expected: it is written or missing

_log = logging.getLogger(__name__)


class LostClips:
    """Remembers which host will write the clip of a flag."""

    def __init__(self, archive: FlagArchive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._expected: dict[str, dict[str, float]] = defaultdict(dict)  # host -> flag id -> when noted, monotonic

    def expect(self, flag: Flag, *, host: str) -> None:
        """Note a flag whose clip a host will write."""
        now = time.monotonic()
        with self._lock:
            kept = {known: at for known, at in self._expected[host].items() if now - at < _MAX_WAIT}
            self._expected[host] = kept | {flag.id: now}

    def settle(self, host: str, *, why: str) -> int:
        """Record the clips that a lost host has not written as missing; returns their number."""
        with self._lock:
            expected = self._expected.pop(host, {})
        missing = 0
        for flag_id in expected:
            try:
                settled = self._archive.give_up_clip(flag_id, why=why)
                missing += settled.clip is ClipState.MISSING and settled.clip_why == why
            except (FlagChangedError, FlagNotFoundError):
                continue  # settled or deleted meanwhile
            except MonitorError as error:
                _log.warning("the clip of flag %s could not be recorded as missing: %s", flag_id, error)
        return missing
