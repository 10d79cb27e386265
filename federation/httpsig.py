"""Signed requests and responses: RFC 9421 with the body bound by RFC 9530, in the fixed form of DESIGN 8.

A request signs its method, authority, path, query, body digest, recipient node and (with a body) content type. A
response signs its status, body digest, recipient and content type together with the request's own signature, so it
answers that request and no other. Unknown key and bad signature have different codes here, for our log; on the wire
they get the same answer.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from federation.errors import Code, PeerError
from federation.identity import KeyHistory
from federation.keys import SIGNATURE_BYTES, SigningKey, signature_holds, split_kid

TAG: Final = "commonweave/1"
LABEL: Final = "cw"
RECIPIENT_HEADER: Final = "commonweave-recipient"
MAX_LIFETIME_S: Final = 300  # DESIGN 8: how long a nonce has to be remembered
MAX_SKEW_S: Final = 30  # a request may come from a clock this much ahead of ours
MAX_HEADER_CHARS: Final = 2048  # ours take about 450
MIN_NONCE_CHARS: Final = 22  # 128 bits in base64url
MAX_NONCE_CHARS: Final = 64  # a nonce is stored

_REQUEST: Final = ("@method", "@authority", "@path", "@query", "content-digest", RECIPIENT_HEADER)
_RESPONSE: Final = ("@status", "content-digest", RECIPIENT_HEADER)
_REQUEST_PARAMS: Final = frozenset({"created", "expires", "nonce", "keyid", "tag"})
_RESPONSE_PARAMS: Final = frozenset({"created", "expires", "keyid", "tag"})

# The only structured-field shapes in use (RFC 8941): one dictionary member, an inner list of plain strings with at most
# the flag `req`, integer and plain string parameters.
_ITEM: Final = r'"@?[a-z0-9-]+"(?:;req)?'
_PARAM: Final = r';[a-z][a-z0-9_-]*=(?:[0-9]{1,15}|"[ !#-\[\]-~]*")'
_INPUT: Final = re.compile(rf"([a-z][a-z0-9_-]*)=(\(((?:{_ITEM}(?: {_ITEM})*)?)\)((?:{_PARAM})*))\Z")
_SIGNATURE: Final = re.compile(r"([a-z][a-z0-9_-]*)=:([A-Za-z0-9+/]+={0,2}):\Z")
_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):\Z")
_NONCE: Final = re.compile(rf"[A-Za-z0-9_-]{{{MIN_NONCE_CHARS},{MAX_NONCE_CHARS}}}\Z")
_VISIBLE: Final = re.compile(r"[ -~]*\Z")  # a line break inside a value would forge a line of the signature base


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request is signed; `query` without its question mark, header names in lower case."""

    method: str
    authority: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """What of a response is signed."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """A parsed Signature-Input member; `raw` is its exact text from the opening bracket on."""

    label: str
    components: tuple[str, ...]
    params: Mapping[str, int | str]
    raw: str


def parse_signature_input(text: str) -> SignatureInput:
    """The one member of a Signature-Input header; `PeerError` for anything beyond the shapes in use."""
    match = _INPUT.match(text) if len(text) <= MAX_HEADER_CHARS else None
    if match is None:
        raise PeerError(Code.SIGNATURE_HEADER, "Signature-Input is not of the form in use")
    label, raw, items, params = match.groups()
    components = tuple(items.split(" ")) if items else ()
    if len(set(components)) != len(components):
        raise PeerError(Code.COMPONENTS, "a component is covered twice")
    values: dict[str, int | str] = {}
    for part in re.findall(_PARAM, params):
        name, _, value = part[1:].partition("=")
        if name in values:
            raise PeerError(Code.SIGNATURE_HEADER, f"the parameter {name} stands twice")
        values[name] = value[1:-1] if value.startswith('"') else int(value)
    return SignatureInput(label, components, values, raw)


def parse_signature(text: str, label: str) -> bytes:
    """The signature bytes under this label in a Signature header that holds nothing else."""
    match = _SIGNATURE.match(text) if len(text) <= MAX_HEADER_CHARS else None
    if match is None or match[1] != label:
        raise PeerError(Code.SIGNATURE_HEADER, "Signature is not of the form in use")
    signature = _standard_base64(match[2])
    if len(signature) != SIGNATURE_BYTES:
        raise PeerError(Code.BAD_SIGNATURE, "the signature has the wrong length")
    return signature


def signature_base(message: Request | Response, parsed: SignatureInput, request: Request | None = None) -> bytes:
    """The bytes that are signed (RFC 9421 section 2.5); `request` is what `;req` components of a response refer to."""
    lines = []
    for component in parsed.components:
        name, _, flag = component.partition(";")
        source = request if flag == "req" else message
        if source is None:
            raise PeerError(Code.COMPONENTS, "a component refers to a request that is not there")
        lines.append(f"{component}: {_value(name[1:-1], source)}")
    lines.append(f'"@signature-params": {parsed.raw}')
    return "\n".join(lines).encode("ascii")


def _value(name: str, message: Request | Response) -> str:
    if name.startswith("@"):
        value = _derived(name, message)
    else:
        found = message.headers.get(name)
        if found is None:
            raise PeerError(Code.COMPONENTS, f"the header {name} is covered but not there")
        value = found.strip(" \t")
    if not _VISIBLE.match(value):
        raise PeerError(Code.COMPONENTS, f"{name} holds characters that cannot be signed")
    return value


def _derived(name: str, message: Request | Response) -> str:
    if isinstance(message, Response):
        if name == "@status":
            return str(message.status)
    elif name == "@method":
        return message.method
    elif name == "@authority":
        return message.authority.lower()
    elif name == "@path":
        return message.path or "/"
    elif name == "@query":
        return f"?{message.query}"
    raise PeerError(Code.COMPONENTS, f"{name} is no component of this message")


def content_digest(body: bytes) -> str:
    """The Content-Digest header of a body (RFC 9530)."""
    return content_digest_of(sha256(body).digest())


def content_digest_of(digest: bytes) -> str:
    """The same from a SHA-256 that was computed while the body streamed."""
    return f"sha-256=:{b2a_base64(digest, newline=False).decode('ascii')}:"


def check_content_digest(headers: Mapping[str, str], digest: bytes) -> None:
    """`PeerError` unless the Content-Digest header names exactly this SHA-256 of the body that arrived."""
    if stated_digest(headers) != digest:
        raise PeerError(Code.CONTENT_DIGEST, "the body is not the one that was signed")


def stated_digest(headers: Mapping[str, str]) -> bytes:
    """The SHA-256 that the Content-Digest header names: it can be verified as signed before the body is there."""
    match = _DIGEST.match(headers.get("content-digest", ""))
    if match is None:
        raise PeerError(Code.CONTENT_DIGEST, "a body has one digest, by SHA-256")
    return _standard_base64(match[1])


def _standard_base64(text: str) -> bytes:
    try:
        raw = a2b_base64(text, strict_mode=True)
    except Base64Error:
        raise PeerError(Code.BASE64, "not base64") from None
    if b2a_base64(raw, newline=False).decode("ascii") != text:
        raise PeerError(Code.BASE64, "not canonical base64")
    return raw


# --- requests -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who signs for whom and when; seconds are unix time by the signer's clock."""

    keyid: str
    recipient: str
    created: int
    expires: int
    nonce: str = ""


def sign_request(
    request: Request, body_digest: bytes, stamp: Stamp, key: SigningKey, content_type: str | None = None
) -> dict[str, str]:
    """The headers to add: content-digest, the recipient, signature-input, signature (and content-type with a body)."""
    headers = _bound_headers(body_digest, stamp, content_type)
    signed = Request(request.method, request.authority, request.path, request.query, headers)
    names = [*_REQUEST, *(["content-type"] if content_type is not None else [])]
    params = f';created={stamp.created};expires={stamp.expires};nonce="{stamp.nonce}";keyid="{stamp.keyid}";tag="{TAG}"'
    return headers | _sign(signed, [f'"{name}"' for name in names], params, key, None)


def _bound_headers(body_digest: bytes, stamp: Stamp, content_type: str | None) -> dict[str, str]:
    headers = {"content-digest": content_digest_of(body_digest), RECIPIENT_HEADER: stamp.recipient}
    return headers if content_type is None else headers | {"content-type": content_type}


def _sign(
    message: Request | Response, components: list[str], params: str, key: SigningKey, request: Request | None
) -> dict[str, str]:
    text = f"{LABEL}=({' '.join(components)}){params}"
    base = signature_base(message, parse_signature_input(text), request)
    signature = b2a_base64(key.sign(base), newline=False).decode("ascii")
    return {"signature-input": text, "signature": f"{LABEL}=:{signature}:"}


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
    """A request whose signature holds; the caller stores `nonce` until `expires` before it acts."""

    node_id: str
    keyid: str
    nonce: str
    created: int
    expires: int


def verify_request(
    request: Request,
    body_digest: bytes,
    *,
    own_authorities: Collection[str],
    own_node_id: str,
    history_of: Callable[[str], KeyHistory | None],
    now: int,
    is_challenge: Callable[[str], bool] = lambda _: False,
) -> VerifiedRequest:
    """Verify a request to this node; `PeerError` names what does not hold.

    `expired` and `not-yet` are raised only after the signature held: then the sender's clock is wrong and a nonce
    challenge is the answer. A request that carries an open challenge (`is_challenge`) is fresh whatever its clock says.
    """
    parsed, signature = _signature_of(request.headers)
    _check_form(parsed, _REQUEST, _REQUEST_PARAMS, body_digest)
    if request.authority.lower() not in {name.lower() for name in own_authorities}:
        raise PeerError(Code.AUTHORITY, "the request was made for another host")
    _check_recipient(request.headers, own_node_id)
    check_content_digest(request.headers, body_digest)
    nonce = str(parsed.params["nonce"])
    if not _NONCE.match(nonce):
        raise PeerError(Code.NONCE, f"a nonce is {MIN_NONCE_CHARS} to {MAX_NONCE_CHARS} base64url characters")
    created, expires = _times(parsed)
    keyid = str(parsed.params["keyid"])
    # Judged at the later of both clocks: a stolen and replaced key cannot be used by dating the request back.
    node_id = _check_signature(keyid, signature, signature_base(request, parsed), history_of, at=max(created, now))
    if not is_challenge(nonce):
        if created > now + MAX_SKEW_S:
            raise PeerError(Code.NOT_YET, "the request comes from a clock ahead of ours")
        if expires <= now:
            raise PeerError(Code.EXPIRED, "the request has expired, or comes from a clock behind ours")
    return VerifiedRequest(node_id, keyid, nonce, created, expires)


def sign_response(
    response: Response,
    body_digest: bytes,
    request: Request,
    stamp: Stamp,
    key: SigningKey,
    content_type: str | None = None,
) -> dict[str, str]:
    """The headers to add to an answer; `request.headers` holds the request's own `signature` header."""
    headers = _bound_headers(body_digest, stamp, content_type)
    names = [*_RESPONSE, *(["content-type"] if content_type is not None else [])]
    components = [*(f'"{name}"' for name in names), '"signature";req']
    params = f';created={stamp.created};expires={stamp.expires};keyid="{stamp.keyid}";tag="{TAG}"'
    return headers | _sign(Response(response.status, headers), components, params, key, request)


def verify_response(
    response: Response,
    body_digest: bytes,
    request: Request,
    *,
    own_node_id: str,
    peer_node_id: str,
    history_of: Callable[[str], KeyHistory | None],
    now: int,
) -> str:
    """The keyid under which `peer_node_id` answered exactly this request.

    The peer's clock is not judged: our request's fresh nonce stands under its signature, and the answer under that.
    """
    parsed, signature = _signature_of(response.headers)
    _check_form(parsed, _RESPONSE, _RESPONSE_PARAMS, body_digest, ('"signature";req',))
    _check_recipient(response.headers, own_node_id)
    check_content_digest(response.headers, body_digest)
    created, _ = _times(parsed)
    keyid = str(parsed.params["keyid"])
    base = signature_base(response, parsed, request)
    node_id = _check_signature(keyid, signature, base, history_of, at=max(created, now))
    if node_id != peer_node_id:
        raise PeerError(Code.ISS_MISMATCH, "another node answered")
    return keyid


def _signature_of(headers: Mapping[str, str]) -> tuple[SignatureInput, bytes]:
    parsed = parse_signature_input(headers.get("signature-input", ""))
    if parsed.label != LABEL:
        raise PeerError(Code.SIGNATURE_HEADER, f"the signature's label is {LABEL}")
    return parsed, parse_signature(headers.get("signature", ""), parsed.label)


_EMPTY_BODY: Final = sha256(b"").digest()


def _check_form(
    parsed: SignatureInput,
    due: tuple[str, ...],
    params: frozenset[str],
    body_digest: bytes,
    flagged: tuple[str, ...] = (),
) -> None:
    """Exactly the fixed components, in any order, and exactly the fixed parameters."""
    covered = set(parsed.components)
    # A body has a type, and the type is signed; without a body a type may be there and then may be signed.
    if body_digest == _EMPTY_BODY:
        covered.discard('"content-type"')
    else:
        due = (*due, "content-type")
    if covered != {f'"{name}"' for name in due} | set(flagged):
        raise PeerError(Code.COMPONENTS, "the signature covers other components than the protocol fixes")
    if parsed.params.keys() != params:
        raise PeerError(Code.COMPONENTS, f"the signature's parameters are {', '.join(sorted(params))}")
    if parsed.params["tag"] != TAG:
        raise PeerError(Code.TAG, f"the tag is {TAG}")


def _check_recipient(headers: Mapping[str, str], own_node_id: str) -> None:
    if headers.get(RECIPIENT_HEADER) != own_node_id:
        raise PeerError(Code.RECIPIENT, "the message is for another node")


def _times(parsed: SignatureInput) -> tuple[int, int]:
    created, expires = parsed.params["created"], parsed.params["expires"]
    if not isinstance(created, int) or not isinstance(expires, int):
        raise PeerError(Code.SIGNATURE_HEADER, "created and expires are unix seconds")
    if not 0 < expires - created <= MAX_LIFETIME_S:
        raise PeerError(Code.LIFETIME, f"a signature lives at most {MAX_LIFETIME_S} seconds")
    return created, expires


def _check_signature(
    keyid: str, signature: bytes, base: bytes, history_of: Callable[[str], KeyHistory | None], at: int
) -> str:
    node_id, _ = split_kid(keyid)
    history = history_of(node_id)
    if history is None:
        raise PeerError(Code.UNKNOWN_ISSUER, "we do not know the node that signed this")
    # A node whose clock is far behind would take every key for one that has not begun yet, and be a dead end: the
    # document that names the key proves how late it is at least. A later moment can only rule out more retired keys.
    at = max(at, history.current.iat)
    if not signature_holds(history.request_key(keyid, at), signature, base):
        raise PeerError(Code.BAD_SIGNATURE, "the signature does not hold")
    return node_id
