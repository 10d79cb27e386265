"""Every limit of signed documents and histories holds to the last item: at it yes, one beyond no (DESIGN 5, 6, 8)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from federation import documents, httpsig, identity, jws, messages
from federation.documents import Clauses, Invite, Notice, NoticeKind, Receipt, Roster, sign_document, verify_document
from federation.errors import Code, PeerError
from federation.identity import NodeDocument
from federation.keys import SigningKey, encode_ed25519, node_id_of
from governance.terms import Purpose
from tests.unit.federation.vector_files import history_of
from tests.vectors.nodes import NAIROBI, T0
from tests.vectors.other_cases import documents as example_documents

known = history_of("nairobi")
NODE = known(NAIROBI.node_id)
assert NODE is not None
CIRCLE = f"{encode_ed25519(SigningKey.from_seed(bytes(32)).public)}.coast"


def _ids(count: int) -> tuple[str, ...]:
    return tuple(node_id_of(SigningKey.from_seed(n.to_bytes(32)).public) for n in range(count))


def _clauses(**changed: Any) -> dict[str, Any]:
    return {"purposes": frozenset({Purpose.LEARNING}), "starts": T0} | changed


def _invite(**changed: Any) -> dict[str, Any]:
    return {
        "iss": NAIROBI.node_id, "iat": T0, "id": "i", "urls": ("https://a.example",), "nonce": "n" * 22,
        "expires": T0 + 1, "clauses": Clauses(**_clauses()),
    } | changed  # fmt: skip


def _notice(**changed: Any) -> dict[str, Any]:
    return {
        "iss": NAIROBI.node_id, "iat": T0, "to": _ids(1)[0], "agreement": "none", "kind": NoticeKind.END, "seq": 1,
    } | changed  # fmt: skip


def _document(**changed: Any) -> dict[str, Any]:
    assert NODE is not None
    current = NODE.current
    return {name: getattr(current, name) for name in NodeDocument.model_fields} | changed


def _roster(**changed: Any) -> dict[str, Any]:
    return {"iss": _ids(1)[0], "iat": T0, "circle": CIRCLE, "seq": 1, "members": ()} | changed


def _letters(count: int) -> tuple[str, ...]:
    return tuple(f"t{n}" for n in range(count))


LIMITS: list[tuple[str, int, type[BaseModel], Any]] = [
    ("documents.MAX_SCOPE kinds", documents.MAX_SCOPE, Clauses, lambda n: _clauses(kinds=_letters(n))),
    ("documents.MAX_SCOPE topics", documents.MAX_SCOPE, Clauses, lambda n: _clauses(topics=_letters(n))),
    (
        "documents.MAX_RESPONSE_H", documents.MAX_RESPONSE_H, Clauses,
        lambda n: _clauses(withdrawal_response_h=n),
    ),
    ("documents.MAX_NONCE_CHARS", documents.MAX_NONCE_CHARS, Invite, lambda n: _invite(nonce="n" * n)),
    ("documents reason", 500, Notice, lambda n: _notice(reason="r" * n)),
    ("documents.MAX_MEMBERS", documents.MAX_MEMBERS, Roster, lambda n: _roster(members=_ids(n))),
    ("identity.MAX_URLS", identity.MAX_URLS, NodeDocument, lambda n: _document(urls=("https://a.example",) * n)),
    (
        "identity.MAX_URL_CHARS", identity.MAX_URL_CHARS, NodeDocument,
        lambda n: _document(urls=("https://a.example/".ljust(n, "x"),)),
    ),
    ("identity.MAX_NAME_CHARS", identity.MAX_NAME_CHARS, NodeDocument, lambda n: _document(name="n" * n)),
    ("identity.MAX_CONTACT_CHARS", identity.MAX_CONTACT_CHARS, NodeDocument, lambda n: _document(contact="c" * n)),
    ("identity.MAX_TAGS regions", identity.MAX_TAGS, NodeDocument, lambda n: _document(regions=("KE",) * n)),
    ("identity.MAX_TAGS languages", identity.MAX_TAGS, NodeDocument, lambda n: _document(languages=("sw",) * n)),
    (
        "identity.MAX_COMPROMISED", identity.MAX_COMPROMISED, NodeDocument,
        lambda n: _document(compromised={f"{NAIROBI.node_id}#{i}": T0 for i in range(n)}),
    ),
    (
        "identity.MAX_HISTORY_ENTRIES", identity.MAX_HISTORY_ENTRIES, NodeDocument,
        lambda n: _document(seq=n),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "limit", "model", "given"), LIMITS, ids=[name for name, *_ in LIMITS])
def test_a_document_holds_as_much_as_its_limit_and_nothing_more(
    name: str, limit: int, model: type[BaseModel], given: Any
) -> None:
    del name
    model.model_validate(given(limit))
    with pytest.raises((ValidationError, PeerError)):
        model.model_validate(given(limit + 1))


def _of_length(size: int) -> str:
    """A signed notice of ours with exactly so many characters: a member of a later version fills it up."""

    def token(fill: int) -> str:
        body = json.loads(Notice(**_notice()).model_dump_json()) | {"later": "x" * fill}
        return jws.sign(Notice.typ, NAIROBI.rec.kid(NAIROBI.node_id), body, NAIROBI.rec).decode()

    fill = (size - len(token(0))) * 3 // 4
    for more in range(-3, 4):
        made = token(fill + more)
        if len(made) == size:
            return made
    raise AssertionError("no filling has this length")


def test_a_signed_document_has_at_most_its_bytes() -> None:
    whole = _of_length(documents.MAX_DOCUMENT_BYTES)
    assert verify_document(whole, Notice, known).document.seq == 1
    with pytest.raises(PeerError) as refused:
        verify_document(_of_length(documents.MAX_DOCUMENT_BYTES + 2), Notice, known)
    assert refused.value.code is Code.TOO_LARGE


def test_the_full_receipt_fits_into_a_document() -> None:
    receipt = example_documents()["receipt"]
    assert isinstance(receipt, Receipt)
    full = receipt.model_copy(update={"items": receipt.items[:1] * documents.MAX_ITEMS})
    assert len(sign_document(full, NAIROBI.rec)) <= documents.MAX_DOCUMENT_BYTES


@pytest.mark.parametrize(
    ("chars", "fits"),
    [
        (httpsig.MIN_NONCE_CHARS - 1, False),
        (httpsig.MIN_NONCE_CHARS, True),
        (httpsig.MAX_NONCE_CHARS, True),
        (httpsig.MAX_NONCE_CHARS + 1, False),
    ],
)
def test_a_requests_nonce_is_long_enough_and_not_longer(chars: int, fits: bool) -> None:
    assert bool(httpsig._NONCE.match("n" * chars)) is fits


def test_a_list_in_a_message_has_at_most_its_items() -> None:
    assert len(messages.words_of({"notices": ["n"] * messages.MAX_LISTED}, "notices")) == messages.MAX_LISTED
    with pytest.raises(PeerError):
        messages.words_of({"notices": ["n"] * (messages.MAX_LISTED + 1)}, "notices")
