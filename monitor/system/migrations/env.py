"""Run by Alembic, with the connection that ``monitor.system.database`` has opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
