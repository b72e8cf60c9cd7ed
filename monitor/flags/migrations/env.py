"""Run by Alembic, with the connection that ``monitor.flags.database`` has opened."""

from alembic import context

from monitor.flags.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
