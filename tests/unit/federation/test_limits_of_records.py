"""Every limit of an envelope holds to the last item where bytes are read: at it yes, one beyond no (DESIGN 5).

What `seal` refuses is in `test_envelope.py`; here the bytes come from somebody who does not keep to our `seal`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from federation import claims, encoding, jws
from federation.encoding import b64url_decode, b64url_encode, dumps, loads
from federation.envelope import VerifiedEnvelope, disclosure_digest, disclosure_text, verify, verify_compact
from federation.errors import Code, PeerError
from governance.terms import MAX_UNTIL
from tests.unit.federation.vector_files import history_of
from tests.vectors.nodes import NAIROBI, PUBLIC_TERMS, T0, example, forge, record_header, salts

known = history_of("nairobi")
FULL = example()


def _payload(**changed: Any) -> dict[str, Any]:
    payload: Any = loads(b64url_decode(FULL.jws.split(b".")[1]))
    return {**payload, **changed}


def _verified(**changed: Any) -> VerifiedEnvelope:
    """The example under a true signature, with other members; only its title is disclosed."""
    return verify(forge(record_header(), _payload(**changed)), [FULL.texts["title"]], known)


def _with_fields(count: int) -> VerifiedEnvelope:
    more = {f"s{n}": {"t": 0, "_sd": [disclosure_digest(f'["{n:022d}","v",{n}]')]} for n in range(count)}
    payload = _payload()
    return _verified(f=dict([*payload["f"].items(), *more.items()][:count]))


def _with_terms(count: int) -> VerifiedEnvelope:
    more = [PUBLIC_TERMS.to_json() | {"until": T0 + n} for n in range(count)]
    return _verified(terms=[*_payload()["terms"], *more][:count])


def _with_disclosures(count: int) -> VerifiedEnvelope:
    """As many fields, all of them shown."""
    salt, step = salts("limits", count), claims.SALT_BYTES
    texts = [disclosure_text(salt[n * step : (n + 1) * step], str(n)) for n in range(count)]
    named = zip(["title", *(f"s{n}" for n in range(1, count))], texts, strict=True)
    fields = {name: {"t": 0, "_sd": [disclosure_digest(text)]} for name, text in named}
    return verify(forge(record_header(), _payload(f=fields)), texts, known)


def _with_number(number: int) -> VerifiedEnvelope:
    """A member of a later version; written by hand, since our own writer is not asked."""
    text = dumps(_payload())[:-1] + f',"later":{number}}}'.encode()
    return verify(forge(record_header(), text), [FULL.texts["title"]], known)


Make = Callable[[int], object]
LIMITS: list[tuple[str, int, Make, Code]] = [
    ("claims.MAX_FIELDS", claims.MAX_FIELDS, _with_fields, Code.TOO_MANY_FIELDS),
    ("claims.MAX_FIELDS disclosed", claims.MAX_FIELDS, _with_disclosures, Code.TOO_MANY_FIELDS),
    ("claims.MAX_TERMS", claims.MAX_TERMS, _with_terms, Code.TERMS),
    ("claims.MAX_VERSION", claims.MAX_VERSION, lambda n: _verified(ver=n, prev="0" * 64), Code.VERSION),
    ("claims.MAX_LANG_CHARS", claims.MAX_LANG_CHARS, lambda n: _verified(lang=_language(n)), Code.LANG),
    ("terms.MAX_UNTIL until", MAX_UNTIL, lambda n: _verified(terms=_until(n)), Code.TERMS),
    ("encoding.MAX_SAFE_INTEGER", encoding.MAX_SAFE_INTEGER, _with_number, Code.BIG_INTEGER),
    ("kind of 64 characters", 64, lambda n: _verified(kind="k" * n), Code.KIND),
]


def _language(chars: int) -> str:
    return ("sw" + "-abcdefgh" * chars)[: chars - 2] + "xy"


def _until(until: int) -> list[Any]:
    one, *others = _payload()["terms"]
    return [one | {"until": until}, *others]


@pytest.mark.parametrize(("name", "limit", "make", "code"), LIMITS, ids=[name for name, *_ in LIMITS])
def test_an_envelope_holds_as_much_as_its_limit_and_nothing_more(name: str, limit: int, make: Make, code: Code) -> None:
    del name
    make(limit)
    with pytest.raises(PeerError) as refused:
        make(limit + 1)
    assert refused.value.code is code


def test_a_field_name_has_at_most_64_characters_and_64_of_its_id() -> None:
    def named(head: int, ident: int) -> VerifiedEnvelope:
        return _verified(f=_payload()["f"] | {f"{'q' * head}:{'i' * ident}": {"t": 0, "_sd": ["A" * 43]}})

    assert named(64, 64)
    for head, ident in ((65, 64), (64, 65)):
        with pytest.raises(PeerError) as refused:
            named(head, ident)
        assert refused.value.code is Code.FIELD_NAME


def test_a_copy_with_one_byte_too_many_is_refused_before_its_digests_are_looked_at() -> None:
    room = claims.MAX_COPY_BYTES - len(FULL.jws)
    whole, rest = divmod(room, claims.MAX_FIELD_BYTES)
    fitting = ["x" * claims.MAX_FIELD_BYTES] * whole + ["x" * rest]
    for texts, code in ((fitting, Code.DISCLOSURE_UNREFERENCED), ([*fitting, "x"], Code.TOO_LARGE)):
        with pytest.raises(PeerError) as refused:
            verify(FULL.jws, texts, known)
        assert refused.value.code is code


def test_a_compact_form_is_as_long_as_a_copy_becomes_in_base64_and_no_longer() -> None:
    limit = claims.MAX_COPY_BYTES * 4 // 3 + claims.MAX_FIELDS * 4
    for chars, said in ((limit, "an envelope has"), (limit + 1, "a copy has")):
        with pytest.raises(PeerError, match=said):
            verify_compact("x" * (chars - 1) + "~", known)


def _header(chars: int) -> bytes:
    """A header segment of this length: white space in JSON fills it."""
    text = dumps(record_header())
    while len(b64url_encode(text)) < chars:
        text += b" "
    return b64url_encode(text).encode()


def test_a_header_has_at_most_its_characters() -> None:
    assert len(_header(jws.MAX_HEADER_CHARS)) == jws.MAX_HEADER_CHARS
    assert jws.read_header(_header(jws.MAX_HEADER_CHARS))[0] == jws.Typ.RECORD
    with pytest.raises(PeerError) as refused:
        jws.read_header(_header(jws.MAX_HEADER_CHARS + 1))
    assert refused.value.code is Code.TOO_LARGE


def test_a_token_has_at_most_its_bytes_unless_its_reader_says_less() -> None:
    for limit in (jws.MAX_JWS_BYTES, 1024):
        token = jws.sign(jws.Typ.RECORD, NAIROBI.rec.kid(NAIROBI.node_id), {}, NAIROBI.rec)
        token += b"A" * (limit - len(token))
        assert jws.peek(token, limit)[0] == jws.Typ.RECORD
        with pytest.raises(PeerError) as refused:
            jws.peek(token + b"A", limit)
        assert refused.value.code is Code.TOO_LARGE
