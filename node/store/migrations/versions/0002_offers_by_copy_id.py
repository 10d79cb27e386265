"""An offer is looked up by the copy it is of: one peer may have given a hundred thousand."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("offers_by_peer_copy_id", "offers", ["peer", "copy_id"])


def downgrade() -> None:
    """Nothing was changed that an older version would miss."""
    op.drop_index("offers_by_peer_copy_id", "offers")
