"""The database tables of the webhooks."""

from sqlalchemy import JSON, Boolean, Column, Index, Integer, String, Table, Text

from monitor.system.database import metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(80), nullable=False),  # for people; may be ""
    Column("url", Text, nullable=False),  # with its password, if it has one
    Column("secret", String(100), nullable=False),  # whsec_...; to sign, it is needed as it is
    Column("types", JSON, nullable=False),  # of events
    Column("filters", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_because", Text, nullable=False),  # "" while enabled
    Column("created_at", String(32), nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", Integer, primary_key=True),  # in the order of the events
    Column("webhook", String(16), nullable=False),
    Column("source", String(200), nullable=False),  # masked address of the stream: its events stay in order
    Column("message_id", String(40), nullable=False),
    Column("type", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),  # waiting, delivered, dead
    Column("attempts", Integer, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("queued_at", String(32), nullable=False),  # start of the time until it is given up
    Column("next_at", String(32)),  # not before; NULL: at once
    Column("changed_at", String(32), nullable=False),  # of the last attempt
    Column("error", Text, nullable=False),  # of the last attempt; "" if there was none
    Index("webhook_deliveries_order", "webhook", "state", "number", "source"),
    Index("webhook_deliveries_age", "state", "changed_at"),
    sqlite_autoincrement=True,  # a number is never used again
)
