"""Our own vectors: every valid one is accepted for what it says, every invalid one refused for its named defect."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import federation.hides  # noqa: F401 - a document is known by its class
from federation.documents import SignedDocument, verify_agreement, verify_document
from federation.envelope import VerifiedEnvelope, verify, verify_compact
from federation.errors import Code, PeerError
from federation.httpsig import Request, Response, verify_request, verify_response
from federation.identity import verify_history
from tests.unit.federation.vector_files import VECTORS, files, history_of, load
from tests.vectors import make
from tests.vectors.nodes import LIMA, NAIROBI


def envelope_of(vector: dict[str, Any]) -> VerifiedEnvelope:
    look_up = history_of(vector["history"])
    if "compact" in vector:
        return verify_compact(vector["compact"], look_up)
    return verify(vector["jws"].encode("latin-1"), vector["disclosures"], look_up)


_MODELS: dict[str, type[SignedDocument]] = {m.__name__.lower(): m for m in SignedDocument.__subclasses__()}


@pytest.mark.parametrize("path", files("envelope/valid"))
def test_a_valid_envelope_says_what_the_vector_says(path: Path) -> None:
    vector = load(path)
    envelope = envelope_of(vector)
    expect = vector["expect"]
    assert dict(envelope.disclosed) == expect.pop("disclosed")
    assert sorted(envelope.withheld) == sorted(expect.pop("withheld"))
    if "compact" in expect:
        assert verify_compact(expect.pop("compact"), history_of(vector["history"])) == envelope
    assert {name: getattr(envelope, name) for name in expect} == expect


@pytest.mark.parametrize("path", files("envelope/invalid"))
def test_an_invalid_envelope_is_refused_for_its_defect(path: Path) -> None:
    vector = load(path)
    with pytest.raises(PeerError) as refusal:
        envelope_of(vector)
    assert refusal.value.code == vector["code"]


@pytest.mark.parametrize("path", files("history/valid"))
def test_a_valid_history_chains(path: Path) -> None:
    entries = [entry.encode() for entry in load(path)["entries"]]
    assert verify_history(entries).entries == tuple(entries)


@pytest.mark.parametrize("path", files("history/invalid"))
def test_an_invalid_history_is_refused_for_its_defect(path: Path) -> None:
    vector = load(path)
    with pytest.raises(PeerError) as refusal:
        verify_history([entry.encode() for entry in vector["entries"]])
    assert refusal.value.code == vector["code"]


def document_of(vector: dict[str, Any]) -> object:
    tokens = tuple(token.encode() for token in vector["tokens"])
    if vector["type"] == "agreement":
        return verify_agreement(tokens, history_of("nairobi")).document
    model: type[SignedDocument] = _MODELS[vector["type"]]
    return verify_document(tokens[0], model, history_of("nairobi")).document


@pytest.mark.parametrize("path", files("document/valid"))
def test_a_valid_document_is_accepted(path: Path) -> None:
    vector = load(path)
    assert type(document_of(vector)).__name__.lower() == vector["type"]


@pytest.mark.parametrize("path", files("document/invalid"))
def test_an_invalid_document_is_refused_for_its_defect(path: Path) -> None:
    vector = load(path)
    with pytest.raises(PeerError) as refusal:
        document_of(vector)
    assert refusal.value.code == vector["code"]


def request_of(vector: dict[str, Any]) -> Request:
    return Request(vector["method"], vector["authority"], vector["path"], vector["query"], vector["headers"])


def verify_at_lima(vector: dict[str, Any]) -> str:
    verified = verify_request(
        request_of(vector),
        sha256(vector["body"].encode()).digest(),
        own_authorities=["lima.example.org"],
        own_node_id=LIMA.node_id,
        history_of=history_of("nairobi"),
        now=vector["now"],
    )
    return verified.node_id


@pytest.mark.parametrize("path", files("request/valid"))
def test_a_valid_request_and_its_answer_are_accepted(path: Path) -> None:
    vector = load(path)
    assert verify_at_lima(vector) == NAIROBI.node_id
    if "response" in vector:
        answer = vector["response"]
        verify_response(
            Response(answer["status"], answer["headers"]),
            sha256(answer["body"].encode()).digest(),
            request_of(vector),
            own_node_id=NAIROBI.node_id,
            peer_node_id=LIMA.node_id,
            history_of=history_of("nairobi"),
            now=vector["now"],
        )


@pytest.mark.parametrize("path", files("request/invalid"))
def test_an_invalid_request_is_refused_for_its_defect(path: Path) -> None:
    vector = load(path)
    with pytest.raises(PeerError) as refusal:
        verify_at_lima(vector)
    assert refusal.value.code == vector["code"]


def test_the_committed_vectors_are_what_the_script_makes() -> None:
    made = {VECTORS / path: make.as_text(vector) for path, vector in make.vectors().items()}
    assert {path: path.read_text(encoding="utf-8") for path in VECTORS.rglob("*.json")} == made


def test_at_least_forty_defects_of_an_envelope_are_told_apart() -> None:
    vectors = [load(path) for path in (VECTORS / "envelope/invalid").glob("*.json")]
    assert len(vectors) >= 40
    assert {vector["code"] for vector in vectors} <= set(Code)
