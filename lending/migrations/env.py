"""Alembic's entry: migrates over the connection it is given and never reads an address by itself."""

from alembic import context

from lending import schema

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=schema.metadata(), render_as_batch=False)
with context.begin_transaction():
    context.run_migrations()
