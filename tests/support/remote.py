"""A server on loopback with a key, and clients of it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.api_client import API, api_server, api_service

from monitor.analysis.pipeline import Engines
from monitor.client import Client, Retries
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService

QUICK = Retries(first_pause=0.01, longest_pause=0.05)


@dataclass(frozen=True)
class Remote:
    """A server that needs a key."""

    url: str
    service: MonitorService

    def key(self, role: Role = Role.ADMIN) -> str:
        return self.service.api_keys.create("robot", role=role)[1]

    def client(self, role: Role = Role.ADMIN) -> Client:
        return Client(self.url, key=self.key(role), retries=QUICK)


@contextmanager
def remote_server(folder: Path, engines: Engines) -> Iterator[Remote]:
    """A server whose engines are loaded."""
    log = logging.getLogger("uvicorn.access")
    log.disabled = True  # Streamlit's handler writes to the stderr of an earlier test
    with api_service(folder) as monitor_service:
        monitor_service._engines = engines
        with api_server() as url:
            yield Remote(url.removesuffix(API), monitor_service)
    log.disabled = False
