"""Asks the REST API, in the process of the test or through a real server on loopback."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient
from support.visitors import stations_in
from support.waiting import until

from monitor.classifiers import engines_dir
from monitor.classifiers.model_card import ModelCard
from monitor.server.app import MIDDLEWARE, ROUTES
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService

API = "/api/v1"


def key_for(
    monitor_service: MonitorService,
    role: Role = Role.ADMIN,
    *,
    name: str = "robot",
    scopes: Iterable[str] = (),
    expires_at: datetime | None = None,
) -> dict[str, str]:
    """The header of a new key."""
    _, text = monitor_service.api_keys.create(name, role=role, scopes=scopes, expires_at=expires_at)
    return {"Authorization": f"Bearer {text}"}


@contextmanager
def api_service(folder: Path, **access: Any) -> Iterator[MonitorService]:
    """The service of this process, which needs a sign-in: ``mode="open"`` for none."""
    with stations_in(folder) as open_station:
        yield open_station(**({"mode": "password"} | access))


def api_client(
    monitor_service: MonitorService, role: Role | None = Role.ADMIN, *, address: str = "127.0.0.1", **key: Any
) -> TestClient:
    """A client of all own routes with their middleware; paths are relative to the API.

    Args:
        role: of its key; None: without a key.
        address: of the client.
        key: its name, scopes, expires_at.
    """
    client = TestClient(
        Starlette(routes=ROUTES, middleware=MIDDLEWARE),
        base_url=f"http://127.0.0.1{API}",
        raise_server_exceptions=False,
        client=(address, 50_000),
    )
    if role is not None:
        client.headers.update(key_for(monitor_service, role, **key))
    return client


def load_engines(monitor_service: MonitorService) -> None:
    """Give a service the shipped model card, as if the engines were loaded."""
    path = engines_dir() / "efficientnet_lite0.json"
    card = ModelCard.model_validate_json(path.read_bytes())
    monitor_service._engines = SimpleNamespace(  # type: ignore[assignment]
        scorer=SimpleNamespace(engine=SimpleNamespace(name="onnxruntime-fp32")),
        committee=SimpleNamespace(id=card.id, card=None, classifiers=[SimpleNamespace(card=card)]),
        choice=SimpleNamespace(reason="the fastest on this machine", others={}),
    )


@contextmanager
def api_server() -> Iterator[str]:
    """All own routes through uvicorn on loopback; the address of the API."""
    app = Starlette(routes=ROUTES, middleware=MIDDLEWARE)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=server.run, name="api server", daemon=True)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}{API}"
    finally:
        server.should_exit = True
        thread.join(20)
