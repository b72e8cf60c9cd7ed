"""The database tables of the accounts, the API keys and the audit log, beside those of the flags."""

from sqlalchemy import Column, Integer, String, Table, Text

from monitor.system.database import metadata

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

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("role", String(16), nullable=False),
    Column("scopes", Text, nullable=False),  # separated by blanks; "": all
    Column("secret", String(64), nullable=False),  # its SHA-256
    Column("created_at", String(32), nullable=False),
    Column("expires_at", String(32)),
    Column("last_used_at", String(32)),
)
