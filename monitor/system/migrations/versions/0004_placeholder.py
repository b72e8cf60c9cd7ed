"""Changes nothing: stands for a migration of another branch."""

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Change nothing."""
