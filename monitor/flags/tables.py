"""The tables of the store; ``migrations`` make them, a test holds both against each other."""

from sqlalchemy import JSON, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

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
    Column("content", JSON, nullable=False),  # the whole flag; the columns above are for finding it
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
    Column("flag_sha256", String(64), nullable=False),  # of the flag after the action; "": it is gone
    Column("details", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Index("events_flag_id", "flag_id"),
)

people = Table(
    "people",
    metadata,
    Column("name", String(80), primary_key=True),  # lower case
    Column("role", String(16), nullable=False),
    Column("password", Text, nullable=False),  # its Argon2 hash
    Column("password_at", String(32), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", String(32), nullable=False),
    Column("person", String(200), nullable=False),
    Column("action", String(32), nullable=False),
    Column("what", Text, nullable=False),
    Column("client", String(64), nullable=False),
)
