from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.observations import EVENTS

from monitor.server.notify.webhooks.subscription import (
    DEFAULT_TYPES,
    OFFERED_TYPES,
    StreamNames,
    WebhookFilters,
    WebhookSubscription,
)
from monitor.types import Label, Reason
from monitor.types.events import Event, LabelChanged, StreamClosed

DOOR = StreamNames(id="1a", name="Front door", address="rtsp://cam/live")
BY_TYPE = {event.type: event for event in EVENTS}
CHANGED = BY_TYPE["label_changed"]
assert isinstance(CHANGED, LabelChanged)  # to LIKELY_FAKE with P(fake) 0.93


def subscription(types: tuple[str, ...] = DEFAULT_TYPES, **filters: object) -> WebhookSubscription:
    return WebhookSubscription(
        id="w1",
        name="newsroom",
        url="https://ada:hush@hooks.test/hush",
        secret="whsec_hush",  # noqa: S106
        types=types,
        filters=WebhookFilters(**filters),  # type: ignore[arg-type]
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def relabelled(label: Label, probability: float | None) -> Event:
    reasons = (Reason.TOO_SMALL,) if label is Label.NOT_ENOUGH_EVIDENCE else ()
    verdict = replace(CHANGED.verdict, label=label, probability=probability, reasons=reasons)
    return replace(CHANGED, change=replace(CHANGED.change, after=label), verdict=verdict)


def test_every_type_of_event_but_frames_is_offered() -> None:
    assert set(OFFERED_TYPES) == BY_TYPE.keys() - {"frame_analysed"}
    wanted = [event.type for event in EVENTS if subscription().wants(event, DOOR)]
    assert set(wanted) == set(DEFAULT_TYPES)


def test_types_are_chosen() -> None:
    wanted = [event.type for event in EVENTS if subscription(("hint_raised",)).wants(event, DOOR)]
    assert wanted == ["hint_raised"]


def test_a_disabled_subscription_wants_nothing() -> None:
    assert not replace(subscription(), enabled=False).wants(CHANGED, DOOR)


@pytest.mark.parametrize(
    ("streams", "wants"),
    [(["front DOOR"], True), (["1a"], True), (["rtsp://cam/live"], True), (["Back door"], False), ([], True)],
)
def test_a_stream_is_chosen_by_id_name_or_address(streams: list[str], wants: bool) -> None:
    assert subscription(streams=tuple(streams)).wants(CHANGED, DOOR) is wants


def test_labels_are_chosen_for_events_with_a_label() -> None:
    only_fakes = subscription(labels=(Label.LIKELY_FAKE,))
    assert only_fakes.wants(CHANGED, DOOR)
    assert not only_fakes.wants(relabelled(Label.LIKELY_REAL, 0.1), DOOR)
    assert not only_fakes.wants(BY_TYPE["segment_closed"], DOOR), "it is suspicious"
    assert not only_fakes.wants(BY_TYPE["flag_committed"], DOOR), "it is suspicious"
    assert only_fakes.wants(BY_TYPE["stream_closed"], DOOR)
    assert only_fakes.wants(BY_TYPE["stream_state_changed"], DOOR), "it has no label"


def test_a_minimum_probability_concerns_fakes() -> None:
    limited = subscription(min_probability=0.8)
    assert limited.wants(CHANGED, DOOR)
    assert not limited.wants(relabelled(Label.SUSPICIOUS, 0.7), DOOR)
    assert not limited.wants(relabelled(Label.LIKELY_REAL, 0.05), DOOR)
    assert not limited.wants(relabelled(Label.NOT_ENOUGH_EVIDENCE, None), DOOR)
    assert limited.wants(BY_TYPE["segment_closed"], DOOR), "its peak is 0.8"
    assert limited.wants(BY_TYPE["hint_raised"], DOOR), "it has no probability"


def test_a_minimum_confidence_concerns_the_label() -> None:
    limited = subscription(min_confidence=0.9)
    assert limited.wants(CHANGED, DOOR)
    assert limited.wants(relabelled(Label.LIKELY_REAL, 0.05), DOOR)
    assert not limited.wants(relabelled(Label.LIKELY_REAL, 0.2), DOOR)
    assert not limited.wants(relabelled(Label.NOT_ENOUGH_EVIDENCE, 0.5), DOOR)
    assert isinstance(BY_TYPE["stream_closed"], StreamClosed)
    assert limited.wants(BY_TYPE["stream_closed"], DOOR)


def test_filters_survive_json() -> None:
    filters = WebhookFilters(streams=("a",), labels=(Label.SUSPICIOUS,), min_probability=0.5, min_confidence=0.6)
    assert WebhookFilters.from_dict(filters.to_dict()) == filters
    assert WebhookFilters.from_dict(WebhookFilters().to_dict()) == WebhookFilters()


def test_no_text_shows_a_secret() -> None:
    one = subscription()
    assert one.title == "newsroom (https://hooks.test/***)"
    assert replace(one, name="").title == "https://hooks.test/***"
    assert "hush" not in repr(one) + str(one.to_dict()) + one.title
