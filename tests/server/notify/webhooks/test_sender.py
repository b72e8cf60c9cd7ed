"""One attempt, on real connections."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.certificates import write_certificate
from support.webhook_receiver import Answer, Receiver, receiving

from monitor.server.notify.webhooks.sender import DeliveryAttempt, WebhookSender
from monitor.server.notify.webhooks.signature import make_secret
from monitor.server.notify.webhooks.subscription import WebhookSubscription
from monitor.settings import WebhookSettings

SECRET = make_secret()


def subscription(url: str) -> WebhookSubscription:
    return WebhookSubscription(
        id="w1", name="", url=url, secret=SECRET, types=("label_changed",), created_at=datetime(2026, 1, 1, tzinfo=UTC)
    )


@pytest.fixture
def sender(private: WebhookSettings) -> Iterator[WebhookSender]:
    sender = WebhookSender(private)
    yield sender
    sender.close()


def send(sender: WebhookSender, url: str) -> DeliveryAttempt:
    return sender.send(subscription(url), message_id="msg_1", body='{"a":"ä"}')


def test_a_message_is_posted_signed_and_accepted(sender: WebhookSender, receiver: Receiver) -> None:
    attempt = send(sender, f"{receiver.url}?a=b")
    assert (attempt.accepted, attempt.status, attempt.error) == (True, 204, "")
    (got,) = receiver.received
    assert got.path == "/hook?a=b"
    assert got.body == '{"a":"ä"}'.encode()
    assert got.is_signed_with(SECRET)
    assert abs(int(got.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("deepfake-monitor/")


def test_user_and_password_of_an_address_are_sent(sender: WebhookSender, receiver: Receiver) -> None:
    assert send(sender, receiver.url.replace("http://", "http://ada:hush@")).accepted
    assert receiver.received[0].headers["authorization"] == "Basic YWRhOmh1c2g="


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_accepts(sender: WebhookSender, receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _: Answer(status)
    assert send(sender, receiver.url).accepted


@pytest.mark.parametrize(
    ("status", "concerns_all"),
    [(400, False), (404, False), (410, False), (500, False), (429, True), (502, True), (503, True), (504, True)],
)
def test_every_other_status_is_a_failure(
    sender: WebhookSender, receiver: Receiver, status: int, concerns_all: bool
) -> None:
    receiver.answer = lambda _: Answer(status, {"Retry-After": "7"})
    attempt = send(sender, receiver.url)
    assert (attempt.accepted, attempt.status, attempt.error) == (False, status, f"HTTP {status}")
    assert (attempt.concerns_all, attempt.retry_after) == (concerns_all, 7.0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(sender: WebhookSender, receiver: Receiver, status: int) -> None:
    with receiving() as other:
        receiver.answer = lambda _: Answer(status, {"Location": other.url})
        attempt = send(sender, receiver.url)
        assert (attempt.accepted, attempt.status) == (False, status)
        assert "redirects are not followed" in attempt.error
        assert other.received == []


def test_no_answer_is_a_failure_of_the_whole_receiver(receiver: Receiver, private: WebhookSettings) -> None:
    sender = WebhookSender(private.model_copy(update={"timeout": 0.3}))
    receiver.answer = lambda _: Answer(wait=1.0)
    attempt = send(sender, receiver.url)
    assert (attempt.status, attempt.error, attempt.concerns_all) == (None, "no answer within 0.3 s", True)
    receiver.answer = lambda _: Answer(hang_up=True)
    assert "the connection broke" in send(sender, receiver.url).error
    with receiving() as closed:
        url = closed.url
    assert "no connection" in send(sender, url).error
    sender.close()


def test_a_name_is_resolved_once_and_the_checked_address_is_used(
    sender: WebhookSender, receiver: Receiver, names: Callable[..., list[str]]
) -> None:
    asked = names(hooks=["127.0.0.1"])
    url = f"http://hooks.test:{receiver.server_port}/hook"
    assert send(sender, url).accepted
    assert asked == ["hooks.test"], "the connection needs no second look-up, which could answer differently"
    assert receiver.received[0].headers["host"] == f"hooks.test:{receiver.server_port}"


def test_a_name_that_changes_to_a_metadata_address_is_refused(
    sender: WebhookSender, receiver: Receiver, names: Callable[..., list[str]]
) -> None:
    url = f"http://hooks.test:{receiver.server_port}/hook"
    names(hooks=["127.0.0.1"])
    assert send(sender, url).accepted
    for addresses in (["169.254.169.254"], ["127.0.0.1", "169.254.169.254"]):
        names(hooks=addresses)
        attempt = send(sender, url)
        assert (attempt.status, attempt.concerns_all) == (None, True)
        assert "never used" in attempt.error
    assert len(receiver.received) == 1, "not even over the open connection"


def test_private_addresses_are_refused_at_each_attempt(receiver: Receiver) -> None:
    sender = WebhookSender(WebhookSettings())
    assert "webhooks.private_networks" in send(sender, receiver.url).error
    assert receiver.received == []
    sender.close()


def test_the_next_address_is_tried_where_nobody_listens(
    sender: WebhookSender, receiver: Receiver, names: Callable[..., list[str]]
) -> None:
    names(hooks=["127.0.0.2", "127.0.0.1"])
    assert send(sender, f"http://hooks.test:{receiver.server_port}/hook").accepted


def test_a_proxy_of_the_environment_is_not_used(
    private: WebhookSettings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        sender = WebhookSender(private)
        assert send(sender, receiver.url).accepted
        assert (len(receiver.received), proxy.received) == (1, [])
        sender.close()


@contextmanager
def endless(piece: bytes, *, pause: float) -> Iterator[str]:
    """A receiver that accepts, with an answer without an end."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                    time.sleep(pause)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(30)
        assert not thread.is_alive(), "the connection was closed"


@pytest.mark.parametrize(("piece", "pause", "timeout"), [(b"x" * 60_000, 0.0, 20.0), (b"x", 0.02, 0.5)])
def test_an_endless_answer_is_not_read_to_its_end(
    private: WebhookSettings, piece: bytes, pause: float, timeout: float
) -> None:
    sender = WebhookSender(private.model_copy(update={"timeout": timeout}))
    with endless(piece, pause=pause) as url:
        attempt = send(sender, url)
        sender.close()
    assert attempt.accepted
    assert attempt.seconds < 10


def test_cookies_and_contents_of_answers_are_ignored(sender: WebhookSender, receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(500, {"Content-Type": "text/plain", "Set-Cookie": "a=b"})
    assert send(sender, receiver.url).error == "HTTP 500", "nothing of the answer is shown"
    receiver.answer = lambda _: Answer()
    assert send(sender, receiver.url).accepted
    assert "cookie" not in receiver.received[1].headers


def test_certificates_are_checked_for_the_name(
    tmp_path: Path, private: WebhookSettings, names: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path)
    with receiving(certificate=certificate) as receiver:
        unknown = WebhookSender(private)
        attempt = send(unknown, receiver.url)
        assert "certificate verify failed" in attempt.error
        assert receiver.received == []
        unknown.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        trusting = WebhookSender(private)
        assert send(trusting, receiver.url).accepted
        trusting.close()
        names(hooks=["127.0.0.1"])
        by_name = WebhookSender(private)
        attempt = send(by_name, receiver.url.replace("127.0.0.1", "hooks.test"))
        assert "certificate verify failed" in attempt.error, "it is for the IP address, not for the name"
        by_name.close()


def test_a_subscription_keeps_its_secret_out_of_errors(sender: WebhookSender) -> None:
    with receiving() as closed:
        url = closed.url.replace("http://", "http://ada:hush@")
    assert "hush" not in sender.send(replace(subscription(url)), message_id="m", body="{}").error
