"""A server on loopback with a key, and clients of it."""

from dataclasses import dataclass

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
