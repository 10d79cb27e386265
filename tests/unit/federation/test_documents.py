"""Documents, agreements and the six words, beyond what the vectors show."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from shamir_mnemonic.wordlist import WORDLIST

from federation.documents import (
    MAX_ITEMS,
    Clauses,
    ItemState,
    Receipt,
    ReceiptItem,
    Verified,
    VerifiedAgreement,
    Withdrawal,
    countersign,
    sign_agreement,
    sign_document,
    verify_agreement,
    verify_document,
)
from federation.encoding import b64url_decode, loads
from federation.errors import Code, PeerError
from federation.jws import Typ, sign
from federation.words import WORDS, six_words
from governance.terms import Purpose
from tests.unit.federation.vector_files import history_of
from tests.vectors.nodes import DAY, LIMA, NAIROBI, RID, STRANGER, T0
from tests.vectors.other_cases import AGREEMENT, CLAUSES, documents

known = history_of("nairobi")
PROPOSED = verify_agreement((sign_agreement(AGREEMENT, NAIROBI.node_id, NAIROBI.rec),), known)


def test_a_proposal_is_complete_only_with_the_second_signature() -> None:
    assert not PROPOSED.complete
    both = verify_agreement((*PROPOSED.tokens, countersign(PROPOSED, LIMA.node_id, LIMA.rec)), known)
    assert both.complete
    assert both.id == PROPOSED.id
    assert set(both.signers) == {NAIROBI.node_id, LIMA.node_id}


def test_the_second_party_signs_the_bytes_of_the_first_also_those_it_does_not_know() -> None:
    later = loads(PROPOSED.payload)
    assert isinstance(later, dict)
    token = sign(Typ.AGREEMENT, NAIROBI.rec.kid(NAIROBI.node_id), later | {"later": 1}, NAIROBI.rec)
    proposal = verify_agreement((token,), known)
    both = verify_agreement((token, countersign(proposal, LIMA.node_id, LIMA.rec)), known)
    assert json.loads(both.payload)["later"] == 1


def test_verified_documents_come_from_verification_only() -> None:
    document = documents()["withdrawal"]
    with pytest.raises(TypeError):
        Verified(document, b"", "", "", object())
    with pytest.raises(TypeError):
        VerifiedAgreement(AGREEMENT, b"", (), (), "", object())


def test_the_exact_bytes_of_a_document_are_kept() -> None:
    token = sign_document(documents()["withdrawal"], NAIROBI.rec)
    assert verify_document(token, Withdrawal, known).token == token
    assert verify_document(token.decode(), Withdrawal, known).token == token


def test_a_document_of_an_unknown_node_is_refused() -> None:
    document = documents()["withdrawal"].model_copy(update={"iss": STRANGER.node_id})
    with pytest.raises(PeerError) as refusal:
        verify_document(sign_document(document, STRANGER.rec), Withdrawal, known)
    assert refusal.value.code == Code.UNKNOWN_ISSUER


def test_a_receipt_at_its_item_limit_is_accepted() -> None:
    item = ReceiptItem(rid=RID, ver=1, copy_id="0" * 64, state=ItemState.HELD)
    receipt = Receipt(iss=NAIROBI.node_id, iat=T0, aud=LIMA.node_id, items=(item,) * MAX_ITEMS)
    verified = verify_document(sign_document(receipt, NAIROBI.rec), Receipt, known)
    assert len(verified.document.items) == MAX_ITEMS
    with pytest.raises(ValidationError):
        Receipt(iss=NAIROBI.node_id, iat=T0, aud=LIMA.node_id, items=(item,) * (MAX_ITEMS + 1))


def test_the_wire_says_copy_where_the_code_says_copy_id() -> None:
    payload = json.loads(b64url_decode(sign_document(documents()["receipt"], NAIROBI.rec).split(b".")[1]))
    assert set(payload["items"][0]) == {"rid", "ver", "copy", "state"}


def test_a_purpose_of_a_later_version_is_dropped_not_widened() -> None:
    clauses = Clauses.model_validate_json(
        json.dumps({"purposes": ["learning", "training-of-models"], "starts": T0, "until": T0 + DAY})
    )
    assert clauses.purposes == {Purpose.LEARNING}


def test_the_canonical_bytes_of_an_agreement_do_not_depend_on_the_order_of_a_set() -> None:
    other = CLAUSES.model_copy(update={"purposes": frozenset(sorted(CLAUSES.purposes, reverse=True))})
    twin = AGREEMENT.model_copy(update={"clauses": other})
    assert sign_agreement(twin, NAIROBI.node_id, NAIROBI.rec) == PROPOSED.tokens[0]


ids = st.text(max_size=20)


@given(ids, ids, ids)
def test_both_sides_read_the_same_six_words(one: str, other: str, nonce: str) -> None:
    words = six_words(one, other, nonce)
    assert words == six_words(other, one, nonce)
    assert len(words) == WORDS
    assert set(words) <= set(WORDLIST)


@given(ids, ids, ids)
def test_moving_a_character_between_the_parts_changes_the_words(one: str, other: str, nonce: str) -> None:
    assert six_words(one + "x", other, nonce) != six_words(one, other, "x" + nonce)


def test_someone_between_two_nodes_changes_the_words() -> None:
    nonce = AGREEMENT.nonce
    honest = six_words(NAIROBI.node_id, LIMA.node_id, nonce)
    assert honest != six_words(NAIROBI.node_id, STRANGER.node_id, nonce)
    # The words for these two nodes and 22 letters A, for other implementations.
    assert honest == ("auction", "flip", "squeeze", "negative", "drink", "secret")
