"""One attempt to deliver a message over HTTP."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx

from monitor import __version__
from monitor.errors import UsageError
from monitor.server.notify.webhooks.attempt_deadline import AttemptDeadline
from monitor.server.notify.webhooks.backoff import parse_retry_after
from monitor.server.notify.webhooks.destination import Destination, resolve
from monitor.server.notify.webhooks.message import make_message_id, make_test_body
from monitor.server.notify.webhooks.signature import signed_headers
from monitor.server.notify.webhooks.subscription import WebhookSubscription
from monitor.settings import WebhookSettings

GONE: Final = 410
_BUSY: Final = frozenset((408, 429, 502, 503, 504))  # the receiver as a whole, whatever the message
_CONNECT_TIMEOUT: Final = 10.0  # seconds (wall clock)
_LONGEST_ANSWER: Final = 65_536  # bytes that are read, and dropped, so that the connection can be used again


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """The result of one attempt."""

    status: int | None  # HTTP status; None: there was no answer
    error: str  # "" if the receiver accepted the message
    retry_after: float | None = None  # seconds that the receiver asks for
    seconds: float = 0.0  # duration (wall clock)

    @property
    def accepted(self) -> bool:
        """Whether the receiver accepted the message."""
        return not self.error

    @property
    def concerns_all(self) -> bool:
        """Whether other messages to this receiver would fail too."""
        return not self.accepted and (self.status is None or self.status in _BUSY)


class WebhookSender:
    """Posts messages to one receiver, over a connection that stays open; no proxy, no redirect, no cookie.

    The certificate of a receiver is checked, against the files of SSL_CERT_FILE or SSL_CERT_DIR if they are set.
    """

    def __init__(self, settings: WebhookSettings) -> None:
        self._private_networks, self._timeout = settings.private_networks, settings.timeout
        self._deadline = AttemptDeadline(settings.timeout)
        self._client = httpx.Client(
            verify=httpx.create_ssl_context(),
            timeout=httpx.Timeout(settings.timeout, connect=min(settings.timeout, _CONNECT_TIMEOUT)),
            limits=httpx.Limits(max_connections=1),  # the newest one is the one in use
            follow_redirects=False,
            trust_env=False,  # a proxy would connect to an address that was not checked here
        )

    def close(self) -> None:
        """Close the connections."""
        self._deadline.close()
        self._client.close()

    def send(self, subscription: WebhookSubscription, *, message_id: str, body: str) -> DeliveryAttempt:
        """Post one message, signed with the time of this attempt."""
        began = time.monotonic()
        status, retry_after = None, None
        try:
            destinations = resolve(subscription.url, private_networks=self._private_networks)
            with self._deadline:
                status, retry_after = self._post_to_first(destinations, subscription, message_id=message_id, body=body)
            error = _describe_status(status)
        except UsageError as problem:
            error = str(problem)
        except httpx.HTTPError as problem:
            error = self._describe(problem)
        seconds = time.monotonic() - began
        return DeliveryAttempt(status=status, error=error, retry_after=retry_after, seconds=seconds)

    def _post_to_first(
        self, destinations: Sequence[Destination], subscription: WebhookSubscription, *, message_id: str, body: str
    ) -> tuple[int, float | None]:
        """Post to the first IP address that accepts a connection."""
        for destination in destinations[:-1]:
            try:
                return self._post(destination, subscription, message_id=message_id, body=body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if self._deadline.is_over:
                    raise
        return self._post(destinations[-1], subscription, message_id=message_id, body=body)

    def _post(
        self, destination: Destination, subscription: WebhookSubscription, *, message_id: str, body: str
    ) -> tuple[int, float | None]:
        content, timestamp = body.encode(), int(datetime.now(UTC).timestamp())
        headers = {
            "Host": destination.host_header,
            "Content-Type": "application/json",
            "User-Agent": f"deepfake-monitor/{__version__}",
            **signed_headers(subscription.secret, message_id=message_id, timestamp=timestamp, body=content),
        }
        extensions = {"sni_hostname": destination.server_name, "trace": self._deadline.trace}
        with self._client.stream(
            "POST", destination.url, content=content, headers=headers, extensions=extensions
        ) as response:
            self._drop_content(response)
            self._client.cookies.clear()
            return response.status_code, parse_retry_after(response.headers.get("retry-after"))

    def _drop_content(self, response: httpx.Response) -> None:
        received = 0
        try:
            for piece in response.iter_raw():
                received += len(piece)
                if received > _LONGEST_ANSWER:
                    break
        except httpx.TimeoutException:
            return  # an answer whose content has no end counts by its status
        except httpx.HTTPError:
            if not self._deadline.is_over:
                raise

    def _describe(self, problem: httpx.HTTPError) -> str:
        if isinstance(problem, httpx.ConnectTimeout):
            return "no connection in time"
        if isinstance(problem, httpx.TimeoutException) or self._deadline.is_over:
            return f"no answer within {self._timeout:g} s"
        if isinstance(problem, httpx.ConnectError):
            return f"no connection: {problem}"
        return f"the connection broke: {problem}"


def send_test(subscription: WebhookSubscription, settings: WebhookSettings) -> DeliveryAttempt:
    """Post a test message, not through the outbox, also to a disabled subscription."""
    sender = WebhookSender(settings)
    try:
        return sender.send(subscription, message_id=make_message_id(), body=make_test_body())
    finally:
        sender.close()


def _describe_status(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"HTTP {status}, a redirect: redirects are not followed, subscribe with the new address"
    return f"HTTP {status}"
