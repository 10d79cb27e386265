"""Within version 1 what is unknown is ignored and kept, what is optional may be absent, what would widen is refused."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from federation import jws
from federation.client import read_swap
from federation.documents import (
    Manifest,
    Notice,
    Receipt,
    Roster,
    SignedDocument,
    Withdrawal,
    verify_document,
)
from federation.effects import MarkSwap
from federation.encoding import b64url_decode, dumps
from federation.envelope import disclosure_digest, disclosure_text, redact, verify, verify_compact
from federation.errors import PeerError
from federation.hides import Hide
from federation.identity import KeyHistory, verify_history
from federation.jws import Typ
from federation.messages import Ack, Mail, Page, Put, read_ack, read_mail, read_page, write_page
from tests.vectors.nodes import RID, T0, VectorNode

LATER: Final = {"later": {"deep": [1, "Ж", None]}}
NODE: Final = VectorNode("crossing")
ZERO: Final = "00" * 32


def _history(node_id: str) -> KeyHistory | None:
    return verify_history(NODE.history()) if node_id == NODE.node_id else None


def _envelope(audiences: list[str], purposes: list[str], **more: Any) -> tuple[bytes, list[str]]:
    texts = {n: disclosure_text(bytes([i] * 16), n) for i, n in enumerate(("title", "summary", "aura:x"), 1)}
    payload = {
        "iss": NODE.node_id, "rid": RID, "ver": 1, "prev": None, "iat": T0, "kind": "guide", "lang": "en",
        "terms": [{"aud": audiences, "pur": purposes, **LATER}],
        "f": {n: {"t": 0, "_sd": [disclosure_digest(t)], **LATER} for n, t in texts.items()},
        **more,
    }  # fmt: skip
    return jws.sign_bytes(Typ.RECORD, NODE.rec.kid(NODE.node_id), dumps(payload), NODE.rec), list(texts.values())


def test_unknown_members_of_an_envelope_stay_in_its_bytes_through_redaction_and_the_compact_form() -> None:
    token, texts = _envelope(["network"], ["learning", "divination"], **LATER)
    whole = verify(token, texts, _history)
    smaller = redact(whole, ["title", "aura:x"])
    again = verify_compact(smaller.compact(), _history)
    assert whole.extra == again.extra == LATER
    assert whole.jws == again.jws == token
    assert again.disclosed == {"aura:x": "aura:x", "title": "title"}
    assert [p.value for p in whole.terms[0].purposes] == ["learning"], "an unknown purpose only narrows"


def test_an_unknown_audience_is_refused_because_ignoring_it_would_widen() -> None:
    token, texts = _envelope(["network", "friends-of-friends"], ["learning"])
    with pytest.raises(PeerError, match="terms"):
        verify(token, texts, _history)


@pytest.mark.parametrize(
    ("model", "members"),
    [
        (Withdrawal, {"rid": RID, "ver": 1, "reason": "harm"}),
        (Receipt, {"aud": NODE.node_id, "items": [{"rid": RID, "ver": 1, "copy": ZERO, "state": "held", **LATER}]}),
        (Manifest, {"to": NODE.node_id, "items": [{"vid": ZERO, "fields": ["title"], **LATER}]}),
        (Roster, {"circle": f"{NODE.identity.multibase}.x", "seq": 1, "members": [NODE.node_id]}),
        (Hide, {"scope": "all", "seq": 1, "hidden": True}),
        (Notice, {"to": NODE.node_id, "agreement": "none", "kind": "end", "seq": 1}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_document_with_unknown_members_or_without_optional_ones_verifies_and_keeps_its_bytes(
    model: type[SignedDocument], members: dict[str, Any]
) -> None:
    for extra in ({}, LATER):
        payload = {"iss": NODE.node_id, "iat": T0, **members, **extra}
        token = jws.sign(model.typ, NODE.rec.kid(NODE.node_id), payload, NODE.rec)
        verified = verify_document(token, model, _history)
        assert verified.token == token
        assert json.loads(b64url_decode(verified.token.decode().split(".")[1])) == payload


def test_a_page_is_read_the_same_with_lines_and_members_of_a_later_version() -> None:
    page = Page(3, (Put(4, "e30.e30.AAAA", ("[]",)),), 5, True, 1, bytes(32), (("a.b.c",),), "m.m.m", "ab", mail=True)
    lines = [json.loads(line) | LATER for line in write_page(page).splitlines()]
    lines[1:1] = [{"t": "banner", "seq": "none"}, {"x": 1}]
    assert read_page(b"".join(dumps(line) + b"\n" for line in lines)) == page


def test_a_page_may_leave_out_what_is_optional() -> None:
    end = {"t": "end", "cursor": 1, "count": 0, "sum": ZERO, "held_count": 0, "held_sum": ZERO}
    put = {"t": "put", "seq": 1, "jws": "e30.e30.AAAA"}
    body = b"".join(dumps(line) + b"\n" for line in ({"t": "head", "after": 0}, put, end))
    assert read_page(body) == Page(0, (Put(1, "e30.e30.AAAA", ()),), 1, False, 0, bytes(32))


def test_messages_are_read_with_more_and_with_less_than_they_have_here() -> None:
    bare = {"count": 0, "sum": ZERO}
    assert read_ack(dumps(bare | LATER)) == read_ack(dumps(bare)) == Ack(None)
    refusal = {"origin": "o", "rid": "r", "ver": 1, "code": "a-code-of-later", **LATER}
    assert read_ack(dumps(bare | {"refused": [refusal]})).refused[0].code == "a-code-of-later"
    assert read_mail(dumps({"last": 1, "ack": bare | LATER, **LATER})) == Mail(1, Ack(None))
    assert read_swap(dumps(LATER)) == MarkSwap((), (), ())
