"""The append-only audit log."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.server.auth.audit import AuditLog
from monitor.system.database import Database


def test_lines_are_stored_and_the_newest_comes_first(database: Database) -> None:
    audit = AuditLog(database)
    audit.note("signed in", person="ada", what="admin", client="10.0.0.1")
    audit.note("source added", person="ada", what="rtsp://ada:***@cam/live")
    newest, oldest = audit.last(10)
    assert (oldest.person, oldest.action, oldest.what, oldest.client) == ("ada", "signed in", "admin", "10.0.0.1")
    assert (newest.action, newest.client) == ("source added", "")
    assert newest.number > oldest.number
    assert abs(datetime.fromisoformat(oldest.at) - datetime.now(UTC)) < timedelta(minutes=1)
    assert audit.last(1) == [newest]


def test_long_values_are_cut(database: Database) -> None:
    audit = AuditLog(database)
    audit.note("a" * 99, person="b" * 999, what="c" * 9999, client="d" * 99)
    (entry,) = audit.last(1)
    assert [len(text) for text in (entry.action, entry.person, entry.what, entry.client)] == [32, 200, 1000, 64]


@pytest.mark.parametrize("change", ["DELETE FROM audit", "UPDATE audit SET person = 'eve'"])
def test_lines_cannot_be_changed(database: Database, tmp_path: Path, change: str) -> None:
    AuditLog(database).note("signed in", person="ada")
    past = sqlite3.connect(tmp_path / "flags.db")
    with pytest.raises(sqlite3.IntegrityError, match="only added to"):
        past.execute(change)
    past.close()
    assert [entry.person for entry in AuditLog(database).last(9)] == ["ada"]
