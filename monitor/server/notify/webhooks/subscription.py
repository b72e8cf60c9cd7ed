"""A subscription: an address that receives some of the events."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from monitor.server.notify.webhooks.destination import shown_url
from monitor.types import Label
from monitor.types.events import Event, FlagCommitted, LabelChanged, SegmentClosed, StreamClosed
from monitor.types.serialise import JsonObject

OfferedType = Literal[  # without frame_analysed: 25 in a second
    "label_changed",
    "segment_closed",
    "flag_committed",
    "stream_state_changed",
    "hint_raised",
    "stream_closed",
    "stream_opened",
]
OFFERED_TYPES: Final[tuple[OfferedType, ...]] = get_args(OfferedType)
DEFAULT_TYPES: Final[tuple[OfferedType, ...]] = tuple(kind for kind in OFFERED_TYPES if kind != "stream_opened")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamNames:
    """The names by which a filter knows a stream."""

    id: str  # changes with each start of the server
    name: str  # display name
    address: str  # secrets masked


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFilters:
    """The events of a subscription; an empty filter passes everything.

    Labels and limits hold for events with a label only (label_changed, segment_closed, flag_committed, stream_closed).
    """

    streams: tuple[str, ...] = ()  # ids, display names or masked addresses; case-insensitive
    labels: tuple[Label, ...] = ()
    min_probability: float | None = None  # of P(fake); of a segment, of its highest score
    min_confidence: float | None = None  # calibrated probability of the label, as in Verdict.confidence

    def to_dict(self) -> JsonObject:
        """The filters as JSON values."""
        return asdict(self) | {"streams": list(self.streams), "labels": [label.value for label in self.labels]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "WebhookFilters":
        """The filters from the JSON values of :meth:`to_dict`."""
        labels, streams = tuple(map(Label, values["labels"])), tuple(values["streams"])
        return cls(**dict(values) | {"labels": labels, "streams": streams})

    def passes(self, event: Event, stream: StreamNames) -> bool:
        """Whether a subscription with these filters receives an event."""
        if self.streams:
            names = {stream.id.casefold(), stream.name.casefold(), stream.address.casefold()}
            if names.isdisjoint(wanted.casefold() for wanted in self.streams):
                return False
        judged = _judged(event)
        if judged is None:
            return True
        label, probability = judged
        return (
            (not self.labels or label in self.labels)
            and _reaches(probability, self.min_probability)
            and _reaches(_confidence(label, probability), self.min_confidence)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSubscription:
    """An address, the secret that signs its messages, and the events that it receives."""

    id: str
    name: str  # for people; "" if nobody gave one
    url: str = field(repr=False)
    secret: str = field(repr=False)  # whsec_...
    types: tuple[str, ...]  # of events
    filters: WebhookFilters = WebhookFilters()
    enabled: bool = True
    disabled_because: str = ""  # "" while enabled
    created_at: datetime  # UTC

    @property
    def shown_url(self) -> str:
        """The address without its secrets."""
        return shown_url(self.url)

    @property
    def title(self) -> str:
        """Text for people: "newsroom (https://hooks.example.org/***)"."""
        return f"{self.name} ({self.shown_url})" if self.name else self.shown_url

    def wants(self, event: Event, stream: StreamNames) -> bool:
        """Whether it receives an event."""
        return self.enabled and event.type in self.types and self.filters.passes(event, stream)

    def to_dict(self) -> JsonObject:
        """The subscription as JSON values, without its secrets."""
        return {
            "id": self.id,
            "name": self.name,
            "url": self.shown_url,
            "types": list(self.types),
            "filters": self.filters.to_dict(),
            "enabled": self.enabled,
            "disabled_because": self.disabled_because,
            "created_at": self.created_at.isoformat(),
        }


def _judged(event: Event) -> tuple[Label, float | None] | None:
    """The label of an event and its P(fake); None if the event has none."""
    match event:
        case LabelChanged():
            return event.change.after, event.verdict.probability
        case SegmentClosed():
            return event.segment.label, event.segment.peak
        case FlagCommitted():
            return event.flag.label, event.flag.probability
        case StreamClosed():
            return event.verdict.label, event.verdict.probability
        case _:
            return None


def _confidence(label: Label, probability: float | None) -> float | None:
    if probability is None or label is Label.NOT_ENOUGH_EVIDENCE:
        return None
    return 1.0 - probability if label is Label.LIKELY_REAL else probability


def _reaches(value: float | None, limit: float | None) -> bool:
    return limit is None or (value is not None and value >= limit)
