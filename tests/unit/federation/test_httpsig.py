"""Signed requests and answers: the RFC's own example, clocks, challenges, and answers bound to their request."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest

from federation.encoding import b64url_decode
from federation.errors import Code, PeerError
from federation.httpsig import (
    MAX_LIFETIME_S,
    MAX_SKEW_S,
    Request,
    Response,
    Stamp,
    VerifiedRequest,
    content_digest,
    parse_signature,
    parse_signature_input,
    sign_request,
    sign_response,
    signature_base,
    verify_request,
    verify_response,
)
from federation.keys import SigningKey, signature_holds
from tests.unit.federation.vector_files import history_of, load, shared
from tests.vectors.nodes import DAY, LIMA, NAIROBI, T0

NOW = T0 + DAY
NONCE = "bm9uY2Ugbm9uY2Ugbm9uYw"
BODY = b"{}"
DIGEST = sha256(BODY).digest()
known = history_of("nairobi")
rotated = history_of("nairobi-new-key")


def stamp(**changes: Any) -> Stamp:
    values: dict[str, Any] = {
        "keyid": NAIROBI.req.kid(NAIROBI.node_id),
        "recipient": LIMA.node_id,
        "created": NOW,
        "expires": NOW + MAX_LIFETIME_S,
        "nonce": NONCE,
    }
    return Stamp(**(values | changes))


def signed(**changes: Any) -> Request:
    request = Request("POST", "lima.example.org", "/federation/v1/push")
    return replace(request, headers=sign_request(request, DIGEST, stamp(**changes), NAIROBI.req, "application/json"))


def verified(request: Request, now: int = NOW, **changes: Any) -> VerifiedRequest:
    values: dict[str, Any] = {
        "own_authorities": ["lima.example.org"],
        "own_node_id": LIMA.node_id,
        "history_of": known,
        "now": now,
    }
    return verify_request(request, DIGEST, **(values | changes))


def code_of(request: Request, now: int = NOW, **changes: Any) -> Code:
    with pytest.raises(PeerError) as refusal:
        verified(request, now, **changes)
    return refusal.value.code


def test_the_example_of_the_rfc_verifies_and_is_made_by_the_same_code() -> None:
    case = load(shared("rfc9421/b26-ed25519.json"))
    url = urlsplit(case["request"]["url"])
    headers = {name.lower(): value for name, value in case["request"]["headers"].items()}
    request = Request(case["request"]["method"], url.netloc, url.path, url.query, headers)
    parsed = parse_signature_input(case["signature_input"])
    base = signature_base(request, parsed)
    assert base.decode() == case["signature_base"]
    signature = parse_signature(case["signature"], parsed.label)
    assert signature_holds(b64url_decode(case["jwk"]["x"]), signature, base)
    assert SigningKey.from_seed(b64url_decode(case["jwk"]["d"])).sign(base) == signature


def test_the_digest_header_is_that_of_the_rfc() -> None:
    # RFC 9530, appendix B: the digest of {"hello": "world"} and a line feed.
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def test_a_request_lives_exactly_to_its_end() -> None:
    request = signed()
    assert verified(request, NOW + MAX_LIFETIME_S - 1).nonce == NONCE
    assert code_of(request, NOW + MAX_LIFETIME_S) == Code.EXPIRED


def test_a_clock_a_little_ahead_is_tolerated() -> None:
    request = signed()
    assert verified(request, NOW - MAX_SKEW_S).node_id == NAIROBI.node_id
    assert code_of(request, NOW - MAX_SKEW_S - 1) == Code.NOT_YET


def test_a_lifetime_at_the_limit_is_accepted_and_one_second_more_is_not() -> None:
    verified(signed(expires=NOW + MAX_LIFETIME_S))
    assert code_of(signed(expires=NOW + MAX_LIFETIME_S + 1)) == Code.LIFETIME


@pytest.mark.parametrize(("wrong_by", "code"), [(-400 * DAY, Code.EXPIRED), (400 * DAY, Code.NOT_YET)])
def test_a_node_with_a_wrong_clock_gets_in_with_a_challenge(wrong_by: int, code: Code) -> None:
    there = NOW + wrong_by
    request = signed(created=there, expires=there + 60)
    assert code_of(request) == code
    assert verified(request, is_challenge=lambda nonce: nonce == NONCE).node_id == NAIROBI.node_id


def test_a_forger_does_not_learn_that_the_clock_is_wrong() -> None:
    request = signed(created=NOW - 1000, expires=NOW - 900)
    forged = replace(request, method="PUT")
    assert code_of(forged) == Code.BAD_SIGNATURE


def test_any_of_the_own_names_is_accepted_in_any_case() -> None:
    verified(signed(), own_authorities=["other.onion", "LIMA.example.org"])
    assert code_of(signed(), own_authorities=[]) == Code.AUTHORITY


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "é", "\x00"])
def test_a_line_cannot_be_smuggled_into_the_signature_base(value: str) -> None:
    parsed = parse_signature_input('cw=("content-type")')
    with pytest.raises(PeerError) as refusal:
        signature_base(Request("GET", "a", "/", "", {"content-type": value}), parsed)
    assert refusal.value.code == Code.COMPONENTS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cw",
        "cw=()  ",
        'cw=("a"  "b")',
        'cw=("a""b")',
        'cw=("a";sf)',
        'cw=("A")',
        'cw=("a");created=1.5',
        'cw=("a");created=1234567890123456',
        'cw=("a");nonce="\\""',
        'cw=("a");flag',
        'cw=("a"), cw2=("b")',
        "cw=" + '("' + "a" * 3000 + '")',
    ],
)
def test_structured_fields_beyond_the_forms_in_use_are_refused(text: str) -> None:
    with pytest.raises(PeerError) as refusal:
        parse_signature_input(text)
    assert refusal.value.code == Code.SIGNATURE_HEADER


# --- answers ---


def answer_to(request: Request, **changes: Any) -> Response:
    by = {"keyid": LIMA.req.kid(LIMA.node_id), "recipient": NAIROBI.node_id, "nonce": ""} | changes
    return Response(200, sign_response(Response(200), DIGEST, request, stamp(**by), LIMA.req, "application/json"))


def check(response: Response, request: Request, **changes: Any) -> str:
    values: dict[str, Any] = {
        "own_node_id": NAIROBI.node_id,
        "peer_node_id": LIMA.node_id,
        "history_of": known,
        "now": NOW,
    }
    return verify_response(response, DIGEST, request, **(values | changes))


def refusal_of(response: Response, request: Request, **changes: Any) -> Code:
    with pytest.raises(PeerError) as refusal:
        check(response, request, **changes)
    return refusal.value.code


def test_an_answer_belongs_to_its_request_and_to_no_other() -> None:
    request, other = signed(), signed(nonce=NONCE[::-1])
    response = answer_to(request)
    assert check(response, request) == LIMA.req.kid(LIMA.node_id)
    assert refusal_of(response, other) == Code.BAD_SIGNATURE


def test_an_answer_with_another_status_is_refused() -> None:
    request = signed()
    assert refusal_of(replace(answer_to(request), status=404), request) == Code.BAD_SIGNATURE


def test_an_answer_from_a_peer_with_a_wrong_clock_is_accepted() -> None:
    request = signed()
    check(answer_to(request, created=NOW + 400 * DAY, expires=NOW + 400 * DAY + 60), request)


def test_an_answer_by_another_node_or_for_another_node_is_refused() -> None:
    request = signed()
    assert refusal_of(answer_to(request), request, peer_node_id=NAIROBI.node_id) == Code.ISS_MISMATCH
    assert refusal_of(answer_to(request), request, own_node_id=LIMA.node_id) == Code.RECIPIENT
    assert refusal_of(answer_to(request), request, history_of=rotated) == Code.UNKNOWN_ISSUER


def test_an_answer_that_does_not_cover_the_request_is_refused() -> None:
    request = signed()
    response = answer_to(request)
    bare = response.headers["signature-input"].replace(' "signature";req', "")
    headers = dict(response.headers) | {"signature-input": bare}
    assert refusal_of(Response(200, headers), request) == Code.COMPONENTS
