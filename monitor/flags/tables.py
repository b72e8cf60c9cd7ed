"""The database tables of the flags and their log."""

from sqlalchemy import JSON, Column, Float, Index, Integer, String, Table, Text

from monitor.system.database import metadata

flags = Table(
    "flags",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("created_at", String(32), nullable=False),  # ISO 8601, UTC: sorts as text on every database
    Column("origin", String(16), nullable=False),
    Column("reporter", String(200), nullable=False),
    Column("source", Text, nullable=False),
    Column("label", String(32), nullable=False),
    Column("probability", Float),
    Column("opinion", String(16)),
    Column("category", String(80), nullable=False),
    Column("note", Text, nullable=False),
    Column("reviewed_at", String(32)),
    Column("clip", String(16), nullable=False),
    Column("content", JSON, nullable=False),  # the whole flag; the columns above serve queries
    Index("flags_created_at", "created_at"),
    Index("flags_reviewed_at", "reviewed_at"),
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3, ... without a gap
    Column("at", String(32), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(32), nullable=False),
    Column("flag_id", String(40), nullable=False),
    Column("flag_sha256", String(64), nullable=False),  # of the flag after the action; "" after a deletion
    Column("details", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Index("events_flag_id", "flag_id"),
)
