"""Governance: proposals, holds, releases, reports, private links, checkpoints; more of accounts and of the log."""

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    false,
)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
INTEGER = BigInteger().with_variant(Integer(), "sqlite")
BYTES = LargeBinary()
BOOLEAN = Boolean()


def upgrade() -> None:
    """Add what governance needs; nothing of before changes its meaning."""
    widen_copies()
    widen_custody()
    widen_accounts()
    widen_audit()
    widen_erasures()
    create_account_invites()
    create_private_links()
    create_contributor_acts()
    create_proposals()
    create_votes()
    create_comments()
    create_releases()
    create_policies()
    create_agreements()
    create_disclosures()
    create_handovers()
    create_holds()
    create_hides()
    create_reports()
    create_audit_blocks()
    create_checkpoints()
    create_witnessed()


def downgrade() -> None:
    """Decisions of stewards are not thrown away: an older version is restored from its own backup."""
    raise RuntimeError("the schema before governance cannot hold what was decided: restore a backup instead")


def widen_copies() -> None:
    op.add_column("copies", Column("outline", TEXT, nullable=True))


def widen_custody() -> None:
    op.add_column("custody", Column("given", TEXT, nullable=True))


def create_account_invites() -> None:
    op.create_table(
        "account_invites",
        Column("hash", BYTES, nullable=False, autoincrement=False),
        Column("name", TEXT, nullable=False, autoincrement=False),
        Column("by", TEXT, nullable=False, autoincrement=False),
        Column("created_at", INTEGER, nullable=False, autoincrement=False),
        Column("expires_at", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("hash"),
    )
    op.create_index("account_invites_by_expires_at", "account_invites", ["expires_at"])


def create_private_links() -> None:
    op.create_table(
        "private_links",
        Column("hash", BYTES, nullable=False, autoincrement=False),
        Column("id", TEXT, nullable=False, autoincrement=False),
        Column("subject", TEXT, nullable=False, autoincrement=False),
        Column("lang", TEXT, nullable=False, autoincrement=False),
        Column("by", TEXT, nullable=False, autoincrement=False),
        Column("created_at", INTEGER, nullable=False, autoincrement=False),
        Column("expires_at", INTEGER, nullable=False, autoincrement=False),
        Column("revoked_at", INTEGER, nullable=True, autoincrement=False),
        Column("used_at", INTEGER, nullable=True, autoincrement=False),
        PrimaryKeyConstraint("hash"),
    )
    op.create_index("private_links_by_subject", "private_links", ["subject"])
    op.create_index("private_links_by_expires_at", "private_links", ["expires_at"])


def create_contributor_acts() -> None:
    op.create_table(
        "contributor_acts",
        Column("id", TEXT, nullable=False, autoincrement=False),
        Column("subject", TEXT, nullable=False, autoincrement=False),
        Column("link", TEXT, nullable=False, autoincrement=False),
        Column("rid", TEXT, nullable=False, autoincrement=False),
        Column("what", TEXT, nullable=False, autoincrement=False),
        Column("fields", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("gid", TEXT, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        Column("holders", TEXT, nullable=False, autoincrement=False),
        Column("receipt", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("contributor_acts_by_subject", "contributor_acts", ["subject"])
    op.create_index("contributor_acts_by_gid", "contributor_acts", ["gid"])


def create_proposals() -> None:
    op.create_table(
        "proposals",
        Column("pid", TEXT, nullable=False, autoincrement=False),
        Column("kind", TEXT, nullable=False, autoincrement=False),
        Column("state", TEXT, nullable=False, autoincrement=False),
        Column("title", TEXT, nullable=False, autoincrement=False),
        Column("body", TEXT, nullable=False, autoincrement=False),
        Column("by", TEXT, nullable=False, autoincrement=False),
        Column("created_at", INTEGER, nullable=False, autoincrement=False),
        Column("hash", TEXT, nullable=False, autoincrement=False),
        Column("preview", TEXT, nullable=False, autoincrement=False),
        Column("seen", BYTES, nullable=True, autoincrement=False),
        Column("opened_at", INTEGER, nullable=True, autoincrement=False),
        Column("closes_at", INTEGER, nullable=True, autoincrement=False),
        Column("approved_at", INTEGER, nullable=True, autoincrement=False),
        Column("done_at", INTEGER, nullable=True, autoincrement=False),
        Column("note", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("pid"),
    )
    op.create_index("proposals_by_state", "proposals", ["state"])
    op.create_index("proposals_by_created_at", "proposals", ["created_at"])


def create_votes() -> None:
    op.create_table(
        "votes",
        Column("pid", TEXT, nullable=False, autoincrement=False),
        Column("account", TEXT, nullable=False, autoincrement=False),
        Column("choice", TEXT, nullable=False, autoincrement=False),
        Column("hash", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("pid", "account"),
    )


def create_comments() -> None:
    op.create_table(
        "comments",
        Column("id", INTEGER, nullable=False, autoincrement=False),
        Column("pid", TEXT, nullable=False, autoincrement=False),
        Column("account", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("text", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("comments_by_pid", "comments", ["pid"])


def create_releases() -> None:
    op.create_table(
        "releases",
        Column("origin", TEXT, nullable=False, autoincrement=False),
        Column("rid", TEXT, nullable=False, autoincrement=False),
        Column("to", TEXT, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        Column("pid", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("origin", "rid", "to"),
    )


def create_policies() -> None:
    op.create_table(
        "policies",
        Column("version", TEXT, nullable=False, autoincrement=False),
        Column("since", INTEGER, nullable=False, autoincrement=False),
        Column("name", TEXT, nullable=False, autoincrement=False),
        Column("text", TEXT, nullable=False, autoincrement=False),
        Column("pid", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("version", "since"),
    )
    op.create_index("policies_by_since", "policies", ["since"])


def create_agreements() -> None:
    op.create_table(
        "agreements",
        Column("id", TEXT, nullable=False, autoincrement=False),
        Column("node_id", TEXT, nullable=False, autoincrement=False),
        Column("since", INTEGER, nullable=False, autoincrement=False),
        Column("source", TEXT, nullable=False, autoincrement=False),
        Column("ended_at", INTEGER, nullable=True, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("agreements_by_node_id", "agreements", ["node_id"])


def create_disclosures() -> None:
    op.create_table(
        "disclosures",
        Column("id", INTEGER, nullable=False, autoincrement=False),
        Column("peer", INTEGER, nullable=False, autoincrement=False),
        Column("copy", INTEGER, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("entry", TEXT, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        Column("fields", TEXT, nullable=False, autoincrement=False),
        Column("policy", TEXT, nullable=False, autoincrement=False),
        Column("agreement", TEXT, nullable=False, autoincrement=False),
        Column("rules", TEXT, nullable=False, autoincrement=False),
        Column("grants", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("disclosures_by_copy_peer", "disclosures", ["copy", "peer"])


def create_handovers() -> None:
    op.create_table(
        "handovers",
        Column("peer", INTEGER, nullable=False, autoincrement=False),
        Column("upto", INTEGER, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("confirmed_at", INTEGER, nullable=True, autoincrement=False),
        PrimaryKeyConstraint("peer", "upto"),
    )


def create_holds() -> None:
    op.create_table(
        "holds",
        Column("hid", TEXT, nullable=False, autoincrement=False),
        Column("scope", TEXT, nullable=False, autoincrement=False),
        Column("origin", TEXT, nullable=False, autoincrement=False),
        Column("target", TEXT, nullable=False, autoincrement=False),
        Column("by", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("note", TEXT, nullable=False, autoincrement=False),
        Column("lifted_at", INTEGER, nullable=True, autoincrement=False),
        Column("lifted_by", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("hid"),
    )
    op.create_index("holds_by_lifted_at", "holds", ["lifted_at"])


def create_hides() -> None:
    op.create_table(
        "hides",
        Column("id", INTEGER, nullable=False, autoincrement=False),
        Column("origin", TEXT, nullable=False, autoincrement=False),
        Column("scope", TEXT, nullable=False, autoincrement=False),
        Column("target", TEXT, nullable=False, autoincrement=False),
        Column("seq", INTEGER, nullable=False, autoincrement=False),
        Column("on", BOOLEAN, nullable=False, autoincrement=False),
        Column("jws", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("origin", "scope", "target"),
        UniqueConstraint("id", name="hides_by_id"),
    )
    op.create_index("hides_by_on", "hides", ["on"])


def create_reports() -> None:
    op.create_table(
        "reports",
        Column("id", TEXT, nullable=False, autoincrement=False),
        Column("origin", TEXT, nullable=False, autoincrement=False),
        Column("rid", TEXT, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        Column("mine", BOOLEAN, nullable=False, autoincrement=False),
        Column("holder", TEXT, nullable=False, autoincrement=False),
        Column("what", TEXT, nullable=False, autoincrement=False),
        Column("text", TEXT, nullable=False, autoincrement=False),
        Column("by", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("state", TEXT, nullable=False, autoincrement=False),
        Column("via", INTEGER, nullable=True, autoincrement=False),
        Column("answer", TEXT, nullable=False, autoincrement=False),
        Column("answered_at", INTEGER, nullable=True, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("reports_by_origin_rid", "reports", ["origin", "rid"])
    op.create_index("reports_by_state", "reports", ["state"])


def create_audit_blocks() -> None:
    op.create_table(
        "audit_blocks",
        Column("number", INTEGER, nullable=False, autoincrement=False),
        Column("root", BYTES, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("number"),
    )


def create_checkpoints() -> None:
    op.create_table(
        "checkpoints",
        Column("size", INTEGER, nullable=False, autoincrement=False),
        Column("root", BYTES, nullable=False, autoincrement=False),
        Column("note", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("size"),
    )
    op.create_index("checkpoints_by_at", "checkpoints", ["at"])


def create_witnessed() -> None:
    op.create_table(
        "witnessed",
        Column("node_id", TEXT, nullable=False, autoincrement=False),
        Column("size", INTEGER, nullable=False, autoincrement=False),
        Column("root", BYTES, nullable=False, autoincrement=False),
        Column("note", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("alarm", TEXT, nullable=False, autoincrement=False),
        Column("shown", TEXT, nullable=False, autoincrement=False),
        Column("ours", INTEGER, nullable=False, autoincrement=False),
        Column("refused", TEXT, nullable=False, autoincrement=False),
        Column("asked_at", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("node_id"),
    )


def widen_accounts() -> None:
    added: tuple[Column[Any], ...] = (
        Column("admin", BOOLEAN, nullable=False, server_default=false()),
        Column("totp", TEXT, nullable=False, server_default=""),
        Column("totp_step", INTEGER, nullable=False, server_default="0"),
        Column("recovery", TEXT, nullable=False, server_default="[]"),
        Column("notices", TEXT, nullable=False, server_default="[]"),
    )
    with op.batch_alter_table("accounts") as table:
        for column in added:
            table.add_column(column)
    with op.batch_alter_table("accounts") as table:  # the rows say every value themselves
        for column in added:
            table.alter_column(column.name, server_default=None)
    # Before, any steward's token could be given `admin`; now the account has to be an administrator's for it.
    op.execute(
        "UPDATE accounts SET admin = TRUE WHERE role = 'steward' AND name IN "
        "(SELECT account FROM tokens WHERE kind = 'api' AND scopes LIKE '%\"admin\"%')"
    )


def widen_erasures() -> None:
    op.add_column("erasures", Column("not_before", INTEGER, nullable=True))


def widen_audit() -> None:
    op.add_column("audit", Column("salt", BYTES, nullable=True))
    op.add_column("audit", Column("n", INTEGER, nullable=True))
    op.add_column("audit", Column("leaf", BYTES, nullable=True))
    op.add_column("audit", Column("erased", BYTES, nullable=True))
    op.create_index("audit_by_n", "audit", ["n"])
