"""Locks between processes, on a real PostgreSQL server; tests/server/test_shared_database.py has their use."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.waiting import until

from monitor.errors import StoreError
from monitor.system.database import Database


@pytest.fixture
def two(shared_database: str) -> Iterator[tuple[Database, Database]]:
    """The databases of two processes."""
    with Database.open(shared_database) as one, Database.open(shared_database) as other:
        yield one, other


def test_a_lock_is_held_by_one_process(two: tuple[Database, Database]) -> None:
    one, other = (database.locks for database in two)
    assert one.take("a")
    assert (one.holds("a"), other.holds("a")) == (True, False)
    assert not one.take("a"), "not twice by the same process either"
    assert not other.take("a")
    assert other.take("b")
    one.release("a")
    one.release("a")
    assert not one.holds("a")
    assert other.take("a")
    other.close()
    assert one.take("a")
    assert one.take("b")


def test_a_lost_connection_ends_the_locks(two: tuple[Database, Database]) -> None:
    one, other = two
    assert one.locks.take("a")
    with other.writing() as connection:
        terminate = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        connection.exec_driver_sql(terminate)
    with pytest.raises(StoreError, match="cannot be read or written"):
        until(lambda: not one.locks.holds("a"))
    assert not one.locks.holds("a")
    assert other.locks.take("a")
    assert not one.locks.take("a")


_HOLDER = """
import sys, time
from monitor.system.database import Database
print(Database.open(sys.argv[1]).locks.take("a"), flush=True)
time.sleep(60)
"""


def test_a_killed_process_leaves_no_lock(shared_database: str) -> None:
    command = [sys.executable, "-c", _HOLDER, shared_database]
    with (
        Database.open(shared_database) as database,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not database.locks.take("a")
        holder.kill()
        until(lambda: database.locks.take("a"))


def test_in_a_file_the_locks_are_those_of_the_process(tmp_path: Path) -> None:
    with Database.open(f"sqlite:///{tmp_path}/flags.db") as database:
        assert database.locks.take("a")
        assert not database.locks.take("a")
        assert database.locks.holds("a")
        database.locks.release("a")
        assert not database.locks.holds("a")
