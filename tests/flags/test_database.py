import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy
from support import postgres_server
from support.flagging import BEGIN, flag

from monitor.errors import FlagChangedError, FlagNotFoundError, StoreError, UsageError
from monitor.flags.database import FlagQuery, FlagStore, new_id
from monitor.types import ClipState, FlagFile, Label, Opinion


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/kept/flags.db"
        return
    with postgres_server.database(request.getfixturevalue("postgres"), "flags") as address:
        yield address


def behind(url: str, statement: str) -> None:
    """Changes the database without this program."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_the_begin_of_an_id_is_resolved_literally(url: str) -> None:
    with FlagStore.open(url) as store:
        for number in (0, 1):
            store.add(flag(number), actor="ada")
        assert store.resolve(flag(0).id) == flag(0)
        assert store.resolve(flag(1).id[:13]) == flag(1)
        assert store.resolve_all([flag(1).id[:13], flag(0).id, flag(1).id]) == [flag(1), flag(0)]
        with pytest.raises(UsageError, match="several flags"):
            store.resolve("20")
        for wrong in ("", "%", "20%", "2_", flag(0).id + "0"):
            with pytest.raises(FlagNotFoundError):
                store.resolve(wrong)


class TestKeeping:
    def test_a_flag_is_equal_after_reopening(self, url: str) -> None:
        some = flag(box=None, track_id=None, probability=None, label=Label.NOT_ENOUGH_EVIDENCE)
        with FlagStore.open(url) as store:
            store.add(flag(1), actor="ada")
            store.add(some, actor="ada")
        with FlagStore.open(url) as store:
            assert store.get(flag(1).id) == flag(1)
            assert store.get(some.id) == some
            assert store.ids() == {flag(1).id, some.id}

    def test_a_review_changes_only_its_fields(self, url: str) -> None:
        with FlagStore.open(url) as store:
            store.add(flag(note="the mouth"), actor="ada")
            seen = store.review(flag().id, actor="bob", opinion=Opinion.FAKE, category="lip sync")
            assert (seen.opinion, seen.category, seen.note, seen.reviewed_by) == (
                "fake",
                "lip sync",
                "the mouth",
                "bob",
            )
            assert seen == store.get(flag().id)
            assert store.count(FlagQuery(reviewed=True)) == 1
            again = store.review(flag().id, actor="bob", reviewed=False)
            assert (again.opinion, again.reviewed_at, again.reviewed_by) == ("fake", None, "")

    def test_a_review_or_deletion_of_a_changed_flag_is_refused(self, url: str) -> None:
        with FlagStore.open(url) as store:
            store.add(flag(), actor="ada")
            seen = flag().sha256
            store.review(flag().id, actor="bob", opinion=Opinion.FAKE, expected=seen)
            with pytest.raises(FlagChangedError, match="read it again"):
                store.review(flag().id, actor="ada", opinion=Opinion.REAL, expected=seen)
            with pytest.raises(FlagChangedError):
                store.delete(flag().id, actor="ada", expected=seen)
            assert (store.get(flag().id).opinion, len(store.events())) == (Opinion.FAKE, 2)
            store.delete(flag().id, actor="ada", expected=store.get(flag().id).sha256)
            assert store.ids() == set()

    def test_files_are_attached(self, url: str) -> None:
        kept = (FlagFile("clip.mp4", "cd" * 32, 12345),)
        with FlagStore.open(url) as store:
            store.add(flag(), actor="ada")
            store.attach(flag().id, kept, clip=ClipState.KEPT)
            assert store.get(flag().id).exhibits == kept
            assert store.get(flag().id).clip is ClipState.KEPT

    def test_the_span_of_a_clip_is_kept_and_logged(self, url: str) -> None:
        with FlagStore.open(url) as store:
            store.add(flag(), actor="ada")
            store.attach(flag().id, (), clip=ClipState.KEPT, span=(11.0, 13.5))
            assert store.get(flag().id).clip_span == (11.0, 13.5)
            assert store.events()[-1].details == {"files": [], "why": "", "span": [11.0, 13.5]}
            assert store.first_fault() is None

    def test_flags_of_a_program_without_clip_spans_stay_valid(self, url: str) -> None:
        older = flag(clip=ClipState.KEPT, exhibits=(FlagFile("clip.mp4", "cd" * 32, 12345),))
        known = "d92d577eb911418a13d24600a583ca213959f5c4d61d59c244780cddcbe62a65"  # of version 0.1.0
        assert hashlib.sha256(older.canonical).hexdigest() == known
        with FlagStore.open(url) as store:
            store.add(older, actor="ada")
            assert store.events()[0].flag_sha256 == known
            found = store.get(older.id)
            assert (found.clip_span, found.clip_in_words) == (None, "kept")
            assert found.clip_warning == "the real span was not recorded, 0:10.0 to 0:14.0 was requested"
            store.review(older.id, actor="bob", opinion=Opinion.FAKE)
            assert store.first_fault() is None

    def test_an_undone_review_restores_the_one_before(self, url: str) -> None:
        with FlagStore.open(url) as store:
            store.add(flag(note="the mouth"), actor="ada")
            first = store.review(flag().id, actor="bob", opinion=Opinion.FAKE, note="sure")
            second = store.review(flag().id, actor="eve", opinion=Opinion.REAL, category="none")
            assert store.undo_review(first, second, actor="eve") == first
            assert store.undo_review(flag(note="the mouth"), first, actor="bob") == flag(note="the mouth")
            assert store.get(flag().id) == flag(note="the mouth")
            log = [(event.actor, event.action) for event in store.events()]
            assert log[-2:] == [("eve", "undone"), ("bob", "undone")]
            assert store.first_fault() is None

    def test_a_review_of_another_person_since_then_is_not_undone(self, url: str) -> None:
        with FlagStore.open(url) as store:
            store.add(flag(), actor="ada")
            first = store.review(flag().id, actor="bob", opinion=Opinion.FAKE)
            second = store.review(flag().id, actor="eve", opinion=Opinion.REAL)
            with pytest.raises(UsageError, match="eve reviewed it since"):
                store.undo_review(flag(), first, actor="bob")
            assert store.get(flag().id) == second
            assert len(store.events()) == 3

    def test_a_clip_attached_since_then_stays(self, url: str) -> None:
        with FlagStore.open(url) as store:
            store.add(flag(), actor="ada")
            after = store.review(flag().id, actor="bob", opinion=Opinion.FAKE)
            store.attach(flag().id, (), clip=ClipState.KEPT, span=(10.0, 14.0))
            undone = store.undo_review(flag(), after, actor="bob")
            assert (undone.opinion, undone.reviewed_at, undone.clip) == (None, None, ClipState.KEPT)

    def test_a_deleted_flag_leaves_only_its_id_in_the_log(self, url: str, tmp_path: Path) -> None:
        with FlagStore.open(url) as store:
            store.add(flag(note="a secret"), actor="ada")
            store.review(flag().id, actor="ada", opinion=Opinion.FAKE, category="a secret kind", note="more secret")
            store.delete(flag().id, actor="bob", why="asked for")
            with pytest.raises(FlagNotFoundError, match="there is no flag"):
                store.get(flag().id)
            assert [event.action for event in store.events(flag().id)] == ["flagged", "reviewed", "deleted"]
            assert not any(word in repr(store.events()) for word in ("secret", "fake"))
            with pytest.raises(FlagNotFoundError):
                store.delete(flag().id, actor="bob")
            assert store.first_fault() is None

    def test_ids_sort_by_time_and_differ(self) -> None:
        assert new_id(BEGIN) != new_id(BEGIN)
        assert new_id(BEGIN) < new_id(BEGIN + timedelta(seconds=1))


class TestLog:
    def test_every_change_is_a_link_of_one_chain(self, url: str) -> None:
        with FlagStore.open(url) as store:
            store.add(flag(), actor="ada")
            store.review(flag().id, actor="bob", opinion=Opinion.UNSURE)
            store.note("exported", actor="bob", flag_id=flag().id)
            log = store.events()
            assert [(event.number, event.actor, event.action) for event in log] == [
                (1, "ada", "flagged"),
                (2, "bob", "reviewed"),
                (3, "bob", "exported"),
            ]
            assert log[1].details == {"said": ["opinion"]}
            assert log[1].previous == log[0].sha256
            assert store.first_fault() is None

    @pytest.mark.parametrize(
        ("statement", "fault"),
        [
            (
                "UPDATE flags SET content = (SELECT content FROM flags ORDER BY id DESC LIMIT 1)",
                "was changed without a log entry",
            ),
            ("UPDATE events SET actor = 'eve' WHERE number = 2", "event 2 was changed"),
            ("DELETE FROM events WHERE number = 2", "event 2 is missing"),
            ("DELETE FROM flags", "was removed without a log entry"),
            ("UPDATE flags SET note = 'nothing to see'", "was changed without a log entry"),
        ],
    )
    def test_a_change_without_a_log_entry_is_detected(self, url: str, statement: str, fault: str) -> None:
        with FlagStore.open(url) as store:
            for number in range(3):
                store.add(flag(number), actor="ada")
        behind(url, statement)
        with FlagStore.open(url) as store:
            assert fault in (store.first_fault() or "")

    def test_threads_and_stores_write_one_chain(self, url: str) -> None:
        with FlagStore.open(url) as one, FlagStore.open(url) as other, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: (one if number % 2 else other).add(flag(number), actor="ada"), range(60)))
            assert one.count() == 60
            assert one.first_fault() is None
            assert [event.number for event in one.events()] == list(range(1, 61))


_WRITER = """
import sys
from support.flagging import flag
from monitor.flags.database import FlagStore
store = FlagStore.open(sys.argv[1])
for number in range(10_000):
    store.add(flag(number), actor="ada")
    print(number, flush=True)
"""


def test_a_kill_loses_no_committed_flag(url: str) -> None:
    told = 0
    path = os.pathsep.join(map(str, Path(__file__).parents[1:3]))
    for _ in range(3):
        code = _WRITER.replace("range(10_000)", f"range({told}, 10_000)")
        with subprocess.Popen(
            [sys.executable, "-c", code, url], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        ) as writer:
            assert writer.stdout is not None
            told = int(writer.stdout.readline()) + 1
            time.sleep(0.15)
            writer.kill()
            told = max([told, *(int(line) + 1 for line in writer.stdout.read().split())])
        time.sleep(0.5)  # a server finishes what the killed one had begun
        with FlagStore.open(url) as store:
            found = store.count()
            assert told <= found <= told + 1  # one may be committed that nobody was told of
            assert store.first_fault() is None
        told = found
    assert told > 3


class TestFailures:
    def test_a_database_of_a_newer_program_is_refused(self, url: str) -> None:
        FlagStore.open(url).close()
        behind(url, "UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StoreError, match="a newer program created"):
            FlagStore.open(url)

    def test_nothing_is_half_written(self, url: str) -> None:
        with FlagStore.open(url) as store:
            store.add(flag(), actor="ada")
            with pytest.raises(StoreError):
                store.add(flag(), actor="ada")
            assert store.count() == len(store.events()) == 1
