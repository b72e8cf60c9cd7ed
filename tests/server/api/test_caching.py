"""ETags."""

import pytest
from fastapi import HTTPException
from starlette.requests import Request

from monitor.server.api.caching import answer, check_if_match, etag_of


def request(method: str = "GET", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "headers": raw})


def test_the_newest_version_is_sent_once() -> None:
    first = answer(request(), {"a": 1})
    tag = first.headers["etag"]
    assert (first.status_code, first.body) == (200, b'{"a":1}')
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        assert answer(request(if_none_match=known), {"a": 1}).status_code == 304
    assert answer(request(if_none_match=tag), {"a": 2}).status_code == 200
    assert answer(request("POST", if_none_match=tag), {"a": 1}).status_code == 200


def test_a_number_that_is_not_finite_is_null() -> None:
    assert answer(request(), {"a": float("nan")}).body == b'{"a":null}'


def test_a_change_of_another_version_is_refused() -> None:
    tag = etag_of(b"new")
    check_if_match(request("PATCH"), tag)
    check_if_match(request("PATCH", if_match=tag), tag)
    check_if_match(request("PATCH", if_match="*"), tag)
    with pytest.raises(HTTPException) as refused:
        check_if_match(request("PATCH", if_match=etag_of(b"old")), tag)
    assert refused.value.status_code == 412
