"""Checkpoints, cosignatures and exports: our vectors, the published format, every changed byte, and who may sign."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.checkpoint import (
    COSIGNATURE,
    LOG_SIGNATURE,
    MAX_SIGNATURES,
    Head,
    Signature,
    cosign,
    cosigned,
    key_id,
    read_note,
    read_signature,
    sign_head,
    verifier_key,
    verify_cosignature,
    verify_log,
)
from federation.errors import Code, PeerError
from federation.identity import KeyHistory, sign_entry, verify_history
from federation.keys import signature_holds
from federation.merkle import consistency_ranges, root_of, verify_consistency, verify_inclusion
from federation.transcript import verify_export
from federation.witness import Known, Shown, judge, read_shown, write_shown
from tests.unit.federation.vector_files import VECTORS, files, load
from tests.vectors.log_cases import LEAVES
from tests.vectors.nodes import DAY, LIMA, NAIROBI, T0

HISTORIES = {node.node_id: verify_history(node.history()) for node in (NAIROBI, LIMA)}
WHOLE = VECTORS / "export" / "whole.json"
HEAD = Head(NAIROBI.node_id, 13, root_of(LEAVES))


def nairobi() -> KeyHistory:
    return HISTORIES[NAIROBI.node_id]


# --- vectors ---------------------------------------------------------------------------------------------------------


def check_proof(vector: dict[str, Any]) -> None:
    path = [bytes.fromhex(h) for h in vector["path"]]
    if "n" in vector:
        leaf, root = bytes.fromhex(vector["leaf"]), bytes.fromhex(vector["root"])
        verify_inclusion(vector["n"], vector["size"], leaf, path, root)
    else:
        roots = bytes.fromhex(vector["old_root"]), bytes.fromhex(vector["new_root"])
        verify_consistency(vector["old"], vector["new"], *roots, path)


@pytest.mark.parametrize("path", files("merkle/valid"))
def test_a_valid_proof_holds(path: Path) -> None:
    check_proof(load(path))


@pytest.mark.parametrize("path", files("merkle/invalid"))
def test_an_invalid_proof_is_refused(path: Path) -> None:
    vector = load(path)
    with pytest.raises(PeerError) as refusal:
        check_proof(vector)
    assert refusal.value.code == vector["code"]


@pytest.mark.parametrize("path", files("checkpoint/valid"))
def test_a_valid_checkpoint_says_what_the_vector_says(path: Path) -> None:
    vector = load(path)
    note = read_note(vector["note"])
    head = verify_log(note, nairobi(), vector["now"])
    found = {"node": head.node_id, "size": head.size, "root": head.root.hex(), "cosigned": cosigned(note, HISTORIES)}
    assert found == vector["expect"]
    assert note.text() == vector["note"]


@pytest.mark.parametrize("path", files("checkpoint/invalid"))
def test_an_invalid_checkpoint_is_refused_for_its_defect(path: Path) -> None:
    vector = load(path)
    with pytest.raises(PeerError) as refusal:
        verify_log(read_note(vector["note"]), nairobi(), vector["now"])
    assert refusal.value.code == vector["code"]


def lines(vector: dict[str, Any]) -> list[str]:
    return [json.dumps(line) + "\n" for line in vector["lines"]]


@pytest.mark.parametrize("path", files("export"))
def test_an_export_names_the_entries_that_do_not_hold(path: Path) -> None:
    vector = load(path)
    found = verify_export(lines(vector))
    assert [n for n in range(3) if any(p.startswith(f"entry {n} ") for p in found.problems)] == vector["wrong"]
    assert bool(found.problems) == bool(vector["wrong"])
    assert [(w.node_id, w.at) for w in found.witnesses] == [(LIMA.node_id, T0 + 60)]


# --- the published format --------------------------------------------------------------------------------------------


def test_key_ids_and_signatures_are_those_of_the_published_signed_note() -> None:
    """The example of golang.org/x/mod/sumdb/note, which C2SP signed-note describes."""
    name, given_id, blob = "PeterNeumann", "c74f20a3", "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    kind, public = b64decode(blob)[0], b64decode(blob)[1:]
    assert (kind, key_id(name, kind, public).hex()) == (LOG_SIGNATURE, given_id)
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = (
        "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6Ry"
        "yBwJnAM="
    )
    signature = read_signature(line)
    assert (signature.name, signature.key_id.hex()) == (name, given_id)
    assert signature_holds(public, signature.blob, text.encode())


def test_our_key_is_written_as_other_tools_take_it() -> None:
    name, key, blob = verifier_key(NAIROBI.node_id, NAIROBI.log.public).split("+", 2)
    assert sign_head(HEAD, NAIROBI.log).signatures[0].name == name
    assert (b64decode(blob), key) == (b"\x01" + NAIROBI.log.public, key_id(name, 1, NAIROBI.log.public).hex())


def test_a_cosignature_is_over_the_published_message() -> None:
    signature = cosign(HEAD, LIMA.node_id, LIMA.log, 1_679_315_147)
    message = b"cosignature/v1\ntime 1679315147\n" + HEAD.text().encode()
    assert signature.blob[:8] == (1_679_315_147).to_bytes(8, "big")
    assert signature_holds(LIMA.log.public, signature.blob[8:], message)
    assert signature.key_id == key_id(signature.name, COSIGNATURE, LIMA.log.public)


# --- every byte counts -----------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(st.data())
def test_any_changed_byte_of_a_checkpoint_is_noticed(data: st.DataObject) -> None:
    text = sign_head(HEAD, NAIROBI.log).text()
    at = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[at]))
    with pytest.raises(PeerError):
        verify_log(read_note(text[:at] + char + text[at + 1 :]), nairobi(), T0 + DAY)


@settings(max_examples=200)
@given(st.data())
def test_any_changed_character_of_any_member_of_an_entry_is_noticed_and_the_entry_named(data: st.DataObject) -> None:
    vector = load(WHOLE)
    which = data.draw(st.integers(1, 3))
    line = vector["lines"][which]
    member = data.draw(st.sampled_from(sorted(line.keys() - {"t", "n"})))
    value = line[member]
    if isinstance(value, int):
        line[member] = value + 1
    elif value:
        at = data.draw(st.integers(0, len(value) - 1))
        char = data.draw(st.characters(codec="utf-8").filter(lambda c: c != value[at]))
        line[member] = value[:at] + char + value[at + 1 :]
    else:
        line[member] = data.draw(st.characters(codec="utf-8"))
    try:
        problems = verify_export(lines(vector)).problems
    except PeerError as error:
        problems = (str(error),)
    assert any(f"entry {which - 1}" in problem for problem in problems)


@pytest.mark.parametrize("gone", [1, 2, 3, 4])
def test_a_line_taken_out_of_an_export_is_noticed(gone: int) -> None:
    found = lines(load(WHOLE))
    problems = verify_export([*found[:gone], *found[gone + 1 :]]).problems
    assert problems
    if gone in (1, 2):
        assert f"entry {gone - 1} is missing" in problems[0]


def test_a_key_of_a_lost_log_does_not_vouch_for_an_export() -> None:
    first = NAIROBI.history()[0]
    kid = NAIROBI.log.kid(NAIROBI.node_id)
    lost = sign_entry(NAIROBI.following(first, NAIROBI.genesis(), compromised={kid: T0}), NAIROBI.identity)
    history = verify_history([first, lost])
    with pytest.raises(PeerError) as refusal:
        verify_log(sign_head(HEAD, NAIROBI.log), history)
    assert refusal.value.code is Code.KEY_COMPROMISED


# --- cosignatures ----------------------------------------------------------------------------------------------------


def test_a_cosignature_of_another_head_or_another_time_counts_for_nothing() -> None:
    signature = cosign(HEAD, LIMA.node_id, LIMA.log, T0 + 60)
    lima = HISTORIES[LIMA.node_id]
    assert verify_cosignature(HEAD, signature, lima) == T0 + 60
    other = Signature(signature.name, signature.key_id, (T0 + 61).to_bytes(8) + signature.blob[8:])
    for head, bent in ((Head(NAIROBI.node_id, 12, HEAD.root), signature), (HEAD, other)):
        with pytest.raises(PeerError):
            verify_cosignature(head, bent, lima)
        note = sign_head(head, NAIROBI.log).with_cosignature(bent)
        assert cosigned(note, HISTORIES) == {}


def test_a_log_does_not_witness_itself() -> None:
    note = sign_head(HEAD, NAIROBI.log).with_cosignature(cosign(HEAD, NAIROBI.node_id, NAIROBI.log, T0 + 1))
    assert cosigned(note, HISTORIES) == {}


def test_a_note_keeps_the_logs_signature_and_the_newest_of_many_witnesses() -> None:
    note = sign_head(HEAD, NAIROBI.log)
    for number in range(MAX_SIGNATURES + 5):
        note = note.with_cosignature(Signature(f"example.org/{number}", b"\0\0\0\1", bytes(72)))
    again = read_note(note.text())
    assert len(again.signatures) == MAX_SIGNATURES
    assert verify_log(again, nairobi(), T0) == HEAD
    assert again.signatures[-1].name == f"example.org/{MAX_SIGNATURES + 4}"


# --- what a witness makes of it --------------------------------------------------------------------------------------


def head(size: int, leaves: list[bytes] = LEAVES) -> Head:
    return Head(NAIROBI.node_id, size, root_of(leaves[:size]))


def known(size: int) -> Known:
    return Known(size, root_of(LEAVES[:size]), T0)


def shown(old: int, new: int, leaves: list[bytes] = LEAVES) -> Shown:
    return Shown(0, None, old, tuple(root_of(leaves[a:b]) for a, b in consistency_ranges(old, new)))


REWRITTEN = [LEAVES[0], LEAVES[12], *LEAVES[2:]]


def test_a_witness_takes_the_first_head_it_sees_and_every_one_that_continues_it() -> None:
    assert judge(None, head(5), Shown(0), T0).accepted
    assert judge(known(5), head(9), shown(5, 9), T0).accepted
    assert judge(known(5), head(5), Shown(0, None, 5), T0).accepted


@pytest.mark.parametrize("size", [5, 6, 9, 13])
def test_a_rewritten_log_is_an_alarm_at_every_size(size: int) -> None:
    verdict = judge(known(5), head(size, REWRITTEN), shown(5, size, REWRITTEN), T0)
    assert not verdict.accepted
    assert "rewritten" in verdict.alarm


def test_a_log_shown_without_its_proof_is_an_alarm() -> None:
    assert "rewritten" in judge(known(5), head(9), Shown(0, None, 5), T0).alarm


def test_a_shorter_log_is_an_alarm_once_it_is_shown_in_the_knowledge_of_what_was_witnessed() -> None:
    slow = judge(known(9), head(5), shown(3, 5), T0 + 60)
    assert (slow.accepted, slow.alarm) == (False, "")
    assert "shorter than witnessed" in judge(known(9), head(5), Shown(0, None, 9), T0 + 60).alarm
    assert "shorter than witnessed" in judge(known(9), head(5), shown(3, 5), T0 + 3600).alarm


def test_a_proof_from_elsewhere_decides_nothing() -> None:
    verdict = judge(known(5), head(9), shown(4, 9), T0)
    assert (verdict.accepted, verdict.alarm) == (False, "")


def test_what_is_shown_survives_the_wire() -> None:
    note = sign_head(HEAD, NAIROBI.log)
    signature = cosign(HEAD, LIMA.node_id, LIMA.log, T0)
    for one in (Shown(3), Shown(7, note, 5, (HEAD.root,), (13, signature), "an alarm")):
        assert read_shown(write_shown(one)) == one


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"seen":-1}', b'{"seen":true}', b'{"seen":1,"note":7}', b'{"seen":1,"note":"x"}', b"[]", b"{",
     b'{"seen":1,"proof":["00"]}', b'{"seen":1,"cosigned":{"size":1}}', b'{"seen":1,"cosigned":[1,"x"]}',
     b'{"seen":1,"since":"1"}', b'{"seen":1,"alarm":7}'],
)  # fmt: skip
def test_what_is_not_of_the_form_is_refused_by_its_code(body: bytes) -> None:
    with pytest.raises(PeerError):
        read_shown(body)
