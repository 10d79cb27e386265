"""Keys, signatures and did:key, against published vectors and known attacks."""

from __future__ import annotations

import hashlib

import pytest

from federation import jws
from federation.encoding import b58_decode
from federation.errors import Code, PeerError
from federation.jws import Typ
from federation.keys import (
    SigningKey,
    check_ed25519,
    decode_ed25519,
    decode_x25519,
    encode_ed25519,
    encode_x25519,
    identity_key_of,
    node_id_of,
    signature_holds,
    split_kid,
    x25519_public,
)
from tests.unit.federation.vector_files import load, shared
from tests.vectors.nodes import NAIROBI

P = 2**255 - 19


def test_wycheproof_signatures_are_judged_as_published() -> None:
    groups = load(shared("ed25519-wycheproof/ed25519_test.json"))["testGroups"]
    judged = 0
    for group in groups:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            held = signature_holds(public, bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
            assert held == (case["result"] == "valid"), case["tcId"]
            judged += 1
    assert judged == 151


def test_published_did_keys_are_read_and_written() -> None:
    for node_id, case in load(shared("did-key/ed25519-x25519.json")).items():
        key = SigningKey.from_seed(bytes.fromhex(case["seed"]))
        assert node_id_of(key.public) == node_id
        assert identity_key_of(node_id) == key.public
        agreement = case["keyAgreementKeyPair"]
        multibase = agreement["id"].rpartition("#")[2]
        if "privateKeyBase58" in agreement:
            assert decode_x25519(multibase) == x25519_public(b58_decode(agreement["privateKeyBase58"]))
        assert encode_x25519(decode_x25519(multibase)) == multibase


def test_rfc_8032_test_1() -> None:
    key = SigningKey.from_seed(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")


@pytest.mark.parametrize(
    "public",
    [
        pytest.param(bytes(32), id="order-4"),
        pytest.param((1).to_bytes(32, "little"), id="identity-point"),
        pytest.param((P - 1).to_bytes(32, "little"), id="order-2"),
        pytest.param((P + 1).to_bytes(32, "little"), id="identity-point-not-canonical"),
        pytest.param(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), id="order-8"),
        pytest.param((2).to_bytes(32, "little"), id="not-on-the-curve"),
        pytest.param(b"\xff" * 32, id="all-ones"),
        pytest.param(bytes(31), id="short"),
    ],
)
def test_a_key_that_is_no_proper_point_is_refused(public: bytes) -> None:
    with pytest.raises(PeerError) as refusal:
        check_ed25519(public)
    assert refusal.value.code == Code.BAD_KEY


@pytest.mark.parametrize(
    "text",
    [
        NAIROBI.req.multibase[1:],
        NAIROBI.req.multibase[:-1],
        NAIROBI.req.multibase + "1",
        encode_x25519(NAIROBI.req.public),
        "",
    ],
)
def test_a_key_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        decode_ed25519(text)


def test_an_ed25519_key_is_no_x25519_key() -> None:
    with pytest.raises(PeerError):
        decode_x25519(NAIROBI.req.multibase)
    with pytest.raises(PeerError):
        decode_x25519(encode_x25519(bytes(32)))


def test_multibase_comes_back() -> None:
    assert decode_ed25519(encode_ed25519(NAIROBI.req.public)) == NAIROBI.req.public


@pytest.mark.parametrize("kid", ["", "#", "did:key:z6Mk", "did:web:x#z6Mk", "did:key:z6Mk#z6Mk#z6Mk", "did:key:z6Mk#k"])
def test_a_kid_is_a_node_and_its_key(kid: str) -> None:
    with pytest.raises(PeerError) as refusal:
        split_kid(kid)
    assert refusal.value.code == Code.KID


def test_the_secret_does_not_show() -> None:
    key = SigningKey.from_seed(hashlib.sha256(b"x").digest())
    assert hashlib.sha256(b"x").hexdigest() not in repr(key)
    assert "_secret" not in repr(key)


def test_seeds_and_secrets_have_32_bytes() -> None:
    with pytest.raises(ValueError, match="32"):
        SigningKey.from_seed(bytes(31))
    with pytest.raises(ValueError, match="32"):
        x25519_public(bytes(33))


@pytest.mark.parametrize("expected", [typ for typ in Typ if typ is not Typ.NOTICE])
def test_no_document_is_replayed_as_another(expected: Typ) -> None:
    token = jws.sign(Typ.NOTICE, NAIROBI.rec.kid(NAIROBI.node_id), {"a": 1}, NAIROBI.rec)
    with pytest.raises(PeerError) as refusal:
        jws.verify(token, expected, lambda _: NAIROBI.rec.public)
    assert refusal.value.code == Code.TYP


def test_a_token_at_the_size_limit_is_read_and_one_byte_more_is_refused() -> None:
    token = jws.sign(Typ.NOTICE, NAIROBI.rec.kid(NAIROBI.node_id), {"a": 1}, NAIROBI.rec)
    jws.verify(token, Typ.NOTICE, lambda _: NAIROBI.rec.public, max_bytes=len(token))
    with pytest.raises(PeerError) as refusal:
        jws.verify(token, Typ.NOTICE, lambda _: NAIROBI.rec.public, max_bytes=len(token) - 1)
    assert refusal.value.code == Code.TOO_LARGE


def test_nothing_of_the_payload_is_parsed_before_the_signature_holds() -> None:
    token = jws.sign_bytes(Typ.NOTICE, NAIROBI.rec.kid(NAIROBI.node_id), b"not json", NAIROBI.rec)
    with pytest.raises(PeerError) as refusal:
        jws.verify(token, Typ.NOTICE, lambda _: NAIROBI.req.public)
    assert refusal.value.code == Code.BAD_SIGNATURE
