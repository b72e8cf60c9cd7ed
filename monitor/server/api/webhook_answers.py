"""The answers of ``/webhooks``."""

from datetime import datetime
from typing import Any

from pydantic import Field

from monitor.server.api.answers import Answer


class WebhookAnswer(Answer):
    """A subscription, without its secret."""

    id: str
    name: str
    url: str = Field(description="Scheme, host and port; the rest may be secret.")
    types: list[str] = Field(description="Types of events.")
    filters: dict[str, Any] = Field(description="As in the request that created it.")
    enabled: bool
    disabled_because: str = Field(description="Empty while enabled.")
    created_at: datetime = Field(description="UTC.")
    deliveries: dict[str, int] = Field(description="Number of stored deliveries by state: waiting, delivered, dead.")


class NewWebhookAnswer(WebhookAnswer):
    """A new subscription with its secret, which nobody can read again."""

    secret: str = Field(description="Signs the messages, as in Standard Webhooks: whsec_ and base64.")


class WebhookList(Answer):
    """One page of subscriptions, the oldest first."""

    items: list[WebhookAnswer]
    next: str | None = Field(description="The cursor of the next page; None after the last one.")


class AttemptAnswer(Answer):
    """The result of a test message."""

    accepted: bool
    status: int | None = Field(description="HTTP status; None: there was no answer.")
    error: str = Field(description="Empty if the receiver accepted the message.")
    seconds: float = Field(description="Duration of the attempt.")


class DeliveryAnswer(Answer):
    """One event for one subscription."""

    number: int
    webhook: str = Field(description="Id of the subscription.")
    source: str = Field(description="Masked address of the stream.")
    message_id: str
    type: str = Field(description="Of the event.")
    state: str = Field(description="waiting, delivered, or dead: a dead letter.")
    attempts: int
    error: str = Field(description="Of the last attempt; empty if there was none.")
    created_at: datetime = Field(description="UTC, of the event.")
    next_at: datetime | None = Field(description="UTC, of the next attempt; None: at once, or none.")
    changed_at: datetime = Field(description="UTC, of the last attempt.")


class DeliveryList(Answer):
    """One page of deliveries, the newest first."""

    items: list[DeliveryAnswer]
    next: str | None = Field(description="The cursor of the next page; None after the last one.")


class RetryAnswer(Answer):
    """The result of a retry."""

    queued: int = Field(description="Deliveries that are attempted now.")
