from datetime import UTC, datetime

from monitor.server.api.webhook_answers import DeliveryAnswer, NewWebhookAnswer, WebhookAnswer
from monitor.server.notify.webhooks.outbox import Delivery, DeliveryState
from monitor.server.notify.webhooks.subscription import DEFAULT_TYPES, WebhookSubscription

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_webhook_is_described_without_its_secret() -> None:
    one = WebhookSubscription(
        id="w1",
        name="",
        url="https://hooks.test/hush",
        secret="hush",  # noqa: S106
        types=DEFAULT_TYPES,
        created_at=AT,
    )
    described = WebhookAnswer.model_validate(one.to_dict() | {"deliveries": {"waiting": 1}})
    assert set(WebhookAnswer.model_fields) == one.to_dict().keys() | {"deliveries"}
    assert "hush" not in described.model_dump_json()
    assert NewWebhookAnswer.model_fields.keys() - WebhookAnswer.model_fields.keys() == {"secret"}


def test_a_delivery_is_described_without_its_body() -> None:
    one = Delivery(
        number=1,
        webhook="w1",
        source="rtsp://cam",
        message_id="msg_1",
        type="label_changed",
        body="hush",
        state=DeliveryState.WAITING,
        attempts=1,
        created_at=AT,
        queued_at=AT,
        next_at=AT,
        changed_at=AT,
        error="HTTP 500",
    )
    assert set(DeliveryAnswer.model_fields) == one.to_dict().keys()
    described = DeliveryAnswer.model_validate(one.to_dict())
    assert (described.state, described.next_at) == ("waiting", AT)
    assert "hush" not in described.model_dump_json()
