"""Two server processes on one PostgreSQL database: what they share is done once, and none destroys the other's work."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy
from support import postgres_server
from support.visitors import PASSWORD, QUICK
from support.waiting import until
from support.webhook_receiver import Receiver, receiving

from monitor.errors import ConflictError, UsageError
from monitor.server.auth.accounts import Accounts
from monitor.server.auth.api_keys import ApiKeys
from monitor.server.auth.audit import AuditLog
from monitor.server.auth.user import Role
from monitor.server.idempotency_keys import CompletedRequest, IdempotencyKeys
from monitor.server.notify.webhooks.delivery import WebhookDelivery
from monitor.server.notify.webhooks.outbox import DeliveryState, NewDelivery, WebhookOutbox
from monitor.server.notify.webhooks.sender import WebhookSender
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.settings import WebhookSettings
from monitor.system import database as module
from monitor.system.database import Database

SETTINGS = WebhookSettings(private_networks=True, timeout=20.0)


@pytest.fixture
def two(shared_database: str) -> Iterator[tuple[Database, Database]]:
    """The databases of two processes."""
    with Database.open(shared_database) as one, Database.open(shared_database) as other:
        yield one, other


_OPENING = "import sys; from monitor.system.database import Database; Database.open(sys.argv[1]).close()"


def test_two_processes_that_start_at_once_migrate_one_after_the_other(postgres: Path) -> None:
    with postgres_server.database(postgres, "fresh") as url, ExitStack() as stack:
        engine = sqlalchemy.create_engine(url)
        stack.callback(engine.dispose)
        with engine.begin() as first:
            first.exec_driver_sql(f"SELECT pg_advisory_xact_lock({module._MIGRATION_LOCK})")
            command = [sys.executable, "-c", _OPENING, url]
            started = [stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE)) for _ in range(2)]
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            until(lambda: first.exec_driver_sql(waiting).scalar() == 2)
        for process in started:
            assert process.wait(60) == 0, process.stderr.read().decode() if process.stderr else ""
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar() == 1


def test_an_account_that_two_processes_add_at_once_exists_once(two: tuple[Database, Database]) -> None:
    def add(database: Database) -> str:
        try:
            return Accounts(database, hasher=QUICK).add("ada", role=Role.ADMIN, password=PASSWORD).name
        except UsageError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(add, two))
    assert told[0] == "ada"
    assert "already has an account" in told[1]
    assert [account.name for account in Accounts(two[1]).all()] == ["ada"]
    assert Accounts(two[1], hasher=QUICK).check("ada", PASSWORD).name == "ada"


def test_a_key_of_one_process_is_known_and_removed_in_the_other(two: tuple[Database, Database]) -> None:
    one, other = map(ApiKeys, two)
    key, secret = one.create("robot", role=Role.VIEWER)
    assert other.check(secret).id == key.id
    other.remove(key.id)
    assert one.all() == []


def test_all_lines_of_the_audit_log_are_kept(two: tuple[Database, Database]) -> None:
    logs = [AuditLog(database) for database in two]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: logs[number % 2].note("uploaded", person="ada", what=str(number)), range(40)))
    lines = logs[0].last(100)
    assert sorted(int(line.what) for line in lines) == list(range(40))
    assert len({line.number for line in lines}) == 40


def test_an_idempotency_key_is_held_by_one_process_at_a_time(two: tuple[Database, Database]) -> None:
    one, other = map(IdempotencyKeys, two)
    done = CompletedRequest("ab" * 32, "analysis-1")
    with one.claim("door", "1"):
        with pytest.raises(ConflictError, match="still runs"):
            other.hold("door", "1")
        with other.claim("door", "2"):
            one.remember("door", "1", done)
    with other.claim("door", "1"):
        assert other.find("door", "1") == done


class Server:
    """The outbox and the delivery of one process."""

    def __init__(self, database: Database, webhook: str) -> None:
        self.outbox = WebhookOutbox(database)
        store = WebhookStore(database, SETTINGS)
        self.delivery = WebhookDelivery(
            store.find(webhook),
            outbox=self.outbox,
            store=store,
            sender=WebhookSender(SETTINGS),
            give_up_after=timedelta(hours=24),
        )

    def queue(self, webhook: str, source: str, numbers: range) -> None:
        new = partial(NewDelivery, webhook=webhook, source=source, type="label_changed", created_at=datetime.now(UTC))
        self.outbox.add([new(message_id=f"msg_{source}_{number}", body=f'{{"place":{number}}}') for number in numbers])

    def delivered(self, webhook: str) -> int:
        return self.outbox.counts().get(webhook, {}).get(DeliveryState.DELIVERED, 0)


def places(receiver: Receiver, source: str) -> list[int]:
    """The numbers of a stream's events, as they were accepted."""
    return [one.message["place"] for one in receiver.accepted if one.id.startswith(f"msg_{source}_")]


def test_only_one_of_two_processes_delivers_and_the_other_follows_it(two: tuple[Database, Database]) -> None:
    with receiving() as receiver:
        webhook = WebhookStore(two[0], SETTINGS).add(receiver.url).id
        servers = [Server(database, webhook) for database in two]
        for server, source in zip(servers, "ab", strict=True):
            server.queue(webhook, source, range(60))
            server.delivery.start()
        until(lambda: servers[0].delivered(webhook) == 120)
        assert len(receiver.received) == 120, "each once"
        assert {server.delivery.delivered for server in servers} == {0, 120}
        first, second = sorted(servers, key=lambda server: -server.delivery.delivered)
        second.queue(webhook, "a", range(60, 70))
        second.delivery.wake()
        until(lambda: second.delivered(webhook) == 130)
        assert (first.delivery.delivered, second.delivery.delivered) == (130, 0)
        assert first.delivery.stop(timeout=30)
        second.queue(webhook, "a", range(70, 80))
        second.delivery.wake()
        until(lambda: second.delivered(webhook) == 140)
        assert second.delivery.stop(timeout=30)
        assert second.delivery.delivered == 10
        assert places(receiver, "a") == list(range(80))
        assert places(receiver, "b") == list(range(60))
        assert len(receiver.received) == 140
