"""The server's own routes under a path prefix."""

import pytest

from monitor.server.base_path import without_base


@pytest.mark.parametrize(
    ("path", "base", "inner"),
    [
        ("/guard/healthz", "guard", "/healthz"),
        ("/guard/monitor/flags/1/frame.jpg", "/guard/", "/monitor/flags/1/frame.jpg"),
        ("/a/b/monitor/upload", "a/b", "/monitor/upload"),
        ("/guard/api/v1/streams", "guard", "/api/v1/streams"),
        ("/api/v1/streams", "guard", "/api/v1/streams"),
        ("/monitor/upload", "guard", "/monitor/upload"),
        ("/guard/review", "guard", "/guard/review"),
        ("/guardhealthz", "guard", "/guardhealthz"),
        ("/monitor/upload", "", "/monitor/upload"),
        ("/healthz", "", "/healthz"),
    ],
)
def test_the_prefix_is_removed_from_own_routes_only(path: str, base: str, inner: str) -> None:
    assert without_base(path, base=base) == inner
