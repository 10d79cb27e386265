"""Brings a database to this version's schema, or says why it cannot. Runs inside the caller's transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from node.store.port import StoreError

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, migrations: Path = MIGRATIONS) -> None:
    """Run the migrations that are missing; StoreError for a database that a newer version has changed."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    known = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_heads()
    if set(present) == set(known.get_heads()):
        return
    for revision in present:
        _refuse_unknown(known, revision)
    command.upgrade(config, "head")


def _refuse_unknown(known: ScriptDirectory, revision: str) -> None:
    try:
        known.get_revision(revision)
    except CommandError as error:
        raise StoreError(
            f"the database has schema {revision}, which this version does not know: it was used by a newer version. "
            "Install that version again, or restore the backup made before the update"
        ) from error
