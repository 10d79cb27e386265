"""Targets of what is signed: the defects are made before the signature, so that they reach what stands behind it.

A case is JSON: a header, a payload (a tree, or its text) and what goes with them; it is signed here with the key that
the vectors' nodes have for it. `#0` in an envelope's payload stands for the digest of disclosure 0.
"""

from __future__ import annotations

import json
import random
from binascii import b2a_base64
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from federation import documents
from federation.documents import SignedDocument, sign_agreement, sign_document, verify_agreement, verify_document
from federation.encoding import b64url_decode, b64url_encode
from federation.envelope import disclosure_digest, redact, verify, verify_compact
from federation.errors import PeerError
from federation.httpsig import (
    Request,
    Response,
    parse_signature_input,
    signature_base,
    verify_request,
    verify_response,
)
from federation.identity import KeyHistory, entry_hash, verify_history
from federation.keys import SigningKey
from tests.fuzz.harness import Target, again, raw, text
from tests.fuzz.mutation import mutate_json_text, mutate_text, mutate_tree, written
from tests.vectors.nodes import DAY, LIMA, NAIROBI, STRANGER, T0, VectorNode, forge_segments

VECTORS: Final = Path(__file__).parents[1] / "vectors"
NODES: Final = (NAIROBI, LIMA, STRANGER)
MODELS: Final = ("invite", "notice", "withdrawal", "receipt", "manifest", "roster")
RAW_CHANCE: Final = 0.15  # of bending a token after it was signed: such inputs end early, at the signature


def vectors(folder: str) -> list[dict[str, Any]]:
    """Every vector of a folder, valid and invalid: what is refused for one reason is a step from another one."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((VECTORS / folder).rglob("*.json"))]


@cache
def known(name: str) -> Callable[[str], KeyHistory | None]:
    """The histories that a vector takes as known."""
    entries = json.loads((VECTORS / "histories.json").read_text(encoding="utf-8"))[name]
    histories = [verify_history([entry.encode() for entry in history]) for history in entries]
    return {history.node_id: history for history in histories}.get


def _json_of(segment: str) -> Any:
    """A tree, or the text of what is none."""
    plain = b64url_decode(segment).decode()
    try:
        return json.loads(plain)
    except (ValueError, RecursionError):
        return plain


def opened(token: str) -> dict[str, Any] | None:
    """Header and payload of a token as trees; None where it has none that can be read."""
    try:
        header, payload, _ = token.split(".")
        return {"header": _json_of(header), "payload": _json_of(payload)}
    except (ValueError, PeerError):
        return None


def part(value: Any) -> bytes:
    """A part of a token: a text as it is, a tree as JSON."""
    return raw(value if isinstance(value, str) else written(value, ascii_only=False))


def token_of(case: dict[str, Any], key: Callable[[VectorNode], SigningKey]) -> bytes:
    """The signed token of a case, or the one that it gives whole."""
    if "token" in case:
        return raw(str(case["token"]))
    header = case.get("header")
    kid = str(header.get("kid")) if isinstance(header, dict) else ""
    signer = next((node for node in NODES if kid.startswith(node.node_id)), NAIROBI)
    keys = (signer.rec, signer.rec2, signer.log, signer.req, signer.identity, signer.next, signer.after_next)
    named = next((k for k in keys if kid.endswith(k.multibase)), key(signer))
    return forge_segments(b64url_encode(part(header)), b64url_encode(part(case.get("payload"))), named)


def case_of(data: bytes) -> dict[str, Any]:
    """The case that an input is; anything else is a token by itself."""
    try:
        value = json.loads(text(data))
    except (ValueError, RecursionError):
        return {"token": text(data)}
    return value if isinstance(value, dict) else {"token": written(value)}


def bend_case(rng: random.Random, data: bytes) -> bytes:
    """The case with a defect in its trees, in the text of one of its parts, or, seldom, in its token."""
    case = case_of(data)
    if "payload" not in case or rng.random() < RAW_CHANCE:
        return raw(written(mutate_tree(rng, case)))
    name = rng.choices(("payload", "header"), (12, 1))[0]
    value = case[name]
    if isinstance(value, str):
        case[name] = mutate_json_text(rng, value)
    elif rng.random() < 0.2:
        case[name] = mutate_text(rng, written(value, ascii_only=False))
    else:
        case[name] = mutate_tree(rng, value)
    if case.get("disclosures") and rng.random() < 0.5:
        texts = case["disclosures"]
        at = rng.randrange(len(texts))
        texts[at] = mutate_json_text(rng, str(texts[at]))
    return raw(written(case))


# --- envelopes ------------------------------------------------------------------------------------------------------


def envelope_seeds() -> list[bytes]:
    """The vectors' copies, opened, with the digest of each disclosure as a reference to it."""
    found = []
    for vector in vectors("envelope"):
        token, _, rest = vector.get("compact", "").partition("~")
        case = opened(vector.get("jws", token))
        if case is None:
            continue
        try:
            texts = vector.get("disclosures") or [b64url_decode(t).decode() for t in rest.split("~") if t]
            body = part(case["payload"]).decode()
            for at, disclosure in enumerate(texts):
                body = body.replace(disclosure_digest(disclosure), f"#{at}")
            case["payload"] = body if isinstance(case["payload"], str) else json.loads(body)
        except (PeerError, ValueError):
            continue
        found.append(raw(written(case | {"disclosures": texts, "history": vector["history"]})))
    return found


def _envelope(data: bytes) -> tuple[bytes, list[str], Callable[[str], KeyHistory | None]]:
    case = case_of(data)
    given = case.get("disclosures")
    texts = [t if isinstance(t, str) else written(t) for t in given] if isinstance(given, list) else []
    payload = case.get("payload")
    if payload is not None:
        body = payload if isinstance(payload, str) else written(payload, ascii_only=False)
        for at, disclosure in enumerate(texts):
            body = body.replace(
                f'"#{at}"', f'"{b64url_encode(sha256(b64url_encode(raw(disclosure)).encode()).digest())}"'
            )
        case["payload"] = body
    history = case.get("history")
    return token_of(case, lambda n: n.rec), texts, known(history if history in ("nairobi", "rotated") else "nairobi")


def run_envelope(data: bytes) -> None:
    """An accepted copy is the same copy through its compact form; without its last disclosure it still verifies."""
    token, texts, history_of = _envelope(data)
    envelope = verify(token, texts, history_of)
    again(lambda: verify_compact(envelope.compact(), history_of), envelope, "the copy in its compact form")
    less = redact(envelope, [name for name in envelope.disclosed if name == "title"])
    again(lambda: verify(less.jws, less.disclosures, history_of), less, "the redacted copy")


def run_compact(data: bytes) -> None:
    """What is accepted in compact form is accepted when it is written again."""
    envelope = verify_compact(text(data), known("nairobi"))
    again(lambda: verify_compact(envelope.compact(), known("nairobi")), envelope, "the compact form")


def compact_seeds() -> list[bytes]:
    """The vectors' copies in compact form."""
    found = []
    for data in envelope_seeds():
        token, texts, _ = _envelope(data)
        found.append(b"~".join([token, *(b64url_encode(raw(t)).encode() for t in texts), b""]))
    return found


# --- other documents ------------------------------------------------------------------------------------------------


def document_seeds() -> list[bytes]:
    """The vectors' documents, opened, one token each."""
    found = []
    for vector in vectors("document"):
        for token in vector["tokens"]:
            case = opened(token)
            if case is not None:
                found.append(raw(written(case | {"type": vector["type"]})))
    return found


def run_document(data: bytes) -> None:
    """What an accepted document says can be signed and verified again, and says the same."""
    case = case_of(data)
    token = token_of(case, lambda n: n.rec)
    if case.get("type") == "agreement":
        _run_agreement(token)
        return
    chosen = case.get("type")
    model: type[SignedDocument] = getattr(documents, (chosen if chosen in MODELS else "receipt").capitalize())
    verified = verify_document(token, model, known("nairobi"))
    signer = next(node for node in NODES if node.node_id == verified.document.iss)
    token = sign_document(verified.document, signer.rec)
    again(lambda: verify_document(token, model, known("nairobi")).document, verified.document, "the document")


def _run_agreement(token: bytes) -> None:
    agreed = verify_agreement((token,), known("nairobi"))
    signer = next(node for node in NODES if node.node_id == agreed.signers[0])
    token = sign_agreement(agreed.document, signer.node_id, signer.rec)
    again(lambda: verify_agreement((token,), known("nairobi")).document, agreed.document, "the agreement")


# --- histories ------------------------------------------------------------------------------------------------------


def history_seeds() -> list[bytes]:
    """The vectors' histories, opened; `#prev` stands for the hash of the entry before."""
    found = []
    for vector in vectors("history"):
        cases = [opened(entry) for entry in vector["entries"]]
        for case, before in zip(cases[1:], vector["entries"], strict=False):
            if (
                case is not None
                and isinstance(case["payload"], dict)
                and case["payload"].get("prev") == entry_hash(before.encode())
            ):
                case["payload"]["prev"] = "#prev"
        if cases and all(cases):
            found.append(raw(written({"entries": cases})))
    return found


def run_history(data: bytes) -> None:
    """An accepted history is accepted from its own entries."""
    entries: list[bytes] = []
    given = case_of(data).get("entries")
    for case in given if isinstance(given, list) else []:
        body = dict(case) if isinstance(case, dict) else {"token": written(case)}
        if "payload" in body and entries:
            payload = body["payload"]
            plain = payload if isinstance(payload, str) else written(payload, ascii_only=False)
            body["payload"] = plain.replace("#prev", entry_hash(entries[-1]))
        entries.append(token_of(body, lambda n: n.identity))
    history = verify_history(entries)
    again(lambda: verify_history(history.entries).spans, history.spans, "the history")


def bend_history(rng: random.Random, data: bytes) -> bytes:
    """The history with a defect in one entry, or in their order."""
    case = case_of(data)
    entries = case.get("entries")
    if isinstance(entries, list) and entries and rng.random() < 0.7:
        at = rng.randrange(len(entries))
        entries[at] = case_of(bend_case(rng, raw(written(entries[at]))))
    else:
        case = {"entries": mutate_tree(rng, entries if isinstance(entries, list) else [])}
    return raw(written(case))


# --- signed requests and answers ------------------------------------------------------------------------------------


def request_seeds() -> list[bytes]:
    """The vectors' requests, with their answers where they have one; `#` in a signature: sign what is there."""
    found = []
    for vector in vectors("request"):
        found.append(raw(written(vector)))
        again = json.loads(written(vector))
        for message in (again, again.get("response")):
            if message and "signature" in message["headers"]:
                message["headers"]["signature"] = "#"
        found.append(raw(written(again)))
    return found


def run_request(data: bytes) -> None:
    """Never more than a refusal, whatever the headers hold."""
    case = case_of(data)
    asked = _headers(case)
    method, authority, path, query = (str(case.get(name, "")) for name in ("method", "authority", "path", "query"))
    request = Request(method, authority, path, query, asked)
    _sign(request, None, asked, NAIROBI.req)
    given = case.get("now")
    now: int = given if type(given) is int else T0 + DAY
    digest = sha256(raw(str(case.get("body", "")))).digest()
    answer = case.get("response")
    if isinstance(answer, dict):
        headers, status = _headers(answer), answer.get("status")
        response = Response(status if type(status) is int else 200, headers)
        _sign(response, request, headers, LIMA.req)
        verify_response(
            response, sha256(raw(str(answer.get("body", "")))).digest(), request, own_node_id=NAIROBI.node_id,
            peer_node_id=LIMA.node_id, history_of=known("nairobi"), now=now,
        )  # fmt: skip
    verify_request(
        request, digest, own_authorities=["lima.example.org"], own_node_id=LIMA.node_id,
        history_of=known("nairobi"), now=now,
    )  # fmt: skip


def _headers(case: dict[str, Any]) -> dict[str, str]:
    given = case.get("headers")
    return {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}


def _sign(message: Request | Response, request: Request | None, headers: dict[str, str], key: SigningKey) -> None:
    """Put a true signature where the case asks for one, over whatever its Signature-Input covers."""
    if headers.get("signature") != "#":
        return
    try:
        base = signature_base(message, parse_signature_input(headers.get("signature-input", "")), request)
    except PeerError:
        base = b""
    headers["signature"] = f"cw=:{b2a_base64(key.sign(base), newline=False).decode()}:"


def bend_request(rng: random.Random, data: bytes) -> bytes:
    """The request with a defect in one of its parts."""
    return raw(written(mutate_tree(rng, case_of(data))))


TARGETS: Final = (
    Target("envelope", envelope_seeds, bend_case, run_envelope, (PeerError,)),
    Target("compact", compact_seeds, lambda rng, data: raw(mutate_text(rng, text(data))), run_compact, (PeerError,)),
    Target("document", document_seeds, bend_case, run_document, (PeerError,)),
    Target("history", history_seeds, bend_history, run_history, (PeerError,)),
    Target("request", request_seeds, bend_request, run_request, (PeerError,)),
)
