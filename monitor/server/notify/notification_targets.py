"""The targets of notifications: services that Apprise knows (https://appriseit.com/services)."""

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import unquote

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from apprise.attachment.memory import AttachMemory
from pydantic import SecretStr

from monitor.errors import UsageError
from monitor.runtime import BackgroundWorker
from monitor.server.notify.notices import NoticeMessage
from monitor.system.logs import mask_text

RETRY_WAITS: Final = (2.0, 10.0)  # seconds before the second and the third attempt
MAX_WAITING: Final = 50  # messages of one target; further ones are dropped
_SHORTEST_SECRET: Final = 4  # characters of a part of an address that is masked
_LONGEST_REASON: Final = 200  # characters
_TYPES: Final = {0: NotifyType.INFO, 1: NotifyType.WARNING, 2: NotifyType.FAILURE}  # by severity

_log = logging.getLogger(__name__)
_warnings: ContextVar[list[str] | None] = ContextVar("warnings of Apprise", default=None)


class _Collect(logging.Filter):
    """Collects Apprise's warnings for the sender; none reaches the log, since they may contain parts of addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        found = _warnings.get()
        if found is not None and record.levelno >= logging.WARNING:
            found.append(record.getMessage())
        return False


_COLLECT: Final = _Collect()


class NotificationTarget:
    """One service that receives messages, one after the other, on its own thread.

    Args:
        address: for Apprise.
        number: of the target, from 1; stands for the address in messages.
        retry_waits: seconds between the attempts.

    Raises:
        UsageError: Apprise does not understand the address.
    """

    def __init__(self, address: SecretStr, *, number: int, retry_waits: Sequence[float] = RETRY_WAITS) -> None:
        logging.getLogger("apprise").addFilter(_COLLECT)  # adding it twice has no effect
        self._url = address.get_secret_value()
        self._apprise = Apprise(asset=_asset())
        if not self._apprise.add([self._url]):
            scheme = re.match(r"[a-z0-9+.-]+://", self._url, re.IGNORECASE)
            raise UsageError(
                f"notifications.targets: Apprise does not understand address {number}"
                f"{f' ({scheme[0]}...)' if scheme else ''}: see https://appriseit.com/services"
            )
        self.name = f"target {number} ({self._apprise[0].service_name})"
        self._retry_waits = retry_waits
        self._closing = threading.Event()
        self._worker: BackgroundWorker | None = None
        self._counts = dict.fromkeys(("sent", "failed", "dropped"), 0)

    @property
    def counts(self) -> Mapping[str, int]:
        """Numbers of messages by outcome."""
        return dict(self._counts)

    @property
    def waiting(self) -> int:
        """The number of waiting messages."""
        return 0 if self._worker is None else self._worker.waiting

    def start(self) -> None:
        """Start the thread."""
        self._worker = BackgroundWorker("notifications")

    def submit(self, message: NoticeMessage) -> None:
        """Send a message soon; returns at once."""
        if self._worker is None or self.waiting >= MAX_WAITING:
            self._counts["dropped"] += 1
            return
        self._worker.do(lambda: self.deliver(message))

    def deliver(self, message: NoticeMessage) -> None:
        """Send a message, after a failure again; the log names the last failure."""
        reason = self.send(message)
        attempts = 1
        for wait in self._retry_waits:
            if not reason or self._closing.wait(wait):
                break
            reason = self.send(message)
            attempts += 1
        self._counts["failed" if reason else "sent"] += 1
        if reason:
            _log.warning(
                "the notification %s did not take a message in %d attempts (%s): check its address in "
                "notifications.targets with `deepfake-monitor notifications test`",
                self.name,
                attempts,
                reason,
            )

    def send(self, message: NoticeMessage) -> str:
        """Send a message once; takes some seconds if the service does not answer.

        Returns:
            The reason of a failure, without secrets; "" if the service took the message.
        """
        warnings: list[str] = []
        token = _warnings.set(warnings)
        try:
            is_taken = self._apprise.notify(
                body=message.body,
                title=message.title,
                notify_type=_TYPES[message.severity],
                body_format=NotifyFormat.TEXT,
                attach=_attachment(message),
            )
        finally:
            _warnings.reset(token)
        return "" if is_taken else self._without_secrets("; ".join(dict.fromkeys(warnings)) or "no reason was given")

    def _without_secrets(self, text: str) -> str:
        """A text without the parts of the address, and on one line."""
        address = self._url.partition("://")[2]
        parts = {part for form in (address, unquote(address)) for part in re.split(r"[^\w.+-]", form)}
        for part in sorted(parts, key=len, reverse=True):
            if len(part) >= _SHORTEST_SECRET:
                text = text.replace(part, "***")
        return mask_text(" ".join(text.split())).rstrip(".")[:_LONGEST_REASON]

    def close(self, *, timeout: float) -> None:
        """Send what waits within ``timeout`` seconds, without further attempts, then end the thread."""
        self._closing.set()
        if self._worker is not None:
            self._worker.close(timeout=timeout)


def _asset() -> AppriseAsset:
    # Apprise's own time limit would leave a thread that holds up the end of the program; each request has a limit
    limit: dict[str, Any] = {"service_timeout": 0} if hasattr(AppriseAsset, "_service_timeout") else {}
    return AppriseAsset(app_id="deepfake-monitor", app_desc="deepfake-monitor", async_mode=False, **limit)


def _attachment(message: NoticeMessage) -> AttachMemory | None:
    if message.picture is None:
        return None
    return AttachMemory(content=message.picture, name="picture.jpg", mimetype="image/jpeg")  # type: ignore[no-untyped-call]
