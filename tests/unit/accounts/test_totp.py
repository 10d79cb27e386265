"""One-time codes are those of RFC 6238 and RFC 4226, and a time step is good once."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from node.accounts.totp import STEP_S, accepted_step, code_at, letters, otpauth

SEED = b"12345678901234567890"
# RFC 6238, appendix B: the seed is repeated to the length of the hash (erratum 2866).
SEEDS = {"sha1": SEED, "sha256": (SEED * 2)[:32], "sha512": (SEED * 4)[:64]}
RFC_6238 = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]
RFC_4226 = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]


@pytest.mark.parametrize(("at", "sha1", "sha256", "sha512"), RFC_6238)
def test_the_vectors_of_rfc_6238(at: int, sha1: str, sha256: str, sha512: str) -> None:
    for algorithm, expected in (("sha1", sha1), ("sha256", sha256), ("sha512", sha512)):
        assert code_at(SEEDS[algorithm], at // STEP_S, digits=8, algorithm=algorithm) == expected


@pytest.mark.parametrize(("counter", "code"), list(enumerate(RFC_4226)))
def test_the_vectors_of_rfc_4226(counter: int, code: str) -> None:
    assert code_at(SEED, counter) == code


@pytest.mark.parametrize(("off", "right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_before_and_after_is_taken_and_no_more(off: int, right: bool) -> None:
    now = 1_790_000_000
    step = now // STEP_S + off
    assert accepted_step(SEED, code_at(SEED, step), 0, now) == (step if right else None)


def test_a_step_that_was_accepted_and_those_before_it_are_never_taken_again() -> None:
    now = 1_790_000_000
    step = now // STEP_S
    for after, right in ((step - 1, True), (step, False), (step + 1, False)):
        assert (accepted_step(SEED, code_at(SEED, step), after, now) == step) is right


@pytest.mark.parametrize("code", ["", "0", "12345", "1234567", "abcdef", "\ud800", "１２３４５６", "-00001"])
def test_what_is_no_code_is_merely_wrong(code: str) -> None:
    assert accepted_step(SEED, code, 0, 1_790_000_000) is None


def test_a_clock_at_the_beginning_of_time_asks_for_no_negative_step() -> None:
    assert accepted_step(SEED, code_at(SEED, 1), 0, 0) == 1


def test_the_address_for_the_app_says_what_every_app_needs() -> None:
    uri = urlsplit(otpauth(SEED, "amal@river", "River House & Söhne"))
    given = {name: values[0] for name, values in parse_qs(uri.query).items()}
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == "/River%20House%20%26%20S%C3%B6hne%3Aamal%40river"
    assert given == {
        "secret": letters(SEED), "issuer": "River House & Söhne", "algorithm": "SHA1", "digits": "6", "period": "30",
    }  # fmt: skip
    assert "+" not in uri.query  # some apps show it as it stands
    assert letters(SEED) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
