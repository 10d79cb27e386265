"""The nodes, keys and forging tools that the vectors are made with: fixed seeds, so every run makes the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from federation.encoding import b64url_encode, dumps
from federation.envelope import RecordHead, VerifiedEnvelope, seal
from federation.identity import CurrentKey, CurrentKeys, NodeDocument, entry_hash, sign_entry
from federation.jws import Typ
from federation.keys import SigningKey, encode_x25519, key_commitment, node_id_of, x25519_public
from governance.terms import ALL_PURPOSES, DIRECT, NETWORK, PUBLIC, Purpose, Terms

T0: Final = 1_780_000_000  # when both nodes begin, in unix seconds
DAY: Final = 86_400
RID: Final = "019a5b1c-7d00-7abc-8def-0123456789ab"
ALG: Final = "Ed25519"


def seed(label: str) -> bytes:
    """A fixed seed for a label."""
    return hashlib.sha256(f"commonweave test vector {label}".encode()).digest()


class VectorNode:
    """A node whose keys come from its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.identity, self.next, self.after_next, self.req, self.rec, self.rec2, self.log = (
            SigningKey.from_seed(seed(f"{name} {use}")) for use in ("id", "next", "after", "req", "rec", "rec2", "log")
        )
        self.node_id = node_id_of(self.identity.public)

    def genesis(self, **changes: Any) -> NodeDocument:
        """The first node document."""
        values: dict[str, Any] = {
            "iss": self.node_id,
            "seq": 1,
            "iat": T0,
            "prev": None,
            "next": key_commitment(self.next.public),
            "name": self.name,
            "regions": ("KE", "UG"),
            "languages": ("en", "sw"),
            "contact": "steward@example.org",
            "urls": ("https://node.example.org",),
            "keys": self.keys(),
            "protocols": ("commonweave/1",),
        }
        return NodeDocument(**(values | changes))

    def keys(self, rec: SigningKey | None = None, rec_since: int = T0) -> CurrentKeys:
        """Current keys, with another record key if given."""
        return CurrentKeys(
            req=CurrentKey(key=self.req.multibase, since=T0),
            rec=CurrentKey(key=(rec or self.rec).multibase, since=rec_since),
            log=CurrentKey(key=self.log.multibase, since=T0),
            x25519=CurrentKey(key=encode_x25519(x25519_public(seed(f"{self.name} x25519"))), since=T0),
        )

    def following(self, entry: bytes, document: NodeDocument, **changes: Any) -> NodeDocument:
        """The document that comes after `entry`."""
        values = {"seq": document.seq + 1, "iat": document.iat + DAY, "prev": entry_hash(entry)} | changes
        return document.model_copy(update=values)

    def history(self) -> list[bytes]:
        """A first entry alone."""
        return [sign_entry(self.genesis(), self.identity)]

    def history_with_new_record_key(self) -> list[bytes]:
        """After ten days a second record key, and the first declared compromised from day eight."""
        first = self.history()[0]
        document = self.following(
            first,
            self.genesis(),
            iat=T0 + 10 * DAY,
            keys=self.keys(self.rec2, T0 + 10 * DAY),
            compromised={self.rec.kid(self.node_id): T0 + 8 * DAY},
        )
        return [first, sign_entry(document, self.identity)]


NAIROBI: Final = VectorNode("Nairobi")
LIMA: Final = VectorNode("Lima")
STRANGER: Final = VectorNode("Stranger")

NETWORK_TERMS: Final = Terms(frozenset({NETWORK}), ALL_PURPOSES, T0 + 400 * DAY)
DIRECT_TERMS: Final = Terms(frozenset({DIRECT}), frozenset({Purpose.LEARNING}))
PUBLIC_TERMS: Final = Terms(frozenset({PUBLIC}), ALL_PURPOSES)

FIELDS: Final[dict[str, Any]] = {
    "title": "De-escalation at a bus stop",
    "summary": '¿Qué pasó? مثال 例 — three people, one quarrel, and "a long breath".',
    "actions": ["step back", "ask a name", {"then": None, "minutes": 7.5, "held": True}],
    "quote:q1": "I was afraid, then I was not.",
    "person:p1": {"role": "facilitator", "name": "Amina (fictional)"},
}
FIELD_TERMS: Final[dict[str, Terms]] = {
    "title": PUBLIC_TERMS,
    "summary": NETWORK_TERMS,
    "actions": NETWORK_TERMS,
    "quote:q1": DIRECT_TERMS,
    "person:p1": DIRECT_TERMS,
}


def salts(label: str, count: int) -> bytes:
    """Fixed salts; real ones are always drawn fresh."""
    return b"".join(hashlib.sha256(f"salt {label} {at}".encode()).digest()[:16] for at in range(count))


def head(**changes: Any) -> RecordHead:
    """The head of Nairobi's example record."""
    values: dict[str, Any] = {
        "iss": NAIROBI.node_id,
        "rid": RID,
        "ver": 1,
        "prev": None,
        "iat": T0 + DAY,
        "kind": "case_study",
        "lang": "en",
    }
    return RecordHead(**(values | changes))


def example(**changes: Any) -> VerifiedEnvelope:
    """Nairobi's example record, all fields shown."""
    return seal(head(**changes), FIELDS, FIELD_TERMS, salts("example", len(FIELDS)), NAIROBI.rec)


def record_header(**changes: Any) -> dict[str, Any]:
    """The header of an example record; a member set to None is left out."""
    header = {"alg": ALG, "typ": Typ.RECORD.value, "kid": NAIROBI.rec.kid(NAIROBI.node_id)} | changes
    return {name: value for name, value in header.items() if value is not None}


def forge(header: Mapping[str, Any] | bytes, payload: Any, key: SigningKey = NAIROBI.rec) -> bytes:
    """A token that is truly signed, whatever stands in it; bytes are taken as they are."""
    parts = [part if isinstance(part, bytes) else dumps(part) for part in (header, payload)]
    return forge_segments(b64url_encode(parts[0]), b64url_encode(parts[1]), key)


def forge_segments(header: str, payload: str, key: SigningKey = NAIROBI.rec) -> bytes:
    """A token over segments that may be no proper base64url at all."""
    signing_input = f"{header}.{payload}".encode()
    return signing_input + b"." + b64url_encode(key.sign(signing_input)).encode()
