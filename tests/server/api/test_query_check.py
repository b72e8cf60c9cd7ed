"""Unknown query parameters."""

import pytest
from support.api_client import api_client

from monitor.server.service import MonitorService


@pytest.mark.parametrize("path", ["/streams?limits=5", "/audit?Limit=5", "/system?x=", "/events?typ=label_changed"])
def test_a_misspelt_parameter_is_refused_and_named(api: MonitorService, path: str) -> None:
    answer = api_client(api).get(path)
    assert answer.status_code == 422
    name = path.partition("?")[2].partition("=")[0]
    assert answer.json()["errors"] == [{"detail": "there is no such field", "parameter": name}]


def test_known_parameters_pass(api: MonitorService) -> None:
    assert api_client(api).get("/streams?limit=5").status_code == 200
