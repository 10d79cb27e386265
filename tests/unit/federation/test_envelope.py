"""The envelope: sealed, redacted, verified, and every limit at its edge."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.claims import MAX_COPY_BYTES, MAX_ENVELOPE_BYTES, MAX_FIELD_BYTES, MAX_FIELDS
from federation.encoding import MAX_DEPTH, b64url_decode, dumps, dumps_text
from federation.envelope import (
    VerifiedEnvelope,
    copy_id_of,
    disclosure_digest,
    redact,
    seal,
    verify,
    verify_compact,
)
from federation.errors import Code, PeerError, SealError
from federation.keys import SigningKey
from governance.terms import NOBODY, Terms
from tests.unit.federation.test_encoding import values
from tests.unit.federation.vector_files import SHARED, history_of, load, shared
from tests.vectors.nodes import (
    DIRECT_TERMS,
    FIELD_TERMS,
    FIELDS,
    NAIROBI,
    NETWORK_TERMS,
    PUBLIC_TERMS,
    example,
    forge,
    head,
    record_header,
    salts,
)

known = history_of("nairobi")
FULL = example()
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}(:[a-z0-9]{1,6})?", fullmatch=True)
terms_values: st.SearchStrategy[Terms] = st.sampled_from([NETWORK_TERMS, DIRECT_TERMS, PUBLIC_TERMS])


def sealed(fields: dict[str, Any], terms: Terms = PUBLIC_TERMS) -> VerifiedEnvelope:
    return seal(head(), fields, dict.fromkeys(fields, terms), salts("test", len(fields)), NAIROBI.rec)


def code_of(action: Callable[[], object]) -> Code:
    with pytest.raises(PeerError) as refusal:
        action()
    return refusal.value.code


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(names, st.tuples(values, terms_values), max_size=6), values, st.data())
def test_what_is_sealed_verifies_whole_and_in_every_redaction(
    extra: dict[str, tuple[Any, Terms]], title: Any, data: st.DataObject
) -> None:
    fields = {"title": title} | {name: value for name, (value, _) in extra.items()}
    terms = {"title": NETWORK_TERMS} | {name: chosen for name, (_, chosen) in extra.items()}
    try:
        full = seal(head(), fields, terms, salts("property", len(fields)), NAIROBI.rec)
    except SealError as error:
        assert "reserved-name" in str(error)  # noqa: PT017 - only a name of the format itself may stop a seal
        return
    assert verify(full.jws, full.disclosures, known) == full
    assert dict(full.disclosed) == fields
    assert dict(full.field_terms) == terms

    keep = {"title"} | set(data.draw(st.lists(st.sampled_from(sorted(fields)))))
    part = redact(full, keep)
    assert verify(part.jws, part.disclosures, known) == part
    assert verify_compact(part.compact(), known) == part
    assert set(part.disclosed) == keep
    assert set(part.withheld) == set(fields) - keep
    assert (part.vid, dict(part.field_terms)) == (full.vid, terms)
    assert (part.copy_id == full.copy_id) == (keep == set(fields))


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(FULL.compact()) - 1), st.integers(1, 255))
def test_a_change_of_any_byte_is_refused(at: int, mask: int) -> None:
    raw = bytearray(FULL.compact().encode())
    raw[at] ^= mask
    with pytest.raises(PeerError):
        verify_compact(raw.decode("latin-1"), known)


def test_only_verification_makes_an_envelope() -> None:
    parts = {field.name: getattr(FULL, field.name) for field in dataclasses.fields(FULL)}
    with pytest.raises(TypeError):
        VerifiedEnvelope(**(parts | {"_proof": object()}))


def test_a_verified_envelope_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FULL.vid = "0" * 64  # type: ignore[misc]
    with pytest.raises(TypeError):
        FULL.disclosed["title"] = "other"  # type: ignore[index]


def test_a_withheld_field_is_visible_as_withheld_and_nothing_of_it_is_left() -> None:
    part = redact(FULL, ["title"])
    assert set(part.withheld) == set(FIELDS) - {"title"}
    assert part.field_terms["quote:q1"] == FIELD_TERMS["quote:q1"]
    kept = part.jws + "".join(part.disclosures).encode() + repr(part).encode()
    assert b"afraid" not in kept
    assert b"Amina" not in kept


def test_redaction_only_narrows() -> None:
    part = redact(FULL, ["title", "summary"])
    assert set(redact(part, FIELDS).disclosed) == {"title", "summary"}
    assert redact(FULL, FIELDS) is FULL


def test_redaction_keeps_the_title() -> None:
    assert code_of(lambda: redact(FULL, ["summary"])) == Code.TITLE_WITHHELD


def test_ids_follow_the_published_definition() -> None:
    shown = [FULL.digests[name] for name in FULL.disclosed]
    assert FULL.copy_id == copy_id_of(FULL.vid, shown) == copy_id_of(FULL.vid, reversed(shown))
    assert len({redact(FULL, {"title", name}).copy_id for name in FIELDS}) == len(FIELDS)


def test_the_digest_is_that_of_the_rfc() -> None:
    # RFC 9901, section 4.2.3: the example of the family name.
    text = '["_26bc4LT-ac6q2KI6cBW5es", "family_name", "Möbius"]'
    assert disclosure_digest(text) == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


def test_published_sd_jwts_reference_their_disclosures_by_our_digest() -> None:
    root = shared("sd-jwt/examples")
    checked = 0
    for path in sorted(root.glob("*/sd_jwt_issuance.txt")):
        token, *disclosures = path.read_text().replace("\n", "").rstrip("~").split("~")
        texts = [b64url_decode(segment).decode() for segment in disclosures]
        everything = b64url_decode(token.split(".")[1]).decode() + "".join(texts)
        for text in texts:
            assert f'"{disclosure_digest(text)}"' in everything
            checked += 1
    assert checked > 20


@pytest.mark.skipif(not (SHARED / "sd-jwt").exists(), reason="published vectors are not here: ../shared/vectors/sd-jwt")
@pytest.mark.parametrize("name", ["full", "some", "few", "none", "lib", "decoy"])
def test_general_sd_jwts_are_no_envelopes(name: str) -> None:
    samples = load(shared("sd-jwt/ed25519-samples.json"))
    assert code_of(lambda: verify_compact(samples[name], known)) in (Code.ALG, Code.HEADER_MEMBER, Code.COMPACT_FORM)


def test_a_key_that_changed_hands_is_judged_by_the_time_of_sealing() -> None:
    later = history_of("nairobi-new-key")
    old = example(iat=FULL.iat)
    assert verify(old.jws, old.disclosures, later).iat == FULL.iat


# --- what cannot be sealed ---


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"summary": "no title"}, "title"),
        ({}, "terms"),
        ({"title": "x", "Bad Name": "y"}, "field name"),
        ({"title": float("nan")}, "sealed"),
        ({"title": "\ud800"}, "sealed"),
        ({"title": 2**53}, "integer"),
        ({"title": {"_sd": []}}, "_sd"),
        ({"title": b"bytes"}, "JSON"),
    ],
)
def test_what_no_peer_would_accept_is_not_sealed(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(SealError, match=word):
        sealed(fields)


def test_terms_that_admit_nobody_are_not_sealed() -> None:
    with pytest.raises(SealError):
        sealed({"title": "x"}, NOBODY)


def test_salts_and_terms_match_the_fields() -> None:
    with pytest.raises(SealError, match="salts"):
        seal(head(), {"title": "x"}, {"title": PUBLIC_TERMS}, bytes(15), NAIROBI.rec)
    with pytest.raises(SealError, match="terms"):
        seal(head(), {"title": "x"}, {}, bytes(16), NAIROBI.rec)
    with pytest.raises(SealError, match="salt"):
        seal(head(), {"title": "x", "a": "y"}, dict.fromkeys(["title", "a"], PUBLIC_TERMS), bytes(32), NAIROBI.rec)


# --- limits, at the edge ---


def text_of_size(size: int) -> str:
    empty = len(dumps_text(["A" * 22, "v", ""]))
    return "x" * (size - empty)


def test_a_field_at_its_limit_travels_and_one_byte_more_does_not() -> None:
    full = sealed({"title": "x", "body": text_of_size(MAX_FIELD_BYTES)})
    assert len(full.texts["body"]) == MAX_FIELD_BYTES
    verify(full.jws, full.disclosures, known)
    with pytest.raises(SealError, match="too-large"):
        sealed({"title": "x", "body": text_of_size(MAX_FIELD_BYTES + 1)})
    too_long = full.texts["body"].replace("xx", "xxx", 1)
    assert code_of(lambda: verify(full.jws, [full.texts["title"], too_long], known)) == Code.TOO_LARGE


def test_a_copy_at_its_limit_travels_and_one_byte_more_does_not() -> None:
    fields = {"title": "x", **{f"s{at}": text_of_size(MAX_FIELD_BYTES) for at in range(3)}, "rest": ""}
    room = MAX_COPY_BYTES - len(sealed(fields).jws) - sum(map(len, sealed(fields).disclosures))
    full = sealed(fields | {"rest": "x" * room})
    assert len(full.jws) + sum(map(len, full.disclosures)) == MAX_COPY_BYTES
    verify(full.jws, full.disclosures, known)
    verify_compact(full.compact(), known)
    with pytest.raises(SealError, match="too-large"):
        sealed(fields | {"rest": "x" * (room + 1)})


def test_256_fields_travel_and_257_do_not() -> None:
    fields = {"title": "x"} | {f"s{at}": at for at in range(MAX_FIELDS - 1)}
    full = sealed(fields)
    verify(full.jws, full.disclosures, known)
    with pytest.raises(SealError, match="too-many-fields"):
        sealed(fields | {"more": 1})


def test_a_compact_form_of_a_million_tildes_is_refused_before_it_is_split() -> None:
    assert code_of(lambda: verify_compact(FULL.compact() + "~" * 1_000_000, known)) == Code.TOO_MANY_FIELDS
    assert code_of(lambda: verify_compact("x" * (6 * 1024 * 1024), known)) == Code.TOO_LARGE


def test_a_purpose_of_a_later_version_narrows() -> None:
    payload = b64url_decode(FULL.jws.split(b".")[1]).replace(b'"archive"', b'"training"')
    envelope = verify(forge(record_header(), payload), FULL.disclosures, known)
    assert {len(terms.purposes) for terms in envelope.terms} == {1, 3}


def test_an_envelope_at_its_limit_travels_and_one_byte_more_does_not() -> None:
    def padded(count: int) -> bytes:
        claims = dumps({"later": "x" * count})[1:-1]
        return forge(record_header(), b64url_decode(FULL.jws.split(b".")[1])[:-1] + b"," + claims + b"}")

    # Base64 grows by 4 for 3, so the size just at or below the limit is found by counting back.
    count = (MAX_ENVELOPE_BYTES - len(FULL.jws)) * 3 // 4
    while len(padded(count)) > MAX_ENVELOPE_BYTES:
        count -= 1
    assert len(padded(count)) == MAX_ENVELOPE_BYTES
    verify(padded(count), FULL.disclosures, known)
    assert code_of(lambda: verify(padded(count + 1), FULL.disclosures, known)) == Code.TOO_LARGE


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
@pytest.mark.parametrize("where", ["payload", "terms", "field"])
def test_unknown_members_nest_to_the_limit_and_no_deeper(where: str, depth: int) -> None:
    above = {"payload": 1, "terms": 3, "field": 3}[where]
    deep = b"[" * (depth - above) + b"]" * (depth - above)
    at, member = {
        "payload": (b'"f":', b'"later":' + deep + b',"f":'),
        "terms": (b'"aud":', b'"later":' + deep + b',"aud":'),
        "field": (b'"t":', b'"later":' + deep + b',"t":'),
    }[where]
    token = forge(record_header(), b64url_decode(FULL.jws.split(b".")[1]).replace(at, member, 1))
    if depth == MAX_DEPTH:
        assert verify(token, FULL.disclosures, known).rid == FULL.rid
    else:
        assert code_of(lambda: verify(token, FULL.disclosures, known)) == Code.TOO_DEEP


def test_a_value_in_a_disclosure_nests_to_the_limit_and_no_deeper() -> None:
    value: Any = []
    for _ in range(MAX_DEPTH - 2):
        value = [value]
    sealed({"title": value})
    with pytest.raises(SealError, match="too-deep"):
        sealed({"title": [value]})


def test_another_keys_seal_is_refused_by_its_peer() -> None:
    other = seal(head(), FIELDS, FIELD_TERMS, salts("x", len(FIELDS)), SigningKey.from_seed(bytes(32)))
    assert code_of(lambda: verify(other.jws, other.disclosures, known)) == Code.KEY_NOT_OWNED
