from dataclasses import fields

from monitor.server.notify.webhooks import tables
from monitor.server.notify.webhooks.outbox import Delivery
from monitor.server.notify.webhooks.subscription import WebhookSubscription


def test_values_fill_the_columns_of_the_tables() -> None:
    assert tables.webhooks.c.keys() == [field.name for field in fields(WebhookSubscription)]
    assert tables.webhook_deliveries.c.keys() == [field.name for field in fields(Delivery)]
