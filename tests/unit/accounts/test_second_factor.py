"""A second factor cannot be guessed, replayed, raced, read from the database or taken off with a stolen session."""

from __future__ import annotations

import asyncio
import json
from base64 import b32decode
from dataclasses import replace

import pytest
from nacl.pwhash import argon2id

from node.accounts import FREE_FAILURES, FREE_OF_STRANGERS, LoginFailed, TooManyAttempts, Vault
from node.accounts.totp import STEP_S, accepted_step, code_at, letters
from node.errors import NotAllowed, NotFound, NotNow
from node.principal import ANYBODY, LOCAL
from node.store.governing import Account
from tests.unit.accounts.office import Office
from tests.unit.web.fake_accounts import KEY, PASSWORD, RECOVERY, TOTP
from tests.unit.web.fakes import FakeEntropy


async def login(office: Office, code: str, name: str = "badr", password: str = PASSWORD, address: str = "::1") -> str:
    return (await office.accounts.login(name, password, address, code=code)).secret


async def enrol(office: Office, name: str = "badr") -> tuple[bytes, list[str]]:
    """The secret and the recovery codes of somebody who has just added a second factor."""
    who = await office.who(name)
    made = await office.accounts.start_factor(who, name, PASSWORD)
    secret = b32decode(made.secret)
    codes = await office.accounts.confirm_factor(who, name, code_at(secret, office.clock.now() // STEP_S))
    return secret, codes.codes


async def test_once_confirmed_a_login_needs_the_code(office: Office) -> None:
    secret, _ = await enrol(office)
    office.clock.at += STEP_S
    for code in ("", "000000"):
        with pytest.raises(LoginFailed):
            await login(office, code)
    assert await login(office, " {} {} ".format(*_halves(code_at(secret, office.clock.now() // STEP_S))))


def _halves(code: str) -> tuple[str, str]:
    return code[:3], code[3:]


async def test_before_its_first_code_a_second_factor_locks_nobody_out(office: Office) -> None:
    who = await office.who("badr")
    made = await office.accounts.start_factor(who, "badr", PASSWORD)
    assert made.uri.startswith("otpauth://totp/River%20House%3Abadr?secret=" + made.secret)
    with pytest.raises(LoginFailed, match="clock"):
        await office.accounts.confirm_factor(who, "badr", "000000")
    assert await login(office, "")
    assert not (await office.accounts.account(who, "badr")).second_factor


async def test_the_code_that_confirmed_does_not_also_sign_in(office: Office) -> None:
    secret, _ = await enrol(office)
    with pytest.raises(LoginFailed):
        await login(office, code_at(secret, office.clock.now() // STEP_S))


async def test_a_code_is_taken_once(office: Office) -> None:
    await office.with_factor("badr")
    assert await login(office, office.code())
    with pytest.raises(LoginFailed):
        await login(office, office.code())
    office.clock.at += STEP_S
    with pytest.raises(LoginFailed):  # the window's step of before, which was used
        await login(office, office.code(-1))
    assert await login(office, office.code())


async def test_of_the_same_code_at_once_one_is_taken(office: Office) -> None:
    await office.with_factor("badr")
    for code in (office.code(), RECOVERY):
        tries = [login(office, code, address=f"192.0.2.{i}") for i in range(6)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(r, str) for r in results) == 1
        assert sum(isinstance(r, LoginFailed) for r in results) == 5


async def test_a_recovery_code_is_good_once_however_it_is_written(office: Office) -> None:
    _, codes = await enrol(office)
    assert len(set(codes)) == 10
    assert await login(office, codes[3].upper().replace("-", " "))
    with pytest.raises(LoginFailed):
        await login(office, codes[3])
    assert (await office.accounts.account(LOCAL, "badr")).recovery_left == 9
    assert await login(office, codes[4])


async def test_new_recovery_codes_void_the_old_ones(office: Office) -> None:
    _, codes = await enrol(office)
    who = (await office.accounts.login("badr", PASSWORD, "::1", code=codes[0])).who
    new = (await office.accounts.renew_recovery(who, "badr", PASSWORD, codes[1])).codes
    with pytest.raises(LoginFailed):
        await login(office, codes[2])
    assert await login(office, new[0])


async def test_guessing_codes_is_slowed_down_even_with_the_password_known(office: Office) -> None:
    await office.with_factor("badr")
    checked = 0
    for i in range(300):
        try:
            await login(office, f"{i:06d}", address=f"2001:db8:{i:x}::1")
        except LoginFailed:
            checked += 1
        except TooManyAttempts:
            pass
    assert checked == FREE_OF_STRANGERS


async def test_guessing_codes_with_a_session_is_slowed_down_too(office: Office) -> None:
    who = await office.who("badr")
    await office.with_factor("badr")
    for i in range(FREE_FAILURES):
        with pytest.raises(LoginFailed):
            await office.accounts.remove_factor(who, "badr", PASSWORD, f"{i:06d}")
    with pytest.raises(TooManyAttempts):
        await office.accounts.remove_factor(who, "badr", PASSWORD, office.code())


async def test_a_wrong_code_looks_like_a_wrong_password_and_costs_the_same(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.with_factor("badr")
    await office.accounts.add(LOCAL, "shut", "member", PASSWORD)
    await office.accounts.disable(LOCAL, "shut")
    await office.link("invited")
    hashed: list[int] = []
    real = argon2id.verify

    def noting(stored: bytes, password: bytes) -> bool:
        hashed.append(len(stored))
        return bool(real(stored, password))

    monkeypatch.setattr(argon2id, "verify", noting)
    said = set()
    tries = (
        ("badr", PASSWORD, "000000"), ("badr", PASSWORD, ""), ("badr", "wrong", office.code()), ("amal", "wrong", ""),
        ("nobody", PASSWORD, ""), ("shut", PASSWORD, ""), ("invited", PASSWORD, ""), ("invited", "", ""),
    )  # fmt: skip
    for name, password, code in tries:
        with pytest.raises(LoginFailed) as caught:
            await login(office, code, name, password)
        said.add((str(caught.value), caught.value.status))
    assert len(said) == 1
    assert len(hashed) == len(tries)
    assert len(set(hashed)) == 1


async def test_no_step_but_the_first_code_goes_without_the_password(office: Office) -> None:
    who = await office.who("badr")
    with pytest.raises(LoginFailed):
        await office.accounts.start_factor(who, "badr", "wrong")
    await office.with_factor("badr")
    for call in (
        office.accounts.remove_factor(who, "badr", "wrong", office.code()),
        office.accounts.remove_factor(who, "badr", PASSWORD, ""),
        office.accounts.renew_recovery(who, "badr", PASSWORD, "wrong"),
    ):
        with pytest.raises(LoginFailed):
            await call
    assert (await office.row("badr")).totp_step


async def test_beginning_again_does_not_take_off_the_second_factor_in_force(office: Office) -> None:
    who = await office.who("badr")
    await office.with_factor("badr")
    with pytest.raises(NotNow, match="remove it first"):
        await office.accounts.start_factor(who, "badr", PASSWORD)
    with pytest.raises(NotNow, match="begin again"):
        await office.accounts.confirm_factor(who, "badr", office.code())
    with pytest.raises(LoginFailed):
        await login(office, "")


async def test_it_is_taken_off_by_password_and_code(office: Office) -> None:
    who = await office.who("badr")
    await office.with_factor("badr")
    await office.accounts.remove_factor(who, "badr", PASSWORD, RECOVERY)
    assert await login(office, "")
    row = await office.row("badr")
    assert (row.totp, row.totp_step, row.recovery) == ("", 0, "[]")


async def test_a_lost_one_is_removed_by_an_administrator_and_the_person_is_told(office: Office) -> None:
    await office.with_factor("badr")
    dina = await office.who("dina")
    assert not (await office.accounts.forget_factor(dina, "badr")).second_factor
    signed_in = await office.accounts.login("badr", PASSWORD, "::1")
    assert signed_in.news
    notices = (await office.accounts.account(signed_in.who, "badr")).notices
    assert [(n.what, n.by) for n in notices] == [("factor-removed", "dina")]
    assert ("dina", "account.factor.remove", "badr") in await office.log()
    with pytest.raises(NotNow, match="has no second factor"):
        await office.accounts.forget_factor(dina, "badr")


async def test_nobody_but_the_person_touches_or_sees_an_account(office: Office) -> None:
    amal = await office.who("amal")
    for who in (amal, ANYBODY):
        for call in (
            office.accounts.account(who, "badr"),
            office.accounts.start_factor(who, "badr", PASSWORD),
            office.accounts.confirm_factor(who, "badr", "000000"),
            office.accounts.remove_factor(who, "badr", PASSWORD, "000000"),
            office.accounts.renew_recovery(who, "badr", PASSWORD, "000000"),
            office.accounts.sessions(who, "badr"),
            office.accounts.end_session(who, "badr"),
            office.accounts.change_password(who, "badr", PASSWORD, "another long one"),
            office.accounts.told(who, "badr"),
        ):
            with pytest.raises(NotFound, match="no account 'badr'"):
                await call
    with pytest.raises(NotAllowed):
        await office.accounts.forget_factor(amal, "badr")


# --- what a stolen database gives ------------------------------------------------------------------------------------


async def test_a_stolen_database_has_no_second_factor_and_no_recovery_code_in_it(office: Office) -> None:
    secret, codes = await enrol(office)
    async with office.store.read() as tx:
        stolen = repr(await tx.find(Account))
    for told in (secret.hex(), letters(secret), repr(secret), *codes, *(c.replace("-", "") for c in codes)):
        assert told not in stolen
    row = await office.row("badr")
    elsewhere = Vault(bytes(32), FakeEntropy())
    assert elsewhere.open("badr", row.totp) is None
    assert elsewhere.mark("badr", codes[0].replace("-", "")) not in json.loads(row.recovery)


async def test_whoever_can_write_the_database_cannot_give_one_person_anothers_factor(office: Office) -> None:
    await office.with_factor("badr")
    row = await office.row("badr")
    async with office.store.write() as tx:
        amal = await tx.get(Account, "amal")
        assert amal is not None
        await tx.put(replace(amal, totp=row.totp, totp_step=1, recovery=row.recovery))
    for code in (office.code(), RECOVERY):
        with pytest.raises(LoginFailed):
            await login(office, code, "amal")


async def test_with_the_key_lost_a_code_is_merely_wrong(office: Office) -> None:
    await office.with_factor("badr")
    async with office.store.write() as tx:
        row = await tx.get(Account, "badr")
        assert row is not None
        await tx.put(replace(row, totp="00" * 60))
    with pytest.raises(LoginFailed):
        await login(office, office.code())


def test_sealing_twice_gives_different_rows_and_the_same_secret() -> None:
    vault = Vault(KEY, FakeEntropy())
    one, other = vault.seal("badr", TOTP), vault.seal("badr", TOTP)
    assert one != other
    assert vault.open("badr", one) == vault.open("badr", other) == TOTP
    for bad in ("", "zz", "00", one[:-2], one[:-2] + "00", "é"):
        assert vault.open("badr", bad) is None
    assert vault.open("amal", one) is None
    assert accepted_step(TOTP, code_at(TOTP, 5), 0, 5 * STEP_S) == 5
