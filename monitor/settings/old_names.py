"""Settings that were renamed: the old name works for one release.

Remove an entry, or this module, in version ``OLD_NAMES_UNTIL``; readers of stored reports need it longer.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

OLD_NAMES_UNTIL: Final = "0.3"
OLD_NAMES: Final[Mapping[str, str]] = {
    "source.memory_megabytes": "source.memory_limit",
    "source.longest_pause": "source.max_backoff",
    "source.attempts": "source.max_retries",
    "tracker.detect_every": "tracker.detect_interval",
    "tracker.search_every": "tracker.search_interval",
    "tracker.memory": "tracker.max_age",
    "tracker.match_iou": "tracker.iou_threshold",
    "classifier.score_every": "classifier.min_score_interval",
    "verdict.dwell": "verdict.debounce",
    "verdict.memory": "verdict.decay_time",
    "verdict.stale_after": "verdict.timeout",
    "service.heartbeat_every": "service.heartbeat_interval",
}


def rename_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings under their current names; if an old and a new name are both given, the new one wins.

    >>> rename_settings({"tracker": {"memory": 2.0, "min_hits": 3}})
    {'tracker': {'min_hits': 3, 'max_age': 2.0}}
    """
    renamed = {stage: dict(values) if isinstance(values, Mapping) else values for stage, values in settings.items()}
    for old in find_old_names(settings):
        (stage, name), (_, current) = old.split("."), OLD_NAMES[old].split(".")
        value = renamed[stage].pop(name)
        renamed[stage].setdefault(current, value)
    return renamed


def find_old_names(settings: Mapping[str, Any]) -> Iterator[str]:
    """Old dotted names that the settings use, in the order of ``OLD_NAMES``."""
    for old in OLD_NAMES:
        stage, name = old.split(".")
        values = settings.get(stage)
        if isinstance(values, Mapping) and name in values:
            yield old
