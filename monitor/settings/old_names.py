"""Settings that were renamed or moved: an old name works for one release, with a warning.

Stored reports and flags keep the names of their version, so ``rename_settings`` must know every name ever recorded.
"""

from collections.abc import Iterable, Iterator, Mapping
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
MOVED_TO_CARD: Final[Mapping[str, str]] = {
    "verdict.correlation_time": "score_process.correlation_time",
    "verdict.max_effective_samples": "score_process.max_effective_samples",
    "verdict.min_effective_samples": "score_process.min_effective_samples",
    "verdict.max_sample_logit": "score_process.max_sample_logit",
    "verdict.change_alarm": "score_process.change_threshold",
}


def rename_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings under their current names, without those that moved to the model card.

    If an old and a new name are both given, the new one wins.

    >>> rename_settings({"tracker": {"memory": 2.0, "min_hits": 3}})
    {'tracker': {'min_hits': 3, 'max_age': 2.0}}
    """
    renamed = {stage: dict(values) if isinstance(values, Mapping) else values for stage, values in settings.items()}
    for old in _used(OLD_NAMES, settings):
        (stage, name), (_, current) = old.split("."), OLD_NAMES[old].split(".")
        value = renamed[stage].pop(name)
        renamed[stage].setdefault(current, value)
    for old in _used(MOVED_TO_CARD, settings):
        stage, name = old.split(".")
        del renamed[stage][name]
    return renamed


def describe_old_names(settings: Mapping[str, Any]) -> list[str]:
    """One sentence for each old name that the settings use."""
    return [
        *(
            f"setting {old} is called {OLD_NAMES[old]} now; the old name works until {OLD_NAMES_UNTIL}"
            for old in _used(OLD_NAMES, settings)
        ),
        *(
            f"setting {old} is {MOVED_TO_CARD[old]} of the model card now; the value given here is ignored"
            for old in _used(MOVED_TO_CARD, settings)
        ),
    ]


def _used(names: Iterable[str], settings: Mapping[str, Any]) -> Iterator[str]:
    for old in names:
        stage, name = old.split(".")
        values = settings.get(stage)
        if isinstance(values, Mapping) and name in values:
            yield old
