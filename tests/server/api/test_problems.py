"""Every error is a problem."""

import pytest
from support.api_client import api_client

from monitor import errors
from monitor.server.api.problems import kind_of, status_of
from monitor.server.service import MonitorService


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("PUT", "/system", 405), ("GET", "/", 404), ("GET", "/a%0Ab", 404)],
)
def test_an_unknown_path_or_method_is_a_problem(api: MonitorService, method: str, path: str, status: int) -> None:
    answer = api_client(api).request(method, path)
    found = answer.json()
    assert (answer.status_code, found["status"], found["type"]) == (status, status, "about:blank")
    assert answer.headers["content-type"] == "application/problem+json"
    assert found["detail"].endswith(("all paths", "it allows"))


def test_every_error_of_the_program_has_a_status_and_a_name() -> None:
    assert kind_of(errors.FlagNotFoundError("x")) == "urn:deepfake-monitor:flag-not-found"
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MonitorError)]
    found = {kind.__name__: status_of(kind("x")) for kind in kinds}
    assert {errors.class_of(kind_of(kind("x"))) for kind in kinds} == set(kinds)
    assert errors.class_of("urn:deepfake-monitor:never-heard-of") is None
    assert errors.class_of("about:blank") is None
    assert found["FlagChangedError"] == 412
    assert found["FlagNotFoundError"] == 404
    assert found["StoreError"] == 503
    assert found["UnknownEngineError"] == 503
    assert found["ConflictError"] == 409
    assert found["UsageError"] == 422
    assert found["MonitorError"] == 500
