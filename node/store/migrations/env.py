"""Alembic's entry: migrates over the connection, and in the transaction, that `node.store.schema` hands in."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
