"""The first schema.

Revision id 0001. Written out in full: `rows.py` moves on, this does not.
"""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text, UniqueConstraint

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
INTEGER = BigInteger().with_variant(Integer(), "sqlite")
BYTES = LargeBinary()
BOOLEAN = Boolean()


def upgrade() -> None:
    """Create all tables."""
    create_meta()
    create_copies()
    create_drafts()
    create_versions()
    create_grants()
    create_contributors()
    create_peers()
    create_custody()
    create_offers()
    create_origins()
    create_quarantine()
    create_receipts()
    create_receipt_docs()
    create_outgoing()
    create_erasures()
    create_attachments()
    create_attachment_refs()
    create_links()
    create_circles()
    create_nonces()
    create_invites()
    create_accounts()
    create_tokens()
    create_audit()
    create_sequence()


def downgrade() -> None:
    """There is nothing before the first schema."""
    raise RuntimeError("nothing comes before the first schema: restore a backup instead")


def create_meta() -> None:
    op.create_table(
        "meta",
        Column("name", TEXT, nullable=False, autoincrement=False),
        Column("value", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("name"),
    )


def create_copies() -> None:
    op.create_table(
        "copies",
        Column("id", INTEGER, nullable=False, autoincrement=False),
        Column("origin", TEXT, nullable=False, autoincrement=False),
        Column("rid", TEXT, nullable=False, autoincrement=False),
        Column("own", BOOLEAN, nullable=False, autoincrement=False),
        Column("state", INTEGER, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        Column("change_seq", INTEGER, nullable=False, autoincrement=False),
        Column("vid", BYTES, nullable=True, autoincrement=False),
        Column("copy_id", BYTES, nullable=True, autoincrement=False),
        Column("iat", INTEGER, nullable=True, autoincrement=False),
        Column("kind", TEXT, nullable=True, autoincrement=False),
        Column("lang", TEXT, nullable=True, autoincrement=False),
        Column("jws", TEXT, nullable=True, autoincrement=False),
        Column("disclosed", TEXT, nullable=True, autoincrement=False),
        Column("direct", TEXT, nullable=False, autoincrement=False),
        Column("editor", TEXT, nullable=False, autoincrement=False),
        Column("ends_at", INTEGER, nullable=True, autoincrement=False),
        Column("received_at", INTEGER, nullable=True, autoincrement=False),
        Column("via", INTEGER, nullable=True, autoincrement=False),
        Column("withdrawal", TEXT, nullable=True, autoincrement=False),
        Column("reason", TEXT, nullable=True, autoincrement=False),
        Column("relay", BOOLEAN, nullable=False, autoincrement=False),
        Column("conflict", BOOLEAN, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("id"),
        UniqueConstraint("origin", "rid", name="copies_by_origin_rid"),
    )
    op.create_index("copies_by_change_seq", "copies", ["change_seq"])
    op.create_index("copies_by_ends_at", "copies", ["ends_at"])
    op.create_index("copies_by_state_own", "copies", ["state", "own"])
    op.create_index("copies_by_rid", "copies", ["rid"])


def create_drafts() -> None:
    op.create_table(
        "drafts",
        Column("rid", TEXT, nullable=False, autoincrement=False),
        Column("body", TEXT, nullable=False, autoincrement=False),
        Column("source", TEXT, nullable=False, autoincrement=False),
        Column("source_id", TEXT, nullable=False, autoincrement=False),
        Column("source_hash", TEXT, nullable=False, autoincrement=False),
        Column("created_at", INTEGER, nullable=False, autoincrement=False),
        Column("updated_at", INTEGER, nullable=False, autoincrement=False),
        Column("published", BOOLEAN, nullable=False, autoincrement=False),
        Column("editor", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("rid"),
        UniqueConstraint("source", "source_id", name="drafts_by_source_source_id"),
    )
    op.create_index("drafts_by_updated_at", "drafts", ["updated_at"])


def create_versions() -> None:
    op.create_table(
        "versions",
        Column("rid", TEXT, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        Column("vid", BYTES, nullable=False, autoincrement=False),
        Column("jws", TEXT, nullable=False, autoincrement=False),
        Column("disclosed", TEXT, nullable=False, autoincrement=False),
        Column("sealed_at", INTEGER, nullable=False, autoincrement=False),
        Column("cause", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("rid", "ver"),
    )


def create_grants() -> None:
    op.create_table(
        "grants",
        Column("gid", TEXT, nullable=False, autoincrement=False),
        Column("subject", TEXT, nullable=False, autoincrement=False),
        Column("terms", TEXT, nullable=False, autoincrement=False),
        Column("how", TEXT, nullable=False, autoincrement=False),
        Column("given_at", INTEGER, nullable=False, autoincrement=False),
        Column("rid", TEXT, nullable=True, autoincrement=False),
        Column("fields", TEXT, nullable=True, autoincrement=False),
        Column("withdrawn_at", INTEGER, nullable=True, autoincrement=False),
        Column("ends_at", INTEGER, nullable=True, autoincrement=False),
        PrimaryKeyConstraint("gid"),
    )
    op.create_index("grants_by_subject", "grants", ["subject"])
    op.create_index("grants_by_ends_at", "grants", ["ends_at"])


def create_contributors() -> None:
    op.create_table(
        "contributors",
        Column("subject", TEXT, nullable=False, autoincrement=False),
        Column("rid", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("subject", "rid"),
    )
    op.create_index("contributors_by_rid", "contributors", ["rid"])


def create_peers() -> None:
    op.create_table(
        "peers",
        Column("id", INTEGER, nullable=False, autoincrement=False),
        Column("node_id", TEXT, nullable=False, autoincrement=False),
        Column("phase", TEXT, nullable=False, autoincrement=False),
        Column("name", TEXT, nullable=False, autoincrement=False),
        Column("history", TEXT, nullable=False, autoincrement=False),
        Column("urls", TEXT, nullable=False, autoincrement=False),
        Column("regions", TEXT, nullable=False, autoincrement=False),
        Column("added_at", INTEGER, nullable=False, autoincrement=False),
        Column("languages", TEXT, nullable=False, autoincrement=False),
        Column("agreement", TEXT, nullable=True, autoincrement=False),
        Column("agreement_source", TEXT, nullable=True, autoincrement=False),
        Column("proposal", TEXT, nullable=True, autoincrement=False),
        Column("words", TEXT, nullable=False, autoincrement=False),
        Column("invite", TEXT, nullable=True, autoincrement=False),
        Column("cursor", INTEGER, nullable=False, autoincrement=False),
        Column("issued", INTEGER, nullable=False, autoincrement=False),
        Column("acked", INTEGER, nullable=False, autoincrement=False),
        Column("decided_upto", INTEGER, nullable=False, autoincrement=False),
        Column("decided_under", TEXT, nullable=False, autoincrement=False),
        Column("put_count", INTEGER, nullable=False, autoincrement=False),
        Column("put_sum", BYTES, nullable=False, autoincrement=False),
        Column("offer_count", INTEGER, nullable=False, autoincrement=False),
        Column("offer_sum", BYTES, nullable=False, autoincrement=False),
        Column("offer_bytes", INTEGER, nullable=False, autoincrement=False),
        Column("mark_count", INTEGER, nullable=False, autoincrement=False),
        Column("mark_sum", BYTES, nullable=False, autoincrement=False),
        Column("we_suspended", BOOLEAN, nullable=False, autoincrement=False),
        Column("they_suspended", BOOLEAN, nullable=False, autoincrement=False),
        Column("notice_seq", INTEGER, nullable=False, autoincrement=False),
        Column("their_notice_seq", INTEGER, nullable=False, autoincrement=False),
        Column("standing", INTEGER, nullable=False, autoincrement=False),
        Column("failures", INTEGER, nullable=False, autoincrement=False),
        Column("last_error", TEXT, nullable=False, autoincrement=False),
        Column("next_sync_at", INTEGER, nullable=False, autoincrement=False),
        Column("last_sync_at", INTEGER, nullable=True, autoincrement=False),
        Column("last_contact_at", INTEGER, nullable=True, autoincrement=False),
        PrimaryKeyConstraint("id"),
        UniqueConstraint("node_id", name="peers_by_node_id"),
    )


def create_custody() -> None:
    op.create_table(
        "custody",
        Column("peer", INTEGER, nullable=False, autoincrement=False),
        Column("copy", INTEGER, nullable=False, autoincrement=False),
        Column("seq", INTEGER, nullable=False, autoincrement=False),
        Column("entry", TEXT, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("copy_id", BYTES, nullable=True, autoincrement=False),
        Column("iat", INTEGER, nullable=True, autoincrement=False),
        Column("fields", TEXT, nullable=False, autoincrement=False),
        Column("policy", TEXT, nullable=False, autoincrement=False),
        Column("told", BOOLEAN, nullable=False, autoincrement=False),
        Column("refused", TEXT, nullable=True, autoincrement=False),
        Column("hops", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("peer", "copy"),
    )
    op.create_index("custody_by_peer_seq", "custody", ["peer", "seq"])
    op.create_index("custody_by_copy", "custody", ["copy"])


def create_offers() -> None:
    op.create_table(
        "offers",
        Column("peer", INTEGER, nullable=False, autoincrement=False),
        Column("copy", INTEGER, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        Column("copy_id", BYTES, nullable=False, autoincrement=False),
        Column("iat", INTEGER, nullable=False, autoincrement=False),
        Column("fields", TEXT, nullable=False, autoincrement=False),
        Column("size", INTEGER, nullable=False, autoincrement=False),
        Column("hops", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("peer", "copy"),
    )
    op.create_index("offers_by_copy", "offers", ["copy"])


def create_origins() -> None:
    op.create_table(
        "origins",
        Column("node_id", TEXT, nullable=False, autoincrement=False),
        Column("history", TEXT, nullable=False, autoincrement=False),
        Column("name", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("node_id"),
    )


def create_quarantine() -> None:
    op.create_table(
        "quarantine",
        Column("id", INTEGER, nullable=False, autoincrement=False),
        Column("peer", INTEGER, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("code", TEXT, nullable=False, autoincrement=False),
        Column("detail", TEXT, nullable=False, autoincrement=False),
        Column("origin", TEXT, nullable=False, autoincrement=False),
        Column("rid", TEXT, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("quarantine_by_peer", "quarantine", ["peer"])
    op.create_index("quarantine_by_at", "quarantine", ["at"])


def create_receipts() -> None:
    op.create_table(
        "receipts",
        Column("holder", TEXT, nullable=False, autoincrement=False),
        Column("origin", TEXT, nullable=False, autoincrement=False),
        Column("rid", TEXT, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        Column("state", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("doc", BYTES, nullable=False, autoincrement=False),
        Column("copy_id", BYTES, nullable=True, autoincrement=False),
        PrimaryKeyConstraint("holder", "origin", "rid"),
    )
    op.create_index("receipts_by_origin_rid", "receipts", ["origin", "rid"])


def create_receipt_docs() -> None:
    op.create_table(
        "receipt_docs",
        Column("id", BYTES, nullable=False, autoincrement=False),
        Column("holder", TEXT, nullable=False, autoincrement=False),
        Column("origin", TEXT, nullable=False, autoincrement=False),
        Column("jws", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )


def create_outgoing() -> None:
    op.create_table(
        "outgoing",
        Column("id", INTEGER, nullable=False, autoincrement=False),
        Column("peer", INTEGER, nullable=False, autoincrement=False),
        Column("what", TEXT, nullable=False, autoincrement=False),
        Column("body", TEXT, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("outgoing_by_peer", "outgoing", ["peer"])


def create_erasures() -> None:
    op.create_table(
        "erasures",
        Column("id", INTEGER, nullable=False, autoincrement=False),
        Column("copy", INTEGER, nullable=False, autoincrement=False),
        Column("index_key", TEXT, nullable=False, autoincrement=False),
        Column("asked_at", INTEGER, nullable=False, autoincrement=False),
        Column("ver", INTEGER, nullable=False, autoincrement=False),
        Column("receipt", BOOLEAN, nullable=False, autoincrement=False),
        Column("copy_id", BYTES, nullable=True, autoincrement=False),
        Column("files", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("erasures_by_copy", "erasures", ["copy"])


def create_attachments() -> None:
    op.create_table(
        "attachments",
        Column("sha256", TEXT, nullable=False, autoincrement=False),
        Column("size", INTEGER, nullable=False, autoincrement=False),
        Column("have", INTEGER, nullable=False, autoincrement=False),
        Column("chunks", TEXT, nullable=False, autoincrement=False),
        Column("media_type", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("sha256"),
    )


def create_attachment_refs() -> None:
    op.create_table(
        "attachment_refs",
        Column("sha256", TEXT, nullable=False, autoincrement=False),
        Column("copy", INTEGER, nullable=False, autoincrement=False),
        Column("field", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("sha256", "copy", "field"),
    )
    op.create_index("attachment_refs_by_copy", "attachment_refs", ["copy"])


def create_links() -> None:
    op.create_table(
        "links",
        Column("copy", INTEGER, nullable=False, autoincrement=False),
        Column("rel", TEXT, nullable=False, autoincrement=False),
        Column("to_rid", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("copy", "rel", "to_rid"),
    )
    op.create_index("links_by_to_rid", "links", ["to_rid"])


def create_circles() -> None:
    op.create_table(
        "circles",
        Column("cid", TEXT, nullable=False, autoincrement=False),
        Column("id", INTEGER, nullable=False, autoincrement=False),
        Column("seq", INTEGER, nullable=False, autoincrement=False),
        Column("members", TEXT, nullable=False, autoincrement=False),
        Column("roster", TEXT, nullable=False, autoincrement=False),
        Column("former", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("cid"),
        UniqueConstraint("id", name="circles_by_id"),
    )


def create_nonces() -> None:
    op.create_table(
        "nonces",
        Column("node_id", TEXT, nullable=False, autoincrement=False),
        Column("nonce", TEXT, nullable=False, autoincrement=False),
        Column("expires_at", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("node_id", "nonce"),
    )
    op.create_index("nonces_by_expires_at", "nonces", ["expires_at"])


def create_invites() -> None:
    op.create_table(
        "invites",
        Column("id", TEXT, nullable=False, autoincrement=False),
        Column("jws", TEXT, nullable=False, autoincrement=False),
        Column("expires_at", INTEGER, nullable=False, autoincrement=False),
        Column("note", TEXT, nullable=False, autoincrement=False),
        Column("used_by", TEXT, nullable=True, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )


def create_accounts() -> None:
    op.create_table(
        "accounts",
        Column("name", TEXT, nullable=False, autoincrement=False),
        Column("role", TEXT, nullable=False, autoincrement=False),
        Column("password", TEXT, nullable=False, autoincrement=False),
        Column("created_at", INTEGER, nullable=False, autoincrement=False),
        Column("disabled", BOOLEAN, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("name"),
    )


def create_tokens() -> None:
    op.create_table(
        "tokens",
        Column("hash", BYTES, nullable=False, autoincrement=False),
        Column("kind", TEXT, nullable=False, autoincrement=False),
        Column("account", TEXT, nullable=False, autoincrement=False),
        Column("label", TEXT, nullable=False, autoincrement=False),
        Column("scopes", TEXT, nullable=False, autoincrement=False),
        Column("created_at", INTEGER, nullable=False, autoincrement=False),
        Column("expires_at", INTEGER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("hash"),
    )
    op.create_index("tokens_by_account", "tokens", ["account"])
    op.create_index("tokens_by_expires_at", "tokens", ["expires_at"])


def create_audit() -> None:
    op.create_table(
        "audit",
        Column("id", INTEGER, nullable=False, autoincrement=False),
        Column("at", INTEGER, nullable=False, autoincrement=False),
        Column("actor", TEXT, nullable=False, autoincrement=False),
        Column("action", TEXT, nullable=False, autoincrement=False),
        Column("subject", TEXT, nullable=False, autoincrement=False),
        Column("detail", TEXT, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_subject", "audit", ["subject"])
    op.create_index("audit_by_at", "audit", ["at"])


def create_sequence() -> None:
    sequence = op.create_table(
        "sequence",
        Column("name", TEXT, nullable=False),
        Column("last", INTEGER, nullable=False),
        PrimaryKeyConstraint("name"),
    )
    op.bulk_insert(sequence, [{"name": "node", "last": 0}])
