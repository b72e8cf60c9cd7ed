import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.webhook_receiver import Receiver, receiving

from monitor.server.notify.webhooks.outbox import NewDelivery, WebhookOutbox
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.settings import WebhookSettings
from monitor.system.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(f"sqlite:///{tmp_path}/flags.db") as database:
        yield database


@pytest.fixture
def outbox(database: Database) -> WebhookOutbox:
    return WebhookOutbox(database)


@pytest.fixture
def private() -> WebhookSettings:
    """Settings that allow the receivers of the tests."""
    return WebhookSettings(private_networks=True, timeout=20.0)


@pytest.fixture
def store(database: Database, private: WebhookSettings) -> WebhookStore:
    return WebhookStore(database, private)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Gives host names their addresses: ``names(hooks=["127.0.0.1"])``; returns the names that are looked up."""

    def define(**addresses: list[str]) -> list[str]:
        asked: list[str] = []
        real = socket.getaddrinfo

        def find(host: str, *arguments: object, **more: object) -> object:
            name = host.removesuffix(".test")
            if name not in addresses:
                if not host.replace(".", "").replace(":", "").isalnum() or not any(map(str.isdigit, host)):
                    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
                return real(host, *arguments, **more)
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses[name]]

        monkeypatch.setattr(socket, "getaddrinfo", find)
        return asked

    return define


@pytest.fixture
def waiting(outbox: WebhookOutbox) -> Callable[..., list[int]]:
    """Queues deliveries for a subscription, and returns the numbers of all that wait for it."""

    def queue(webhook: str, *, source: str = "cam", count: int = 1) -> list[int]:
        before = len(outbox.last(10_000))  # a row with an id of its own
        new = [
            NewDelivery(
                webhook=webhook,
                source=source,
                message_id=f"msg_{before + place}",
                type="label_changed",
                body=f'{{"source":"{source}","place":{place}}}',
                created_at=datetime.now(UTC),
            )
            for place in range(count)
        ]
        outbox.add(new)
        found = outbox.next(webhook, without=(), limit=10_000)
        return [one.number for one in found if one.source == source]

    return queue
