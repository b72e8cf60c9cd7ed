"""``/model``"""

from support.api_client import api_client, load_engines

from monitor.server.auth.user import Role
from monitor.server.service import MonitorService


def test_the_model_card_is_the_shipped_one(api: MonitorService) -> None:
    client = api_client(api, Role.VIEWER)
    answer = client.get("/model")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    load_engines(api)
    answer = client.get("/model")
    (card,) = answer.json()["cards"]
    assert card["id"] == answer.json()["id"]
    assert len(card["weights_sha256"]) == 64
    assert card["limits"]
    assert answer.json()["thresholds"]["fake_at"] == api.settings.verdict.fake_at
    again = client.get("/model", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
