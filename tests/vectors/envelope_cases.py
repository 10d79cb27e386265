"""Record envelopes, valid and invalid; each invalid one breaks exactly one rule, after which it is named."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from federation.encoding import b64url_encode, dumps, dumps_text, loads
from federation.envelope import VerifiedEnvelope, disclosure_digest, redact, seal
from federation.errors import Code
from federation.jws import Typ
from tests.vectors.nodes import (
    DAY,
    DIRECT_TERMS,
    FIELDS,
    LIMA,
    NAIROBI,
    PUBLIC_TERMS,
    STRANGER,
    T0,
    example,
    forge,
    forge_segments,
    head,
    record_header,
    salts,
)

Vector = dict[str, Any]
_GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493


def _parts(envelope: VerifiedEnvelope) -> tuple[dict[str, Any], list[str]]:
    payload = json.loads(base64.urlsafe_b64decode(envelope.jws.split(b".")[1] + b"=="))
    return payload, list(envelope.disclosures)


def _vector(about: str, token: bytes, disclosures: list[str], history: str = "nairobi") -> Vector:
    return {"about": about, "history": history, "jws": token.decode("latin-1"), "disclosures": disclosures}


def valid() -> Iterator[tuple[str, Vector]]:
    """Envelopes that verify, with what a reader then knows."""
    full = example()
    second = seal(
        head(ver=2, prev=full.vid, iat=T0 + 2 * DAY),
        FIELDS | {"title": "A second version"},
        dict.fromkeys(FIELDS, PUBLIC_TERMS),
        salts("second", len(FIELDS)),
        NAIROBI.rec,
    )
    title_only = seal(head(lang="sw"), {"title": "Kichwa"}, {"title": DIRECT_TERMS}, salts("one", 1), NAIROBI.rec)
    for name, about, envelope in (
        ("full", "every field shown", full),
        ("redacted", "three of five fields shown, the others visible as withheld", redact(full, ["title", "actions"])),
        ("title-only", "the least that travels: a title", redact(full, ["title"])),
        ("second-version", "prev names the version before", second),
        ("one-field", "a record of one field", title_only),
    ):
        yield name, _vector(about, envelope.jws, list(envelope.disclosures)) | {"expect": _expect(envelope)}
    payload, disclosures = _parts(full)
    payload |= {"later": {"member": [1, 2, {"x": None}]}}
    payload["f"]["title"]["later"] = "kept"
    payload["terms"][0]["later"] = True
    yield (
        "members-of-a-later-version",
        _vector("unknown members are kept", forge(record_header(), payload), disclosures)
        | {"expect": {"rid": full.rid, "disclosed": FIELDS, "withheld": []}},
    )
    yield (
        "disclosures-in-another-order",
        _vector("order says nothing", full.jws, disclosures[::-1]) | {"expect": _expect(full)},
    )
    old = example(iat=T0 + 7 * DAY)
    yield (
        "sealed-before-the-key-was-lost",
        _vector("the key was replaced and lost later", old.jws, list(old.disclosures), "nairobi-new-key")
        | {"expect": _expect(old)},
    )


def _expect(envelope: VerifiedEnvelope) -> dict[str, Any]:
    return {
        "iss": envelope.iss,
        "rid": envelope.rid,
        "ver": envelope.ver,
        "vid": envelope.vid,
        "copy_id": envelope.copy_id,
        "disclosed": dict(envelope.disclosed),
        "withheld": list(envelope.withheld),
        "compact": envelope.compact(),
    }


def invalid() -> Iterator[tuple[str, Code, Vector]]:
    """Name, expected code, vector."""
    yield from _headers()
    yield from _keys()
    yield from _signatures()
    yield from _json()
    yield from _members()
    yield from _fields()
    yield from _disclosures()
    yield from _compact()


def _headers() -> Iterator[tuple[str, Code, Vector]]:
    payload, shown = _parts(example())
    kid = NAIROBI.rec.kid(NAIROBI.node_id)
    doubled = dumps(record_header())[:-1] + b',"alg":"Ed25519"}'
    for name, code, about, header in (
        ("alg-none", Code.ALG, "no signature algorithm", record_header(alg="none")),
        ("alg-eddsa", Code.ALG, "the older name of the algorithm", record_header(alg="EdDSA")),
        ("alg-hs256", Code.ALG, "a MAC keyed with the public key", record_header(alg="HS256")),
        ("typ-missing", Code.HEADER_MEMBER, "no typ", record_header(typ=None)),
        ("typ-of-a-withdrawal", Code.TYP, "another document's typ", record_header(typ=Typ.WITHDRAWAL)),
        ("typ-in-capitals", Code.TYP, "typ is compared as it stands", record_header(typ="CW-RECORD+SD-JWT")),
        ("kid-missing", Code.HEADER_MEMBER, "no kid", record_header(kid=None)),
        ("kid-without-a-node", Code.KID, "a key that no node owns", record_header(kid=NAIROBI.rec.multibase)),
        ("kid-is-a-number", Code.KID, "kid is a word", record_header(kid=7)),
        ("header-crit", Code.HEADER_MEMBER, "a critical extension", record_header(crit=["b64"])),
        ("header-jwk", Code.HEADER_MEMBER, "a key brought along", record_header(jwk={"kty": "OKP", "x": kid})),
        ("header-alg-twice", Code.DUPLICATE_KEY, "two parsers, two algorithms", doubled),
        ("header-is-a-list", Code.HEADER_MEMBER, "a header is an object", b"[]"),
    ):
        yield name, code, _vector(about, forge(header, payload), shown)


def _keys() -> Iterator[tuple[str, Code, Vector]]:
    payload, shown = _parts(example())
    for name, code, about, key, kid, iat, history in (
        ("key-for-requests", Code.KEY_NOT_OWNED, "a request key seals no record", NAIROBI.req, None, 0, "nairobi"),
        ("key-of-identity", Code.KEY_NOT_OWNED, "nor does the identity key", NAIROBI.identity, None, 0, "nairobi"),
        ("key-before-its-time", Code.KEY_NOT_VALID_THEN, "older than the key", NAIROBI.rec, None, T0 - 1, "nairobi"),
        ("key-replaced", Code.KEY_NOT_VALID_THEN, "after the key's time", NAIROBI.rec, None, T0 + 10 * DAY + 1,
         "nairobi-new-key"),
        ("key-compromised", Code.KEY_COMPROMISED, "after the key was lost", NAIROBI.rec, None, T0 + 8 * DAY,
         "nairobi-new-key"),
        ("issuer-unknown", Code.UNKNOWN_ISSUER, "a node never met", STRANGER.rec,
         STRANGER.rec.kid(STRANGER.node_id), 0, "nairobi"),
        ("issuer-is-another-node", Code.ISS_MISMATCH, "Lima signs as Nairobi", LIMA.rec,
         LIMA.rec.kid(LIMA.node_id), 0, "nairobi"),
        ("key-of-another-node", Code.KEY_NOT_OWNED, "Lima's key under Nairobi's name", LIMA.rec, None, 0, "nairobi"),
    ):  # fmt: skip
        header = record_header(kid=kid or key.kid(NAIROBI.node_id))
        claims = payload | ({"iat": iat} if iat else {})
        yield name, code, _vector(about, forge(header, claims, key), shown, history)


def _signatures() -> Iterator[tuple[str, Code, Vector]]:
    full = example()
    payload, shown = _parts(full)
    first, second, third = full.jws.decode().split(".")
    raw = base64.urlsafe_b64decode(third + "==")
    flipped = bytes([raw[0] ^ 1]) + raw[1:]
    s = int.from_bytes(raw[32:], "little") + _GROUP_ORDER
    stretched = raw[:32] + s.to_bytes(32, "little")
    other = b64url_encode(dumps(payload | {"kind": "story"}))
    spare = b64url_encode(b" " * (-(len(dumps(payload)) + 1) % 3) + dumps(payload))
    for name, code, about, token in (
        ("signature-bit", Code.BAD_SIGNATURE, "one bit changed", f"{first}.{second}.{b64url_encode(flipped)}"),
        ("signature-s-stretched", Code.BAD_SIGNATURE, "S plus the group order: a second signature for one text",
         f"{first}.{second}.{b64url_encode(stretched)}"),
        ("signature-short", Code.BAD_SIGNATURE, "63 bytes", f"{first}.{second}.{b64url_encode(raw[:63])}"),
        ("signature-empty", Code.BAD_SIGNATURE, "no signature", f"{first}.{second}."),
        ("signature-of-zeros", Code.BAD_SIGNATURE, "64 zero bytes", f"{first}.{second}.{b64url_encode(bytes(64))}"),
        ("payload-changed", Code.BAD_SIGNATURE, "another payload under the signature", f"{first}.{other}.{third}"),
        ("two-parts", Code.JWS_FORM, "no signature part", f"{first}.{second}"),
        ("four-parts", Code.JWS_FORM, "one part too many", f"{full.jws.decode()}.{third}"),
        ("signature-padded", Code.BASE64, "padding", f"{full.jws.decode()}=="),
        ("signature-standard-alphabet", Code.BASE64, "+ and / are another alphabet",
         f"{first}.{second}.{third[:-4]}+/+A"),
        ("payload-padded", Code.BASE64, "padding, truly signed",
         forge_segments(first, b64url_encode(b" " + dumps(payload)) + "=").decode()),
        ("payload-stray-bits", Code.BASE64, "bits beyond the last byte, truly signed",
         forge_segments(first, _stray(spare)).decode()),
        ("header-line-break", Code.BASE64, "white space", f"{first}\n.{second}.{third}"),
    ):  # fmt: skip
        yield name, code, _vector(about, token.encode(), shown)


def _stray(segment: str) -> str:
    """The same bytes with a spare bit set in the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(segment) % 4 in (2, 3)
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) + 1]


def _json() -> Iterator[tuple[str, Code, Vector]]:
    payload, shown = _parts(example())
    text = dumps(payload)
    deep: Any = 1
    for _ in range(32):
        deep = [deep]
    for name, code, about, raw in (
        ("json-name-twice", Code.DUPLICATE_KEY, "two kinds", text[:-1] + b',"kind":"story"}'),
        ("json-field-twice", Code.DUPLICATE_KEY, "two digests for one field by the back door",
         text.replace(b'"f":{', b'"f":{"title":{"_sd":["' + b"A" * 43 + b'"],"t":0},')),
        ("json-nan", Code.NOT_FINITE, "NaN", text[:-1] + b',"x":NaN}'),
        ("json-infinity", Code.NOT_FINITE, "-Infinity", text[:-1] + b',"x":-Infinity}'),
        ("json-too-large-number", Code.NOT_FINITE, "1e400", text[:-1] + b',"x":1e400}'),
        ("json-integer-beyond", Code.BIG_INTEGER, "2^53", text[:-1] + b',"x":9007199254740992}'),
        ("json-integer-below", Code.BIG_INTEGER, "-2^53", text[:-1] + b',"x":-9007199254740992}'),
        ("json-lone-surrogate", Code.LONE_SURROGATE, "half a pair", text[:-1] + b',"x":"\\ud83d"}'),
        ("json-lone-surrogate-name", Code.LONE_SURROGATE, "half a pair in a name", text[:-1] + b',"\\udc00":1}'),
        ("json-not-utf8", Code.NOT_UTF8, "Latin-1", text[:-1] + b',"x":"\xe9"}'),
        ("json-encoded-surrogate", Code.NOT_UTF8, "half a pair as bytes", text[:-1] + b',"x":"\xed\xa0\x80"}'),
        ("json-trailing", Code.BAD_JSON, "something after the value", text + b"{}"),
        ("json-comma", Code.BAD_JSON, "a trailing comma", text[:-1] + b",}"),
        ("json-byte-order-mark", Code.BAD_JSON, "a byte order mark", b"\xef\xbb\xbf" + text),
        ("json-control-character", Code.BAD_JSON, "a bare line break in a word", text[:-1] + b',"x":"\n"}'),
        ("json-deep", Code.TOO_DEEP, "33 levels", text[:-1] + b',"x":' + dumps(deep) + b"}"),
        ("json-very-deep", Code.TOO_DEEP, "20,000 levels", b"[" * 20_000),
        ("json-list", Code.MEMBER, "a payload is an object", b"[]"),
    ):  # fmt: skip
        yield name, code, _vector(about, forge(record_header(), raw), shown)


def _members() -> Iterator[tuple[str, Code, Vector]]:
    full = example()
    payload, shown = _parts(full)
    terms = payload["terms"]
    for name, code, about, change in (
        ("rid-missing", Code.MEMBER, "no rid", {"rid": ...}),
        ("fields-missing", Code.MEMBER, "no f", {"f": ...}),
        ("rid-version-4", Code.RID, "a random UUID", {"rid": "019a5b1c-7d00-4abc-8def-0123456789ab"}),
        ("rid-capitals", Code.RID, "capitals", {"rid": payload["rid"].upper()}),
        ("rid-line-break", Code.RID, "a line break after it", {"rid": payload["rid"] + "\n"}),
        ("ver-zero", Code.VERSION, "versions count from 1", {"ver": 0}),
        ("ver-true", Code.VERSION, "true is not 1", {"ver": True}),
        ("ver-fraction", Code.VERSION, "1.0 is not 1", {"ver": 1.0}),
        ("prev-at-first-version", Code.PREV, "nothing came before", {"prev": full.vid}),
        ("prev-missing-later", Code.PREV, "version 2 has one", {"ver": 2}),
        ("prev-short", Code.PREV, "not a version id", {"ver": 2, "prev": full.vid[:-1]}),
        ("iat-negative", Code.IAT, "before time began", {"iat": -1}),
        ("iat-word", Code.IAT, "a number is due", {"iat": "1780000000"}),
        ("kind-capitals", Code.KIND, "a lower-case word is due", {"kind": "Case Study"}),
        ("lang-underscore", Code.LANG, "a BCP 47 tag is due", {"lang": "en_GB"}),
        ("terms-empty", Code.TERMS, "no terms", {"terms": []}),
        ("terms-without-audience", Code.TERMS, "nobody", {"terms": [terms[0] | {"aud": []}, *terms[1:]]}),
        ("terms-unknown-audience", Code.TERMS, "a word we do not know would widen if dropped",
         {"terms": [terms[0] | {"aud": ["friends"]}, *terms[1:]]}),
        ("terms-until-word", Code.TERMS, "an end is a number", {"terms": [terms[0] | {"until": "2030"}, *terms[1:]]}),
        ("terms-audience-nested", Code.TERMS, "a list in a list", {"terms": [terms[0] | {"aud": [["public"]]}]}),
        ("terms-twice", Code.TERMS_REPEATED, "the same terms twice", {"terms": [*terms, terms[0]]}),
        ("reserved-sd-at-top", Code.RESERVED_NAME, "digests outside of f", {"_sd": ["A" * 43]}),
        ("reserved-sd-alg", Code.RESERVED_NAME, "another hash", {"_sd_alg": "sha-512"}),
        ("reserved-sd-nested", Code.RESERVED_NAME, "digests in an unknown member", {"x": [{"_sd": ["A" * 43]}]}),
        ("reserved-dots", Code.RESERVED_NAME, "a hidden list element", {"x": [{"...": "A" * 43}]}),
        ("reserved-in-terms", Code.RESERVED_NAME, "digests in terms",
         {"terms": [terms[0] | {"x": {"_sd": []}}, *terms[1:]]}),
    ):  # fmt: skip
        claims = {key: value for key, value in (payload | change).items() if value is not ...}
        yield name, code, _vector(about, forge(record_header(), claims), shown)


def _fields() -> Iterator[tuple[str, Code, Vector]]:
    payload, shown = _parts(example())
    title = payload["f"]["title"]
    digest = title["_sd"][0]
    many = {f"s{at}": {"t": 0, "_sd": [disclosure_digest(str(at))]} for at in range(256)}
    for name, code, about, change in (
        ("fields-empty", Code.FIELDS, "no field", ...),
        ("fields-257", Code.TOO_MANY_FIELDS, "256 and one", many | {"title": title}),
        ("field-name-underscore", Code.FIELD_NAME, "a name of the format", {"_title": title}),
        ("field-name-capital", Code.FIELD_NAME, "a capital", {"Title": title}),
        ("field-name-empty-part", Code.FIELD_NAME, "quote without its id", {"quote:": title}),
        ("field-is-a-word", Code.FIELD_FORM, "a value in the clear", {"title": "in the clear"}),
        ("field-without-terms", Code.FIELD_FORM, "no terms", {"title": {"_sd": [digest]}}),
        ("field-without-digest", Code.FIELD_FORM, "no digest", {"title": {"t": 0}}),
        ("terms-index-beyond", Code.TERMS_INDEX, "terms that are not there", {"title": title | {"t": 99}}),
        ("terms-index-negative", Code.TERMS_INDEX, "counted from the end", {"title": title | {"t": -1}}),
        ("terms-index-true", Code.TERMS_INDEX, "true is not 1", {"title": title | {"t": True}}),
        ("digest-two", Code.DIGEST_COUNT, "two values of one field under one signature",
         {"title": title | {"_sd": [digest, disclosure_digest("other")]}}),
        ("digest-none", Code.DIGEST_COUNT, "an empty list", {"title": title | {"_sd": []}}),
        ("digest-word", Code.DIGEST_COUNT, "no list", {"title": title | {"_sd": digest}}),
        ("digest-short", Code.DIGEST_FORM, "31 bytes", {"title": title | {"_sd": [digest[:-2]]}}),
        ("digest-padded", Code.DIGEST_FORM, "padding", {"title": title | {"_sd": [digest + "="]}}),
        ("digest-stray-bits", Code.DIGEST_FORM, "stray bits", {"title": title | {"_sd": [_stray(digest)]}}),
        ("digest-number", Code.DIGEST_FORM, "a number", {"title": title | {"_sd": [7]}}),
        ("digest-repeated", Code.DIGEST_REPEATED, "two fields, one digest", {"summary": title}),
        ("reserved-in-field", Code.RESERVED_NAME, "more digests in a field's unknown member",
         {"title": title | {"x": {"_sd": []}}}),
    ):  # fmt: skip
        fields = payload["f"] | change if isinstance(change, dict) else {}
        yield name, code, _vector(about, forge(record_header(), payload | {"f": fields}), shown)


def _disclosures() -> Iterator[tuple[str, Code, Vector]]:
    full = example()
    title = full.texts["title"]
    rest = [text for name, text in full.texts.items() if name != "title"]
    other = seal(head(), FIELDS, dict.fromkeys(FIELDS, PUBLIC_TERMS), salts("other", len(FIELDS)), NAIROBI.rec)
    for name, code, about, texts in (
        ("disclosure-of-another-version", Code.DISCLOSURE_UNREFERENCED, "right form, other record",
         [title, other.texts["summary"]]),
        ("disclosure-changed", Code.DISCLOSURE_UNREFERENCED, "another title", [title.replace("bus", "tram")]),
        ("disclosure-spaced", Code.DISCLOSURE_UNREFERENCED, "same value, other bytes", [title.replace(",", ", ")]),
        ("disclosure-twice", Code.DISCLOSURE_REPEATED, "one field shown twice", [title, title]),
        ("disclosure-empty", Code.DISCLOSURE_UNREFERENCED, "no text", [title, ""]),
        ("title-withheld", Code.TITLE_WITHHELD, "no title, no record", rest),
        ("nothing-disclosed", Code.TITLE_WITHHELD, "nothing shown", []),
    ):  # fmt: skip
        yield name, code, _vector(about, full.jws, texts)
    salt = json.loads(title)[0]
    for name, code, about, text in (
        ("disclosure-two-elements", Code.DISCLOSURE_FORM, "a list element's form", dumps_text([salt, "x"])),
        ("disclosure-four-elements", Code.DISCLOSURE_FORM, "one too many", dumps_text([salt, "v", "x", "y"])),
        ("disclosure-object", Code.DISCLOSURE_FORM, "no list", dumps_text({"salt": salt})),
        ("disclosure-other-name", Code.DISCLOSURE_NAME, "would overwrite t", dumps_text([salt, "t", 0])),
        ("disclosure-named-sd", Code.DISCLOSURE_NAME, "a name of the format", dumps_text([salt, "_sd", []])),
        ("salt-short", Code.SALT, "120 bits", dumps_text([b64url_encode(bytes(15)), "v", "x"])),
        ("salt-long", Code.SALT, "136 bits", dumps_text([b64url_encode(bytes(17)), "v", "x"])),
        ("salt-stray-bits", Code.SALT, "stray bits", dumps_text([salt[:-1] + "B", "v", "x"])),
        ("salt-number", Code.SALT, "a number", dumps_text([7, "v", "x"])),
        ("disclosure-recursive", Code.RESERVED_NAME, "a field in a field", dumps_text([salt, "v", {"_sd": []}])),
        ("disclosure-hidden-element", Code.RESERVED_NAME, "a hidden element",
         dumps_text([salt, "v", [{"...": "A" * 43}]])),
        ("disclosure-escaped-sd", Code.RESERVED_NAME, "the same, spelled with an escape",
         f'["{salt}","v",{{"\\u005fsd":[]}}]'),
        ("disclosure-name-twice", Code.DUPLICATE_KEY, "two readers, two values", f'["{salt}","v",{{"a":1,"a":2}}]'),
        ("disclosure-nan", Code.NOT_FINITE, "NaN", f'["{salt}","v",NaN]'),
        ("disclosure-big-integer", Code.BIG_INTEGER, "2^53", f'["{salt}","v",9007199254740992]'),
        ("disclosure-lone-surrogate", Code.LONE_SURROGATE, "half a pair", f'["{salt}","v","\\udfff"]'),
        ("disclosure-deep", Code.TOO_DEEP, "33 levels", f'["{salt}","v",{"[" * 32}{"]" * 32}]'),
        ("disclosure-cut", Code.BAD_JSON, "no end", f'["{salt}","v","x"'),
    ):  # fmt: skip
        payload, _ = _parts(full)
        payload["f"]["title"]["_sd"] = [disclosure_digest(text)]
        yield name, code, _vector(about, forge(record_header(), payload), [text, *rest])
    payload, _ = _parts(full)
    twin = dumps_text([salt, "v", "same salt"])
    payload["f"]["summary"]["_sd"] = [disclosure_digest(twin)]
    token = forge(record_header(), payload)
    yield "salt-repeated", Code.SALT_REPEATED, _vector("one salt for two fields", token, [title, twin])


def _compact() -> Iterator[tuple[str, Code, Vector]]:
    text = example().compact()
    build: list[tuple[str, Code, str, Callable[[], str]]] = [
        ("compact-no-final-tilde", Code.COMPACT_FORM, "cut before the last tilde", lambda: text[:-1]),
        ("compact-bare-token", Code.COMPACT_FORM, "no tilde at all", lambda: text.split("~")[0]),
        ("compact-key-binding", Code.COMPACT_FORM, "a key binding token", lambda: text + "e30.e30.AA"),
        ("compact-empty-disclosure", Code.DISCLOSURE_UNREFERENCED, "two tildes in a row", lambda: text + "~"),
        ("compact-padded-disclosure", Code.BASE64, "padding", lambda: text[:-1] + "=~"),
        ("compact-disclosure-not-utf8", Code.NOT_UTF8, "bytes that are no text", lambda: text + "_-8~"),
    ]  # fmt: skip
    for name, code, about, make in build:
        yield name, code, {"about": about, "history": "nairobi", "compact": make()}


def check_example() -> None:
    """The forging tools make what `seal` makes, so an invalid vector differs by its defect alone."""
    full = example()
    payload, _ = _parts(full)
    assert loads(dumps(payload)) == payload
    assert forge(record_header(), payload) == full.jws
