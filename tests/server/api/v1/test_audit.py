"""``/audit``"""

from support.api_client import api_client

from monitor.server.service import MonitorService


def test_pages_of_the_log_begin_with_the_newest_line(api: MonitorService) -> None:
    for number in range(5):
        api.audit.note("looked", person="ada", what=f"door {number}", client="10.0.0.7")
    client = api_client(api)
    first = client.get("/audit?limit=3").json()
    assert [line["what"] for line in first["items"]] == ["door 4", "door 3", "door 2"]
    api.audit.note("looked", person="ada", what="later")
    second = client.get("/audit", params={"limit": 3, "cursor": first["next"]}).json()
    assert [line["what"] for line in second["items"]] == ["door 1", "door 0"]
    assert second["next"] is None
    assert first["items"][0].keys() == {"number", "at", "person", "action", "what", "client"}
