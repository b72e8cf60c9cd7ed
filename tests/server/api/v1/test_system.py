"""``/system``"""

from support.api_client import api_client

from monitor import __version__
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService


def test_an_administrator_reads_the_state_of_the_server(api: MonitorService) -> None:
    answer = api_client(api, Role.ADMIN).get("/system")
    assert answer.status_code == 200
    found = answer.json()
    assert found["version"] == __version__
    assert found["engine"] is None, "not loaded yet"
    assert found["free_bytes"] > 0
    assert (found["streams"], found["flags"], found["load_level"]) == (0, 0, 0)


def test_a_viewer_may_not(api: MonitorService) -> None:
    answer = api_client(api, Role.VIEWER).get("/system")
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert "role admin" in answer.json()["detail"]
