"""The text that people read."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from monitor.server.notify.notices import HeldSource, Notice, describe_digest, describe_notice
from monitor.types import Label

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 11, 30, 20, 14, 5, tzinfo=UTC)
FAKE = Notice(
    kind="likely_fake",
    source="Door",
    source_id="1",
    at=AT,
    label=Label.LIKELY_FAKE,
    before=Label.LIKELY_REAL,
    probability=0.94,
    face=2,
)


def test_a_label_change_is_five_short_lines() -> None:
    message = describe_notice(FAKE, zone=BERLIN, url="https://example.org/faces")
    assert message.title == "Door: face 2 is likely fake"
    assert message.body.splitlines() == [
        "Face 2 in Door is likely fake, P(fake) 94 %.",
        "Before: likely real.",
        "Time: 2026-11-30 21:14:05 CET.",
        "An indication, not proof.",
        "https://example.org/faces",
    ]
    assert message.severity == 2


def test_without_an_address_there_is_no_link() -> None:
    assert "http" not in describe_notice(FAKE, zone=UTC, url="").body


def test_a_flag_leads_to_the_review() -> None:
    flag = Notice(kind="flag", source="Door", source_id="1", at=AT, reporter="ada", detail="odd mouth")
    message = describe_notice(flag, zone=UTC, url="https://example.org")
    assert (message.title, message.body.splitlines()) == (
        "Door: a moment was flagged",
        ["ada flagged a moment of Door.", "Note: odd mouth", "Time: 2026-11-30 20:14:05 UTC.",
         "https://example.org/review"],
    )  # fmt: skip
    automatic = Notice(kind="flag", source="Door", source_id="1", at=AT, face=3, label=Label.SUSPICIOUS)
    assert (
        "The program flagged a moment of Door: face 3, suspicious." in describe_notice(automatic, zone=UTC, url="").body
    )


def test_a_loss_says_why_and_what_happens_next() -> None:
    lost = Notice(kind="stream_lost", source="Door", source_id="1", at=AT, detail="no answer within 5 s")
    message = describe_notice(lost, zone=UTC, url="")
    assert message.title == "Door: no picture"
    assert message.body.splitlines()[:2] == [
        "Door sends no picture: no answer within 5 s.",
        "The program tries again by itself.",
    ]
    failed = Notice(kind="stream_lost", source="Door", source_id="1", at=AT, is_final=True)
    assert "does not try again: resume the source on the page Live" in describe_notice(failed, zone=UTC, url="").body
    back = Notice(kind="stream_back", source="Door", source_id="1", at=AT)
    assert describe_notice(back, zone=UTC, url="").title == "Door: the picture is back"


def test_a_digest_counts_by_source_the_worst_first() -> None:
    yard = Notice(kind="stream_lost", source="Yard", source_id="2", at=AT)
    sources = [HeldSource(worst=one, first=one.at, last=one.at) for one in (yard, FAKE)]
    sources[0].add(yard)
    for kind in ("likely_fake", "likely_fake", "flag"):
        sources[1].add(Notice(kind=kind, source="Door", source_id="1", at=AT.replace(hour=22)))
    message = describe_digest(sources, zone=BERLIN, url="https://example.org")
    assert message.title == "4 events in 2 sources"
    assert message.body.splitlines() == [
        "Door, 21:14 to 23:14: likely fake 2 times, flagged once. Worst: face 2, likely fake, P(fake) 94 %, at "
        "2026-11-30 21:14:05 CET.",
        "Yard, 21:14: picture lost once.",
        "An indication, not proof.",
        "https://example.org",
    ]
