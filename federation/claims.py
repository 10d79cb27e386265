"""What stands inside a record envelope: the signed claims and the disclosures, read by the rules of DESIGN 5.

Nothing here looks at a signature; `federation.envelope` calls it only with bytes that are verified or about to be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from federation.encoding import (
    JSONValue,
    b64url_bytes,
    b64url_encode,
    check_depth,
    dumps_text,
    loads_any_depth,
    scan_value,
)
from federation.errors import Code, PeerError
from federation.jws import MAX_JWS_BYTES, OpenedJws
from governance.errors import TermsError
from governance.terms import MAX_UNTIL, Purpose, Terms

MAX_ENVELOPE_BYTES: Final = MAX_JWS_BYTES  # 256 KiB: 256 fields and their terms take about 40 KiB
MAX_FIELDS: Final = 256  # a record with more sections, quotes, people and attachments is several records
MAX_FIELD_BYTES: Final = 1024 * 1024  # one disclosure text in UTF-8: a long book chapter
MAX_COPY_BYTES: Final = 4 * 1024 * 1024  # envelope and all disclosures: what a slow line carries in a minute or two
MAX_TERMS: Final = MAX_FIELDS  # at most one distinct terms value per field
MAX_VERSION: Final = 2**31 - 1  # fits every database's plain integer
MAX_LANG_CHARS: Final = 35  # RFC 5646 section 4.4.1
SALT_BYTES: Final = 16  # 128 bits, RFC 9901 section 9.3
TITLE: Final = "title"

_INNER_NAME: Final = "v"
_RID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
_HEX: Final = re.compile(r"[0-9a-f]{64}\Z")
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_LANG: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*\Z")
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}(?::[A-Za-z0-9][A-Za-z0-9._-]{0,63})?\Z")
# 22 and 43 characters hold 132 and 258 bits: the last character of the canonical text has its spare bits at zero.
_SALT: Final = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]\Z")
_USUAL_DISCLOSURE: Final = re.compile(r'\["([A-Za-z0-9_-]{21}[AQgw])","v",')
_DIGEST: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")
_MEMBERS: Final = frozenset({"iss", "rid", "ver", "prev", "iat", "kind", "lang", "terms", "f"})
# Names by which a general SD-JWT reader would unfold something that we did not (RFC 9901 section 4.2.4).
_RESERVED: Final = frozenset({"_sd", "_sd_alg", "..."})
_PURPOSES: Final = frozenset(purpose.value for purpose in Purpose)
_FIELD_MEMBERS: Final = frozenset({"t", "_sd"})
_TERMS_MEMBERS: Final = frozenset({"aud", "pur", "until"})
_MAX_NAME_CHARS: Final = 129  # what the pattern allows; checked first, so nothing long is ever remembered
_NAMES_REMEMBERED: Final = 4096  # the sections of all kinds are some hundred names
_TERMS_REMEMBERED: Final = 4096  # a node's records repeat a few terms; reading them once saves a fifth of the time


@dataclass(frozen=True, slots=True)
class RecordHead:
    """What stands in the clear in every copy, terms and digests aside."""

    iss: str
    rid: str
    ver: int
    prev: str | None
    iat: int
    kind: str
    lang: str


@dataclass(slots=True)
class Claims:
    """The signed payload, read; disclosures not yet matched."""

    head: RecordHead
    terms: tuple[Terms, ...]
    field_terms: dict[str, Terms]
    digests: dict[str, str]
    extra: dict[str, JSONValue]


def read_claims(opened: OpenedJws) -> Claims:
    payload = loads_any_depth(text_of(opened.payload))
    if not isinstance(payload, dict):
        raise PeerError(Code.MEMBER, "the payload is an object")
    missing = _MEMBERS - payload.keys()
    if missing:
        raise PeerError(Code.MEMBER, f"the payload has no {min(missing)}")
    extra = _check_unknown(payload, _MEMBERS, 1)
    head = _read_head(payload)
    terms = _read_terms(payload["terms"])
    field_terms, digests = _read_fields(payload["f"], terms)
    return Claims(head, terms, field_terms, digests, extra)


def _read_head(payload: dict[str, JSONValue]) -> RecordHead:
    iss, rid, ver, prev = payload["iss"], payload["rid"], payload["ver"], payload["prev"]
    iat, kind, lang = payload["iat"], payload["kind"], payload["lang"]
    if not isinstance(iss, str):
        raise PeerError(Code.ISS_MISMATCH, "iss is a node id")
    if not isinstance(rid, str) or not _RID.match(rid):
        raise PeerError(Code.RID, "rid is a UUID of version 7 in lower case")
    # `type(...) is int` because JSON's true is an int to Python.
    if type(ver) is not int or not 1 <= ver <= MAX_VERSION:
        raise PeerError(Code.VERSION, f"ver counts from 1 to {MAX_VERSION}")
    if prev is not None and (not isinstance(prev, str) or not _HEX.match(prev)):
        raise PeerError(Code.PREV, "prev is a version id")
    if (prev is None) != (ver == 1):
        raise PeerError(Code.PREV, "version 1 has no prev, every later one has")
    if type(iat) is not int or not 0 <= iat <= MAX_UNTIL:
        raise PeerError(Code.IAT, "iat is a time in unix seconds")
    if not isinstance(kind, str) or not _KIND.match(kind):
        raise PeerError(Code.KIND, "kind is a lower-case word")
    if not isinstance(lang, str) or len(lang) > MAX_LANG_CHARS or not _LANG.match(lang):
        raise PeerError(Code.LANG, "lang is a BCP 47 tag")
    return RecordHead(iss, rid, ver, prev, iat, kind, lang)


def _read_terms(value: JSONValue) -> tuple[Terms, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_TERMS:
        raise PeerError(Code.TERMS, f"terms is a list of 1 to {MAX_TERMS}")
    try:
        terms = tuple([_read_one_terms(item) for item in value])
    except TermsError as error:
        raise PeerError(Code.TERMS, str(error)) from None
    # Compared as signed: two terms of a later version may differ in members we do not know.
    if any(value.count(item) > 1 for item in value):
        raise PeerError(Code.TERMS_REPEATED, "the same terms stand twice")
    return terms


def _read_one_terms(item: JSONValue) -> Terms:
    if not isinstance(item, dict):
        raise PeerError(Code.TERMS, "terms are an object")
    _check_unknown(item, _TERMS_MEMBERS, 3)
    aud, pur = item.get("aud"), item.get("pur")
    if not isinstance(aud, list) or not isinstance(pur, list):
        raise PeerError(Code.TERMS, "terms have a list of audiences and a list of purposes")
    if not all(isinstance(purpose, str) for purpose in pur):
        raise PeerError(Code.TERMS, "purposes are words")
    # Purposes of a later version are dropped, as `Terms.from_json` does, before anything is remembered.
    known = tuple(dict.fromkeys(purpose for purpose in pur if purpose in _PURPOSES))
    try:
        return _terms_of_parts(tuple(aud), known, item.get("until"))  # type: ignore[arg-type]
    except TypeError:  # a list or object where a word is due
        raise PeerError(Code.TERMS, "audiences are words") from None


@lru_cache(_TERMS_REMEMBERED, typed=True)
def _terms_of_parts(aud: tuple[str, ...], pur: tuple[str, ...], until: object) -> Terms:
    return Terms.from_json({"aud": list(aud), "pur": list(pur), "until": until})


def _read_fields(value: JSONValue, terms: tuple[Terms, ...]) -> tuple[dict[str, Terms], dict[str, str]]:
    if not isinstance(value, dict) or not value:
        raise PeerError(Code.FIELDS, "f is an object with one member per field")
    if len(value) > MAX_FIELDS:
        raise PeerError(Code.TOO_MANY_FIELDS, f"a record has at most {MAX_FIELDS} fields")
    field_terms: dict[str, Terms] = {}
    digests: dict[str, str] = {}
    for name, form in value.items():
        if len(name) > _MAX_NAME_CHARS or not _is_field_name(name):
            raise PeerError(Code.FIELD_NAME, f"{name[:80]!r} is no field name")
        index, digests[name] = _read_field(name, form)
        if not 0 <= index < len(terms):
            raise PeerError(Code.TERMS_INDEX, f"field {name} points to terms that are not there")
        field_terms[name] = terms[index]
    if len(set(digests.values())) != len(digests):
        raise PeerError(Code.DIGEST_REPEATED, "two fields have the same digest")
    return field_terms, digests


def _read_field(name: str, form: JSONValue) -> tuple[int, str]:
    if not isinstance(form, dict) or "_sd" not in form or "t" not in form:
        raise PeerError(Code.FIELD_FORM, f"field {name} is an object with t and _sd")
    if len(form) > 2:
        _check_unknown(form, _FIELD_MEMBERS, 3)
    index, listed = form["t"], form["_sd"]
    if type(index) is not int:
        raise PeerError(Code.TERMS_INDEX, f"t of field {name} is an index into terms")
    if not isinstance(listed, list) or len(listed) != 1:
        raise PeerError(Code.DIGEST_COUNT, f"field {name} has exactly one digest")
    digest = listed[0]
    if not isinstance(digest, str) or not _DIGEST.match(digest):
        raise PeerError(Code.DIGEST_FORM, f"the digest of field {name} is no SHA-256 in canonical base64url")
    return index, digest


def _check_unknown(members: dict[str, JSONValue], known: frozenset[str], depth: int) -> dict[str, JSONValue]:
    """The members of a later version: kept, unless they nest too deep or would make an SD-JWT reader unfold more."""
    if members.keys() <= known:
        return {}
    unknown = {name: value for name, value in members.items() if name not in known}
    for value in unknown.values():
        check_depth(value, above=depth)
    _refuse_reserved(unknown)
    return unknown


def _refuse_reserved(value: JSONValue) -> None:
    """No name anywhere below by which a general SD-JWT reader would unfold more than we do."""
    if isinstance(value, dict):
        if not _RESERVED.isdisjoint(value):
            raise PeerError(Code.RESERVED_NAME, "_sd, _sd_alg and ... stand nowhere but in a field's own _sd")
        for item in value.values():
            _refuse_reserved(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_reserved(item)


def read_disclosure(text: str) -> tuple[str, JSONValue]:
    """Salt and value of one disclosure text."""
    usual = _USUAL_DISCLOSURE.match(text)
    if usual:
        value, end = scan_value(text, usual.end())
        if end == len(text) - 1 and text[end] == "]":
            return usual[1], _checked_value(value)
    # White space, escapes or a defect: the general way finds which.
    parts = loads_any_depth(text)
    if not isinstance(parts, list) or len(parts) != 3:
        raise PeerError(Code.DISCLOSURE_FORM, "a disclosure is a list of salt, name and value")
    salt, name, value = parts
    if name != _INNER_NAME:
        raise PeerError(Code.DISCLOSURE_NAME, f"the inner name of a disclosure is {_INNER_NAME!r}")
    if not isinstance(salt, str) or not _SALT.match(salt):
        raise PeerError(Code.SALT, f"a salt is {SALT_BYTES} bytes in canonical base64url")
    return salt, _checked_value(value)


def _checked_value(value: JSONValue) -> JSONValue:
    if not isinstance(value, str):
        check_depth(value, above=1)
        _refuse_reserved(value)
    return value


@lru_cache(_NAMES_REMEMBERED)
def _is_field_name(name: str) -> bool:
    return _FIELD.match(name) is not None


def disclosure_text(salt: bytes, value: JSONValue) -> str:
    """The JSON text `[salt, "v", value]` of a field."""
    return dumps_text([b64url_encode(salt), _INNER_NAME, value])


def disclosure_digest(text: str) -> str:
    """The digest that stands in `_sd` for this disclosure text; `PeerError` if it has half a surrogate pair."""
    return b64url_encode(sha256(b64url_bytes(utf8_of(text))).digest())


def text_of(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise PeerError(Code.NOT_UTF8, f"not UTF-8 at byte {error.start}") from None


def utf8_of(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise PeerError(Code.LONE_SURROGATE, "a disclosure holds half of a surrogate pair") from None
