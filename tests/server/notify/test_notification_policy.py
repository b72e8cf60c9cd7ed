"""Cool-down, quiet hours and digest, with a clock that the test sets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.server.notify.notices import Notice
from monitor.server.notify.notification_policy import NotificationPolicy
from monitor.settings import NotificationSettings, NotifiedEvent
from monitor.types import Label


class Simulation:
    """A policy and both of its clocks."""

    def __init__(self, *, start: str = "2026-11-30T12:00", **settings: Any) -> None:
        self.policy = NotificationPolicy(NotificationSettings(**settings))
        self.now = datetime.fromisoformat(start).replace(tzinfo=UTC)
        self.clock = 1000.0

    def wait(self, **time: float) -> None:
        span = timedelta(**time)
        self.now, self.clock = self.now + span, self.clock + span.total_seconds()

    def admit(self, kind: NotifiedEvent, source: str = "door", **facts: Any) -> bool:
        notice = Notice(kind=kind, source=source.title(), source_id=source, at=self.now, **facts)
        return self.policy.admit(notice, now=self.now, clock=self.clock)

    def digest(self) -> dict[str, dict[str, int]]:
        sources = self.policy.take_digest(now=self.now, clock=self.clock)
        return {source.name: dict(source.counts) for source in sources}


def test_a_source_is_quiet_during_its_cool_down_and_others_are_not() -> None:
    sim = Simulation(cooldown=300)
    assert sim.admit("suspicious")
    sim.wait(seconds=299)
    assert not sim.admit("suspicious")
    assert sim.admit("suspicious", "yard")
    sim.wait(seconds=1)
    assert sim.admit("suspicious")


def test_without_a_cool_down_everything_is_sent() -> None:
    sim = Simulation(cooldown=0)
    assert all(sim.admit("suspicious") for _ in range(5))
    assert sim.policy.held == 0


def test_the_held_notices_are_counted_while_another_thread_holds_one_more() -> None:
    sim = Simulation()
    for _ in range(3):
        sim.admit("flag")

    class Growing(dict[str, Any]):
        def values(self) -> Any:
            for value in super().values():
                self["yard"] = value  # as the thread of the notifications does
                yield value

    sim.policy._held = Growing(sim.policy._held)
    assert sim.policy.held == 2
    sim.policy._held = dict(sim.policy._held)
    sim.wait(hours=1)
    assert sim.digest() == {"Door": {"flag": 2}}
    assert sim.policy.held == 0


def test_a_worse_label_is_sent_at_once_but_only_once() -> None:
    sim = Simulation()
    assert sim.admit("stream_lost")
    assert sim.admit("suspicious")
    assert not sim.admit("flag")
    assert sim.admit("likely_fake")
    assert not sim.admit("likely_fake")
    sim.wait(seconds=301)
    assert sim.admit("suspicious"), "the cool-down is over"
    assert sim.admit("likely_fake")


def test_people_who_know_of_a_loss_hear_of_the_return() -> None:
    sim = Simulation()
    assert [sim.admit(kind) for kind in ("stream_lost", "stream_back", "stream_lost", "stream_back")] == [
        True, True, False, False,
    ]  # fmt: skip
    sim.wait(minutes=15)
    assert sim.digest() == {"Door": {"stream_lost": 1, "stream_back": 1}}


def test_what_is_held_is_one_digest() -> None:
    sim = Simulation(cooldown=300, digest_minutes=15)
    sim.admit("likely_fake")
    assert not any(sim.admit("likely_fake", probability=0.9, face=number) for number in range(100))
    assert not sim.admit("suspicious")
    sim.wait(minutes=14)
    assert sim.digest() == {}
    sim.wait(minutes=1)
    assert sim.policy.held == 101
    assert sim.digest() == {"Door": {"likely_fake": 100, "suspicious": 1}}
    assert sim.policy.held == 0
    sim.wait(hours=1)
    assert sim.digest() == {}, "an empty digest is not sent"


def test_a_digest_names_the_worst_notice_and_the_span() -> None:
    sim = Simulation()
    begin = sim.now
    sim.admit("likely_fake")
    for face, probability in ((1, 0.91), (2, 0.97), (3, 0.92)):
        sim.wait(seconds=60)
        sim.admit("likely_fake", face=face, probability=probability, label=Label.LIKELY_FAKE)
    sim.wait(minutes=15)
    source = sim.policy.take_digest(now=sim.now, clock=sim.clock)[0]
    assert (source.worst.face, source.worst.probability) == (2, 0.97)
    assert (source.first - begin, source.last - begin) == (timedelta(minutes=1), timedelta(minutes=3))


def test_quiet_hours_hold_everything_across_midnight() -> None:
    sim = Simulation(start="2026-11-30T21:59", quiet_hours="22:00-07:00")
    assert sim.admit("suspicious")
    sim.wait(minutes=1)
    assert not sim.admit("likely_fake"), "even a worse label"
    sim.wait(hours=3)
    assert not sim.admit("likely_fake", "yard"), "after midnight"
    sim.wait(hours=5, minutes=59)
    assert sim.digest() == {}
    sim.wait(minutes=1)
    assert f"{sim.now:%H:%M}" == "07:00"
    assert sim.digest() == {"Door": {"likely_fake": 1}, "Yard": {"likely_fake": 1}}
    assert sim.admit("likely_fake")


def test_quiet_hours_within_a_day() -> None:
    sim = Simulation(start="2026-11-30T12:59", quiet_hours="13:00-14:30")
    found = []
    for _ in range(4):
        found.append(sim.policy.is_quiet(sim.now))
        sim.wait(minutes=45)
    assert found == [False, True, True, False]


@pytest.mark.parametrize(
    ("moment", "is_quiet"),
    [
        ("2026-07-01T19:59", False),  # 21:59 in summer
        ("2026-07-01T20:00", True),
        ("2026-07-02T04:59", True),
        ("2026-07-02T05:00", False),
        ("2026-12-01T20:00", False),  # 21:00 in winter
        ("2026-12-01T21:00", True),
        ("2026-12-02T06:00", False),
    ],
)
def test_quiet_hours_follow_the_clocks_of_their_zone(moment: str, is_quiet: bool) -> None:
    sim = Simulation(start=moment, quiet_hours="22:00-07:00", time_zone="Europe/Berlin")
    assert sim.policy.is_quiet(sim.now) is is_quiet


@pytest.mark.parametrize(
    ("evening", "hours"),
    [
        ("2026-03-28T21:00", 8),  # clocks go forward in this night: 22:00 CET to 07:00 CEST
        ("2026-10-24T20:00", 10),  # clocks go back: 22:00 CEST to 07:00 CET
        ("2026-11-30T21:00", 9),
    ],
)
def test_a_night_in_which_the_clocks_change_ends_at_seven(evening: str, hours: int) -> None:
    sim = Simulation(start=evening, quiet_hours="22:00-07:00", time_zone="Europe/Berlin")
    assert not sim.admit("suspicious")
    sim.wait(hours=hours, seconds=-1)
    assert sim.digest() == {}
    sim.wait(seconds=1)
    assert sim.digest() == {"Door": {"suspicious": 1}}
    assert f"{sim.now.astimezone(sim.policy.zone):%H:%M}" == "07:00"


def test_a_clock_that_is_set_does_not_lengthen_a_cool_down() -> None:
    sim = Simulation(cooldown=300)
    sim.admit("suspicious")
    sim.now -= timedelta(days=365)
    sim.clock += 301
    assert sim.admit("suspicious")


def test_a_removed_source_begins_anew() -> None:
    sim = Simulation()
    assert sim.admit("suspicious")
    sim.policy.forget("door")
    assert sim.admit("suspicious")
