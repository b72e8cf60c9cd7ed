import httpx
import pytest

from monitor import errors
from monitor.client.refusals import connection_error, refusal_of, unreadable_answer

REQUEST = httpx.Request("GET", "http://127.0.0.1:8501/api/v1/flags/1")
PROBLEM = {"Content-Type": "application/problem+json"}


def problem(status: int, **members: object) -> httpx.Response:
    return httpx.Response(status, json=members, headers=PROBLEM, request=REQUEST)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.AccessDeniedError),
        (403, errors.AccessDeniedError),
        (404, errors.ResourceNotFoundError),
        (409, errors.RemoteConflictError),
        (412, errors.RemoteConflictError),
        (422, errors.RequestRefusedError),
        (429, errors.ServerUnavailableError),
        (503, errors.ServerUnavailableError),
        (500, errors.RemoteError),
        (418, errors.RemoteError),
    ],
)
def test_a_problem_is_an_error_of_its_kind_with_the_sentence_of_the_server(
    status: int, kind: type[errors.RemoteError]
) -> None:
    error = refusal_of(problem(status, title="No", detail="the door is closed: open it"), retry_after=3.0)
    assert type(error) is kind
    assert (str(error), error.status, error.retry_after) == ("the door is closed: open it", status, 3.0)
    assert error.problem["title"] == "No"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("urn:deepfake-monitor:source-unreadable", 3),
        ("urn:deepfake-monitor:usage", 2),
        ("urn:deepfake-monitor:weights-missing", 1),
        ("urn:deepfake-monitor:never-heard-of", 2),
        ("about:blank", 2),
    ],
)
def test_the_exit_code_is_that_of_the_same_error_on_this_machine(kind: str, code: int) -> None:
    assert refusal_of(problem(422, type=kind, detail="no")).exit_code == code


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{", b""])
def test_an_answer_of_another_program_is_one_sentence(body: bytes) -> None:
    for kind in ("text/html", "application/json"):
        error = refusal_of(httpx.Response(502, content=body, headers={"Content-Type": kind}, request=REQUEST))
        assert str(error) == "http://127.0.0.1:8501 answers 502 Bad Gateway to GET /api/v1/flags/1"


def test_a_redirect_names_the_address() -> None:
    response = httpx.Response(301, headers={"Location": "https://monitor.example.org/"}, request=REQUEST)
    assert "redirects to https://monitor.example.org/: use that address" in str(refusal_of(response))


def test_no_sentence_contains_the_key() -> None:
    assert "hidden" not in str(refusal_of(problem(401, detail="the key dfm_hidden is wrong"), secret="dfm_hidden"))  # noqa: S106
    assert "does not answer (connect timeout)" in str(connection_error(httpx.ConnectTimeout("")))


def test_an_answer_in_another_form_says_what_to_check() -> None:
    error = unreadable_answer(httpx.Response(200, request=REQUEST), ValueError("no JSON\nat all"))
    assert "(no JSON): check the address, or update this program" in str(error)
