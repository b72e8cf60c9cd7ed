"""Receivers that send their answer byte by byte, on real connections."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.certificates import write_certificate

from monitor.server.notify.webhooks.attempt_deadline import AttemptDeadline
from monitor.server.notify.webhooks.sender import WebhookSender
from monitor.server.notify.webhooks.signature import make_secret
from monitor.server.notify.webhooks.subscription import WebhookSubscription
from monitor.settings import WebhookSettings


@contextmanager
def dribbling(start: bytes, *, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """A receiver that sends ``start`` and then a byte each 20 ms, until the sender leaves or for ten seconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*certificate)
                connection = context.wrap_socket(connection, server_side=True)
            with connection, suppress(OSError):
                connection.recv(65_536)
                connection.sendall(start)
                end = time.monotonic() + 10.0
                while time.monotonic() < end:
                    connection.sendall(b"x")
                    time.sleep(0.02)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize("is_encrypted", [False, True])
@pytest.mark.parametrize(
    ("start", "status", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", None, "no answer within 1.5 s"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", 200, ""),  # an extension of a chunk's length
    ],
)
def test_an_answer_byte_by_byte_ends_in_time(
    private: WebhookSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_encrypted: bool,
    start: bytes,
    status: int | None,
    error: str,
) -> None:
    certificate = write_certificate(tmp_path) if is_encrypted else None
    if certificate is not None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    sender = WebhookSender(private.model_copy(update={"timeout": 1.5}))
    with dribbling(start, certificate=certificate) as url:
        target = WebhookSubscription(
            id="w1", name="", url=url, secret=make_secret(), types=(), created_at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        attempt = sender.send(target, message_id="msg_1", body="{}")
        sender.close()
    assert (attempt.status, attempt.error) == (status, error)
    assert attempt.seconds < 7


def test_an_attempt_that_ends_in_time_is_not_broken() -> None:
    deadline = AttemptDeadline(1.0)
    with deadline:
        pass
    time.sleep(1.3)
    assert not deadline.is_over
    deadline.close()
