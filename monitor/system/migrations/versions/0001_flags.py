"""Flags with the history of their changes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "flags",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("reporter", sa.String(200), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("label", sa.String(32), nullable=False),
        sa.Column("probability", sa.Float),
        sa.Column("opinion", sa.String(16)),
        sa.Column("category", sa.String(80), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("reviewed_at", sa.String(32)),
        sa.Column("clip", sa.String(16), nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_index("flags_created_at", "flags", ["created_at"])
    op.create_index("flags_reviewed_at", "flags", ["reviewed_at"])
    op.create_table(
        "events",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("flag_id", sa.String(40), nullable=False),
        sa.Column("flag_sha256", sa.String(64), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )
    op.create_index("events_flag_id", "events", ["flag_id"])
