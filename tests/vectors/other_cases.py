"""Node histories, signed documents and signed requests, valid and invalid."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from federation.documents import (
    Agreement,
    AtEnd,
    Clauses,
    Invite,
    ItemState,
    Manifest,
    ManifestItem,
    Notice,
    NoticeKind,
    Receipt,
    ReceiptItem,
    Roster,
    SignedDocument,
    Withdrawal,
    sign_agreement,
    sign_document,
)
from federation.encoding import dumps, loads
from federation.errors import Code
from federation.hides import Hide, HideScope
from federation.httpsig import Request, Response, Stamp, sign_request, sign_response
from federation.identity import sign_entry
from federation.jws import Typ, sign
from federation.keys import key_commitment
from governance.terms import Purpose
from tests.vectors.nodes import DAY, LIMA, NAIROBI, RID, STRANGER, T0, example

Vector = dict[str, Any]
A, B = NAIROBI, LIMA


# --- node histories -------------------------------------------------------------------------------------------------


def _history(about: str, *entries: bytes) -> Vector:
    return {"about": about, "entries": [entry.decode("ascii") for entry in entries]}


def _update(first: bytes, **changes: Any) -> bytes:
    return sign_entry(A.following(first, A.genesis(), **changes), A.identity)


def _rotation(first: bytes, **changes: Any) -> bytes:
    values = {"next": key_commitment(A.after_next.public)} | changes
    return sign_entry(A.following(first, A.genesis(), **values), A.next, rotation=True)


def valid_histories() -> Iterator[tuple[str, Vector]]:
    """Histories that chain."""
    first = A.history()[0]
    update = _update(first, name="Nairobi, new name")
    rotation = _rotation(first)
    after = A.following(rotation, A.genesis(), seq=3, iat=T0 + 2 * DAY, next=key_commitment(A.after_next.public))
    yield "first-entry", _history("one node document", first)
    yield "update", _history("a new name", first, update)
    yield "new-record-key", _history("a second record key", *A.history_with_new_record_key())
    yield "rotation", _history("the next identity key takes over", first, rotation)
    yield "update-after-rotation", _history("and then signs", first, rotation, sign_entry(after, A.next))


def invalid_histories() -> Iterator[tuple[str, Code, Vector]]:
    """Histories that break one rule."""
    first = A.history()[0]
    stolen_next = key_commitment(B.next.public)
    later = T0 + DAY
    reused = A.genesis().model_copy(update={"keys": A.keys().model_copy(update={"log": A.keys().req})})
    swapped = A.keys().model_copy(update={"rec": A.keys().log, "log": A.keys().rec})
    for name, code, about, entries in (
        ("empty", Code.EMPTY_HISTORY, "nothing", ()),
        ("first-signed-by-another", Code.KEY_NOT_OWNED, "the node id is another key", (
            sign(Typ.NODE, B.identity.kid(A.node_id), A.genesis().model_dump(mode="json"), B.identity),)),
        ("first-is-a-rotation", Code.TYP, "nothing to rotate", (sign_entry(A.genesis(), A.identity, rotation=True),)),
        ("update-by-the-next-key", Code.KEY_NOT_OWNED, "as an update, not a rotation", (
            first, sign_entry(A.following(first, A.genesis()), A.next))),
        ("rotation-by-the-present-key", Code.NEXT_KEY, "not the key committed to", (
            first, sign_entry(A.following(first, A.genesis()), A.identity, rotation=True))),
        ("rotation-by-a-stranger", Code.NEXT_KEY, "not the key committed to", (
            first, sign_entry(A.following(first, A.genesis()), B.next, rotation=True))),
        ("update-changes-next", Code.NEXT_KEY, "a thief would stay", (first, _update(first, next=stolen_next))),
        ("next-is-the-present-key", Code.NEXT_KEY, "no pre-rotation at all", (
            sign_entry(A.genesis(next=key_commitment(A.identity.public)), A.identity),)),
        ("prev-of-another-entry", Code.CHAIN, "not the entry before", (first, _update(first, prev="0" * 64))),
        ("prev-missing", Code.CHAIN, "not chained", (first, _update(first, prev=None))),
        ("sequence-skips", Code.SEQUENCE, "an entry left out", (first, _update(first, seq=3))),
        ("first-is-not-1", Code.SEQUENCE, "counts from 1", (sign_entry(A.genesis(seq=2), A.identity),)),
        ("older-than-before", Code.BACK_IN_TIME, "time runs forward", (first, _update(first, iat=T0 - 1))),
        ("entry-of-another-node", Code.ISS_MISMATCH, "two nodes in one history", (first, B.history()[0])),
        ("iss-is-not-the-signer", Code.ISS_MISMATCH, "kid and iss differ", (
            sign(Typ.NODE, A.identity.kid(A.node_id), B.genesis().model_dump(mode="json"), A.identity),)),
        ("key-for-two-uses", Code.KEY_REUSED, "requests and log", (sign_entry(reused, A.identity),)),
        ("keys-swap-uses", Code.KEY_REUSED, "a record key becomes a log key", (first, _update(first, keys=swapped))),
        ("new-key-reaches-back", Code.BACK_IN_TIME, "it could sign the past", (
            first, _update(first, iat=later, keys=A.keys(A.rec2, T0 - 1)))),
        ("new-key-from-the-future", Code.BACK_IN_TIME, "not yet", (
            first, _update(first, iat=later, keys=A.keys(A.rec2, later + 1)))),
        ("start-of-key-changed", Code.BACK_IN_TIME, "published otherwise before", (
            first, _update(first, iat=later, keys=A.keys(A.rec, later)))),
        ("anothers-key-compromised", Code.KEY_NOT_OWNED, "only one's own", (
            first, _update(first, compromised={B.rec.kid(B.node_id): T0}))),
        ("name-missing", Code.DOCUMENT, "a member that is due", (
            sign(Typ.NODE, A.identity.kid(A.node_id),
                 A.genesis().model_dump(mode="json", exclude={"name"}), A.identity),)),
        ("url-with-a-script", Code.DOCUMENT, "only http and https", (
            sign(Typ.NODE, A.identity.kid(A.node_id),
                 A.genesis().model_dump(mode="json") | {"urls": ["javascript:alert(1)"]}, A.identity),)),
    ):  # fmt: skip
        yield name, code, _history(about, *entries)


# --- documents ------------------------------------------------------------------------------------------------------

NONCE: Final = "AAAAAAAAAAAAAAAAAAAAAA"
CLAUSES: Final = Clauses(
    purposes=frozenset({Purpose.LEARNING, Purpose.RESEARCH}),
    kinds=("case_study",),
    passing_on=True,
    at_end=AtEnd.ERASE,
    starts=T0,
    until=T0 + 365 * DAY,
)
AGREEMENT: Final = Agreement(id="agr-1", n=1, iat=T0 + DAY, a=A.node_id, b=B.node_id, nonce=NONCE, clauses=CLAUSES)


def documents() -> dict[str, SignedDocument]:
    """One of each type with a single signer, from Nairobi."""
    copy = example()
    common: dict[str, Any] = {"iss": A.node_id, "iat": T0 + DAY}
    item = ReceiptItem(rid=RID, ver=1, copy_id=copy.copy_id, state=ItemState.ERASED)
    circle = f"{A.identity.multibase}.mediators"
    return {
        "invite": Invite(
            **common, id="inv-1", urls=("https://node.example.org",), nonce=NONCE, expires=T0 + 8 * DAY, clauses=CLAUSES
        ),
        "notice": Notice(**common, to=B.node_id, agreement="agr-1", kind=NoticeKind.SUSPEND, seq=1),
        "withdrawal": Withdrawal(**common, rid=RID, ver=2, reason="consent-withdrawn"),
        "receipt": Receipt(**common, aud=B.node_id, items=(item,)),
        "manifest": Manifest(**common, to=B.node_id, items=(ManifestItem(vid=copy.vid, fields=("title", "quote:q1")),)),
        "roster": Roster(**common, circle=circle, seq=1, members=(A.node_id, B.node_id)),
        "hide": Hide(**common, scope=HideScope.RECORD, target=RID, seq=1, hidden=True),
    }


def _document(about: str, kind: str, *tokens: bytes) -> Vector:
    return {"about": about, "type": kind, "tokens": [token.decode("ascii") for token in tokens]}


def valid_documents() -> Iterator[tuple[str, Vector]]:
    """One of each type; an agreement with one signature and with both."""
    for name, document in documents().items():
        yield name, _document("as the protocol says", name, sign_document(document, A.rec))
    from_a, from_b = sign_agreement(AGREEMENT, A.node_id, A.rec), sign_agreement(AGREEMENT, B.node_id, B.rec)
    yield "agreement-proposed", _document("one signature", "agreement", from_a)
    yield "agreement-complete", _document("both signatures over the same bytes", "agreement", from_a, from_b)
    later = _payload(documents()["withdrawal"]) | {"later": {"member": 1}}
    token = sign(Typ.WITHDRAWAL, A.rec.kid(A.node_id), later, A.rec)
    yield "member-of-a-later-version", _document("unknown members are kept", "withdrawal", token)


def _payload(document: SignedDocument) -> dict[str, Any]:
    value = loads(dumps(document.model_dump(mode="json", by_alias=True)))
    assert isinstance(value, dict)
    return value


def invalid_documents() -> Iterator[tuple[str, Code, Vector]]:
    """Documents that break one rule."""
    made = documents()
    kid = A.rec.kid(A.node_id)
    payloads = {name: _payload(document) for name, document in made.items()}
    item = payloads["receipt"]["items"][0]
    for name, code, kind, typ, payload in (
        ("withdrawal-replayed-as-receipt", Code.TYP, "receipt", Typ.WITHDRAWAL, payloads["withdrawal"]),
        ("record-typ-on-a-notice", Code.TYP, "notice", Typ.RECORD, payloads["notice"]),
        ("withdrawal-for-another-origin", Code.ISS_MISMATCH, "withdrawal", Typ.WITHDRAWAL,
         payloads["withdrawal"] | {"iss": B.node_id}),
        ("withdrawal-before-the-key", Code.KEY_NOT_VALID_THEN, "withdrawal", Typ.WITHDRAWAL,
         payloads["withdrawal"] | {"iat": T0 - 1}),
        ("withdrawal-without-rid", Code.DOCUMENT, "withdrawal", Typ.WITHDRAWAL, payloads["withdrawal"] | {"rid": None}),
        ("withdrawal-ver-is-a-word", Code.DOCUMENT, "withdrawal", Typ.WITHDRAWAL,
         payloads["withdrawal"] | {"ver": "2"}),
        ("withdrawal-ver-is-true", Code.DOCUMENT, "withdrawal", Typ.WITHDRAWAL, payloads["withdrawal"] | {"ver": True}),
        ("receipt-unknown-state", Code.DOCUMENT, "receipt", Typ.RECEIPT,
         payloads["receipt"] | {"items": [item | {"state": "lost"}]}),
        ("receipt-1001-items", Code.DOCUMENT, "receipt", Typ.RECEIPT, payloads["receipt"] | {"items": [item] * 1001}),
        ("receipt-empty", Code.DOCUMENT, "receipt", Typ.RECEIPT, payloads["receipt"] | {"items": []}),
        ("roster-of-anothers-circle", Code.CIRCLE_OWNER, "roster", Typ.ROSTER,
         payloads["roster"] | {"circle": f"{B.identity.multibase}.mediators"}),
        ("roster-circle-without-owner", Code.CIRCLE_OWNER, "roster", Typ.ROSTER,
         payloads["roster"] | {"circle": "mediators"}),
        ("hide-record-without-id", Code.DOCUMENT, "hide", Typ.HIDE, payloads["hide"] | {"target": "all"}),
        ("hide-all-with-target", Code.DOCUMENT, "hide", Typ.HIDE, payloads["hide"] | {"scope": "all"}),
        ("hide-unknown-scope", Code.DOCUMENT, "hide", Typ.HIDE, payloads["hide"] | {"scope": "region"}),
        ("hide-replayed-as-withdrawal", Code.TYP, "withdrawal", Typ.HIDE, payloads["hide"]),
        ("hide-of-anothers-records", Code.ISS_MISMATCH, "hide", Typ.HIDE, payloads["hide"] | {"iss": B.node_id}),
        ("notice-unknown-kind", Code.DOCUMENT, "notice", Typ.NOTICE, payloads["notice"] | {"kind": "forget"}),
        ("invite-ends-before-it-begins", Code.DOCUMENT, "invite", Typ.INVITE,
         payloads["invite"] | {"clauses": payloads["invite"]["clauses"] | {"until": T0}}),
        ("invite-nonce-short", Code.DOCUMENT, "invite", Typ.INVITE, payloads["invite"] | {"nonce": "AAAA"}),
        ("manifest-field-name", Code.DOCUMENT, "manifest", Typ.MANIFEST,
         payloads["manifest"] | {"items": [{"vid": "0" * 64, "fields": ["../title"]}]}),
    ):  # fmt: skip
        yield name, code, _document(name.replace("-", " "), kind, sign(typ, kid, payload, A.rec))
    yield from _invalid_agreements()


def _invalid_agreements() -> Iterator[tuple[str, Code, Vector]]:
    from_a = sign_agreement(AGREEMENT, A.node_id, A.rec)
    from_b = sign_agreement(AGREEMENT.model_copy(update={"n": 2}), B.node_id, B.rec)
    alone = AGREEMENT.model_copy(update={"b": A.node_id})
    other = AGREEMENT.model_copy(update={"a": "did:key:" + A.next.multibase})
    by_b = sign_agreement(other, A.node_id, A.rec)
    for name, code, tokens in (
        ("agreement-two-texts", Code.PARTIES_DIFFER, (from_a, from_b)),
        ("agreement-signed-twice-by-one", Code.NOT_A_PARTY, (from_a, from_a)),
        ("agreement-with-oneself", Code.NOT_A_PARTY, (sign_agreement(alone, A.node_id, A.rec),)),
        ("agreement-signed-by-a-third", Code.NOT_A_PARTY, (by_b,)),
        ("agreement-unsigned", Code.NOT_A_PARTY, ()),
    ):
        yield name, code, _document(name.replace("-", " "), "agreement", *tokens)


# --- signed requests and responses ----------------------------------------------------------------------------------

BODY: Final = b'{"after":null}'
NOW: Final = T0 + DAY


def _stamp(**changes: Any) -> Stamp:
    values: dict[str, Any] = {
        "keyid": A.req.kid(A.node_id),
        "recipient": B.node_id,
        "created": NOW,
        "expires": NOW + 60,
        "nonce": NONCE,
    }
    return Stamp(**(values | changes))


def _request(**changes: Any) -> Request:
    values: dict[str, Any] = {
        "method": "POST",
        "authority": "lima.example.org",
        "path": "/federation/v1/feed",
        "query": "after=7",
    }
    return Request(**(values | changes))


def _signed(request: Request, stamp: Stamp, body: bytes = BODY) -> Vector:
    content_type = "application/json" if body else None
    headers = sign_request(request, sha256(body).digest(), stamp, A.req, content_type)
    return {
        "method": request.method,
        "authority": request.authority,
        "path": request.path,
        "query": request.query,
        "headers": headers,
        "body": body.decode(),
        "now": NOW,
    }


def valid_requests() -> Iterator[tuple[str, Vector]]:
    """Requests from Nairobi to Lima, and an answer."""
    post = _signed(_request(), _stamp())
    yield "post", {"about": "with a body"} | post
    yield "get", {"about": "without a body or a query"} | _signed(_request(method="GET", query=""), _stamp(), b"")
    yield (
        "authority-in-capitals",
        {"about": "host names have no case"} | _signed(_request(authority="LIMA.Example.org"), _stamp()),
    )
    request = _request(headers=post["headers"])
    stamp = Stamp(B.req.kid(B.node_id), A.node_id, NOW, NOW + 60)
    answer = b'{"entries":[]}'
    headers = sign_response(Response(200), sha256(answer).digest(), request, stamp, B.req, "application/json")
    yield (
        "answer",
        {"about": "bound to the request's signature"}
        | post
        | {"response": {"status": 200, "headers": headers, "body": answer.decode()}},
    )


def invalid_requests() -> Iterator[tuple[str, Code, Vector]]:
    """Requests that Lima refuses; each is the valid one with one defect."""
    good = _signed(_request(), _stamp())
    signed_input = good["headers"]["signature-input"]
    signature = good["headers"]["signature"]

    def with_header(name: str, value: str) -> Vector:
        return good | {"headers": good["headers"] | {name: value}}

    def with_input(old: str, new: str) -> Vector:
        assert old in signed_input
        return with_header("signature-input", signed_input.replace(old, new))

    for name, code, vector in (
        ("another-host", Code.AUTHORITY, _signed(_request(authority="evil.example.org"), _stamp())),
        ("another-recipient", Code.RECIPIENT, _signed(_request(), _stamp(recipient=A.node_id))),
        ("expired", Code.EXPIRED, _signed(_request(), _stamp(created=NOW - 60, expires=NOW))),
        ("from-the-future", Code.NOT_YET, _signed(_request(), _stamp(created=NOW + 31, expires=NOW + 91))),
        ("lives-301-seconds", Code.LIFETIME, _signed(_request(), _stamp(expires=NOW + 301))),
        ("ends-before-it-begins", Code.LIFETIME, _signed(_request(), _stamp(expires=NOW))),
        ("nonce-short", Code.NONCE, _signed(_request(), _stamp(nonce="AAAA"))),
        ("record-key", Code.KEY_NOT_OWNED, _signed(_request(), _stamp(keyid=A.rec.kid(A.node_id)))),
        ("unknown-node", Code.UNKNOWN_ISSUER, _signed(_request(), _stamp(keyid=A.req.kid(STRANGER.node_id)))),
        ("method-changed", Code.BAD_SIGNATURE, good | {"method": "GET"}),
        ("path-changed", Code.BAD_SIGNATURE, good | {"path": "/federation/v1/push"}),
        ("query-changed", Code.BAD_SIGNATURE, good | {"query": "after=8"}),
        ("type-changed", Code.BAD_SIGNATURE, with_header("content-type", "text/html")),
        ("body-changed", Code.CONTENT_DIGEST, good | {"body": "{}"}),
        ("body-of-another-digest-kind", Code.CONTENT_DIGEST, with_header("content-digest", "sha-512=:AAAA:")),
        ("two-digests", Code.CONTENT_DIGEST,
         with_header("content-digest", good["headers"]["content-digest"] + ", sha-512=:AAAA:")),
        ("tag-of-another-protocol", Code.TAG, with_input("commonweave/1", "commonweave/2")),
        ("component-left-out", Code.COMPONENTS, with_input(' "@query"', "")),
        ("component-added", Code.COMPONENTS, with_input('"@query"', '"@query" "signature"')),
        ("component-twice", Code.COMPONENTS, with_input('"@query"', '"@query" "@query"')),
        ("type-not-covered", Code.COMPONENTS, with_input(' "content-type"', "")),
        ("parameter-left-out", Code.COMPONENTS, with_input(f';nonce="{NONCE}"', "")),
        ("parameter-added", Code.COMPONENTS, with_input(";tag=", ';alg="ed25519";tag=')),
        ("parameter-twice", Code.SIGNATURE_HEADER, with_input(";tag=", f";created={NOW};tag=")),
        ("second-signature", Code.SIGNATURE_HEADER, with_header("signature-input", f"{signed_input}, x=()")),
        ("another-label", Code.SIGNATURE_HEADER, with_input("cw=(", "sig1=(")),
        ("created-is-a-word", Code.SIGNATURE_HEADER, with_input(f"created={NOW}", f'created="{NOW}"')),
        ("signature-missing", Code.SIGNATURE_HEADER, with_header("signature", "")),
        ("signature-not-base64", Code.SIGNATURE_HEADER, with_header("signature", "cw=:%%:")),
        ("signature-short", Code.BAD_SIGNATURE, with_header("signature", "cw=:AAAA:")),
        ("signature-bit", Code.BAD_SIGNATURE,
         with_header("signature", signature[:4] + ("B" if signature[4] == "A" else "A") + signature[5:])),
    ):  # fmt: skip
        yield name, code, {"about": name.replace("-", " ")} | vector
