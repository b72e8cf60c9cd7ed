"""Requests per minute."""

import threading
from types import SimpleNamespace

import pytest
from fastapi import HTTPException
from support.api_client import api_client, key_for

from monitor.server.api import limits as module
from monitor.server.api.limits import RequestLimits, network_of
from monitor.server.service import MonitorService
from monitor.settings import ApiSettings


def test_each_key_has_its_own_limits_of_reads_and_of_changes(api: MonitorService) -> None:
    small = ApiSettings(reads_per_minute=3, changes_per_minute=2)
    api.settings = api.settings.model_copy(update={"api": small})
    client, other = api_client(api), key_for(api)
    assert [client.get("/streams").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get("/streams")
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "3 reads" in refused.json()["detail"]
    assert [client.delete("/streams/x").status_code for _ in range(3)] == [404, 404, 429]
    assert client.get("/streams", headers=other).status_code == 200


def test_the_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_NAMES", 50)
    limits = RequestLimits(ApiSettings())
    threads = threading.active_count()
    for number in range(1000):
        limits.count(f"address 10.0.{number // 250}.{number % 250}", changing=False)
        assert len(limits._window.storage._windows) <= 50
    assert threading.active_count() <= threads + 1, "no thread per request"


def test_a_client_cannot_count_anew_with_another_address_of_its_network() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("10.0.0.7") == "10.0.0.7"
    assert network_of("") == ""


def test_the_window_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    limits = RequestLimits(ApiSettings(changes_per_minute=2))
    limits.count("key a", changing=True)
    now = 1030.0
    limits.count("key a", changing=True)
    now = 1050.0
    with pytest.raises(HTTPException) as refused:
        limits.count("key a", changing=True)
    assert (refused.value.status_code, refused.value.headers) == (429, {"Retry-After": "10"})
    limits.count("key b", changing=True)
    now = 1060.5
    limits.count("key a", changing=True)
    with pytest.raises(HTTPException) as refused:
        limits.count("key a", changing=True)
    assert refused.value.headers == {"Retry-After": "30"}
