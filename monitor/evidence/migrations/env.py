"""Run by Alembic, with the connection that ``monitor.evidence.store`` has opened."""

from __future__ import annotations

from alembic import context

from monitor.evidence.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
