"""Accounts keep secrets from the store, strangers from memory, and nobody from their own account."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from nacl.pwhash import argon2id

from governance.gate import Member, Role
from node.accounts import (
    FREE_FAILURES,
    HASHES_AT_ONCE,
    HASHES_WAITING,
    MAX_PASSWORD_BYTES,
    MAX_PAUSE_S,
    MAX_TRACKED,
    MIN_PASSWORD_CHARS,
    MODERATE,
    SESSION_S,
    Brake,
    Hasher,
    LoginFailed,
    Source,
    TooManyAttempts,
)
from node.errors import BadInput, NotAllowed, NotFound, NotNow
from node.principal import LOCAL, ROLE_SCOPES, Principal
from node.store.governing import Account, Audit, Token
from node.store.memory import MemoryStore
from tests.unit.web.fake_accounts import CHEAP, accounts_on
from tests.unit.web.fakes import FakeClock, FakeEntropy

PASSWORD = "correct horse battery"


class Fixture:
    def __init__(self) -> None:
        self.store, self.clock, self.entropy = MemoryStore(), FakeClock(), FakeEntropy()
        self.hasher = Hasher(self.entropy, CHEAP)
        self.accounts = accounts_on(self.store, self.clock, self.entropy, self.hasher)


@pytest.fixture
async def f() -> Fixture:
    made = Fixture()
    await made.accounts.add(LOCAL, "Amal", "editor", PASSWORD)
    return made


async def test_the_store_holds_only_hashes_of_passwords_and_secrets(f: Fixture) -> None:
    secret = (await f.accounts.login("amal", PASSWORD, "a")).secret
    async with f.store.read() as tx:
        (account,), (token,) = await tx.find(Account), await tx.find(Token, {"kind": "session"})
    assert account.password.startswith("$argon2id$")
    assert PASSWORD not in repr(account)
    assert token.hash == hashlib.sha256(secret.encode()).digest()
    assert secret not in repr(token)


async def test_a_login_gives_the_roles_scopes_and_viewer(f: Fixture) -> None:
    who = (await f.accounts.login(" AMAL ", PASSWORD, "a")).who
    assert who == Principal("amal", Member(Role.EDITOR, "amal"), ROLE_SCOPES[Role.EDITOR], "amal")


async def test_unknown_name_wrong_password_and_shut_account_say_the_same(f: Fixture) -> None:
    await f.accounts.add(LOCAL, "shut", "member", PASSWORD)
    await f.accounts.disable(LOCAL, "shut")
    said = set()
    for name, password in (("nobody", PASSWORD), ("amal", "wrong"), ("shut", PASSWORD)):
        with pytest.raises(LoginFailed) as caught:
            await f.accounts.login(name, password, "a")
        said.add(str(caught.value))
    assert len(said) == 1


async def test_an_unknown_name_costs_one_real_argon2id_check(f: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []
    real = argon2id.verify

    def noting(stored: bytes, password: bytes) -> bool:
        checked.append(stored)
        return bool(real(stored, password))

    monkeypatch.setattr(argon2id, "verify", noting)
    for name in ("nobody", "amal"):
        with pytest.raises(LoginFailed):
            await f.accounts.login(name, "wrong", "a")
    unknown, known = (s.split(b"$")[:4] for s in checked)
    assert unknown == known


def test_the_default_cost_is_libsodiums_moderate() -> None:
    assert (MODERATE.ops, MODERATE.mem_bytes) == (argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE)


async def test_repeated_failures_pause_that_account_and_address_only(f: Fixture) -> None:
    await f.accounts.add(LOCAL, "badr", "member", PASSWORD)
    for _ in range(FREE_FAILURES):
        with pytest.raises(LoginFailed):
            await f.accounts.login("amal", "wrong", "attacker")
    with pytest.raises(TooManyAttempts) as caught:
        await f.accounts.login("amal", PASSWORD, "attacker")
    assert 0 < caught.value.retry_after_s <= MAX_PAUSE_S
    assert (await f.accounts.login("amal", PASSWORD, "home")).who.actor == "amal"
    assert (await f.accounts.login("badr", PASSWORD, "attacker")).who.actor == "badr"
    f.clock.at += caught.value.retry_after_s
    assert (await f.accounts.login("amal", PASSWORD, "attacker")).who.actor == "amal"


def test_the_pause_doubles_and_has_a_ceiling() -> None:
    brake, now, waits = Brake(), 0, []
    for _ in range(FREE_FAILURES + 12):
        try:
            brake.begin("a", Source("b", True), now)
        except TooManyAttempts as error:
            waits.append(error.retry_after_s)
            now += error.retry_after_s
            brake.begin("a", Source("b", True), now)
    assert waits[:3] == [2, 4, 8]
    assert waits == sorted(waits)
    assert max(waits) == MAX_PAUSE_S


def test_failures_of_many_addresses_cannot_fill_the_memory() -> None:
    brake = Brake()
    for i in range(MAX_TRACKED + 50):
        brake.begin(str(i), Source(str(i)), 0)
    assert brake.tracked == 2 * MAX_TRACKED


async def test_a_flood_of_logins_is_turned_away_instead_of_filling_the_memory(f: Fixture) -> None:
    many = HASHES_AT_ONCE + HASHES_WAITING + 5
    results = await asyncio.gather(*(f.hasher.fits(None, "x") for _ in range(many)), return_exceptions=True)
    assert sum(isinstance(r, TooManyAttempts) for r in results) == 5
    assert results.count(False) == many - 5
    assert await f.hasher.fits(await f.hasher.make("y"), "y")


async def test_a_session_ends_with_its_time_its_logout_and_its_account(f: Fixture) -> None:
    first = (await f.accounts.login("amal", PASSWORD, "a")).secret
    second = (await f.accounts.login("amal", PASSWORD, "a")).secret
    await f.accounts.logout(first)
    assert await f.accounts.session(first) is None
    assert await f.accounts.session(second) is not None
    f.clock.at += SESSION_S - 1
    assert await f.accounts.session(second) is not None
    f.clock.at += 1
    assert await f.accounts.session(second) is None
    third = (await f.accounts.login("amal", PASSWORD, "a")).secret
    await f.accounts.disable(LOCAL, "amal")
    assert await f.accounts.session(third) is None


async def test_a_session_is_no_token_and_a_token_is_no_session(f: Fixture) -> None:
    secret = (await f.accounts.login("amal", PASSWORD, "a")).secret
    token = (await f.accounts.token(LOCAL, "t", "amal", ["read"], 1)).secret or ""
    assert await f.accounts.bearer(secret) is None
    assert await f.accounts.session(token) is None
    await f.accounts.logout(token)
    assert await f.accounts.bearer(token) is not None


async def test_a_token_carries_its_scopes_until_it_expires_or_is_revoked(f: Fixture) -> None:
    made = await f.accounts.token(LOCAL, "laptop", "amal", ["read"], 2)
    found = await f.accounts.bearer(made.secret or "")
    assert found is not None
    assert found.scopes == {"read"}
    assert [t.secret for t in await f.accounts.tokens(LOCAL)] == [None]
    f.clock.at = made.expires_at
    assert await f.accounts.bearer(made.secret or "") is None
    f.clock.at -= 1
    await f.accounts.revoke(LOCAL, "laptop")
    assert await f.accounts.bearer(made.secret or "") is None


async def test_a_token_cannot_carry_more_than_its_accounts_role(f: Fixture) -> None:
    with pytest.raises(BadInput, match="admin, steward"):
        await f.accounts.token(LOCAL, "t", "amal", ["admin", "steward", "write"], 1)


async def test_a_label_is_used_once_and_unknown_ones_are_not_found(f: Fixture) -> None:
    await f.accounts.token(LOCAL, "t", "amal", ["read"], 1)
    with pytest.raises(NotNow):
        await f.accounts.token(LOCAL, "t", "amal", ["read"], 1)
    with pytest.raises(NotFound):
        await f.accounts.revoke(LOCAL, "other")
    with pytest.raises(NotFound):
        await f.accounts.token(LOCAL, "u", "nobody", ["read"], 1)


@pytest.mark.parametrize("days", [0, -1, 367])
async def test_a_token_lasts_between_a_day_and_a_year(f: Fixture, days: int) -> None:
    with pytest.raises(BadInput):
        await f.accounts.token(LOCAL, "t", "amal", ["read"], days)


@pytest.mark.parametrize("name", ["", " ", "a b", "../x", "a\nb", "<b>", "a" * 65, "_x"])
async def test_names_that_would_confuse_a_log_or_a_path_are_refused(f: Fixture, name: str) -> None:
    with pytest.raises(BadInput, match="account name"):
        await f.accounts.add(LOCAL, name, "member", PASSWORD)


async def test_one_person_cannot_have_two_accounts_that_read_alike(f: Fixture) -> None:
    with pytest.raises(NotNow):
        await f.accounts.add(LOCAL, "ＡMAL", "member", PASSWORD)


@pytest.mark.parametrize("password", ["x" * (MIN_PASSWORD_CHARS - 1), "é" * MAX_PASSWORD_BYTES])
async def test_passwords_have_a_least_and_a_greatest_length(f: Fixture, password: str) -> None:
    with pytest.raises(BadInput, match="password"):
        await f.accounts.add(LOCAL, "new", "member", password)


async def test_a_made_up_password_is_told_once_and_works(f: Fixture) -> None:
    made = await f.accounts.add(LOCAL, "new", "member")
    assert made.password is not None
    assert len(made.password) == 24
    assert (await f.accounts.login("new", made.password, "a")).who.actor == "new"
    assert [a.password for a in await f.accounts.list(LOCAL)] == [None, None]


async def test_letters_typed_on_another_keyboard_are_the_same_password(f: Fixture) -> None:
    await f.accounts.add(LOCAL, "jose", "member", "caf\u00e9 con leche")
    assert (await f.accounts.login("jose", "cafe\u0301 con leche", "a")).who.actor == "jose"


async def test_a_password_that_cannot_be_utf8_is_merely_wrong(f: Fixture) -> None:
    with pytest.raises(LoginFailed):
        await f.accounts.login("amal", "\ud800" * 20, "a")


async def test_only_an_administrator_touches_accounts_and_tokens(f: Fixture) -> None:
    steward = Principal("s", Member(Role.STEWARD, "s"), ROLE_SCOPES[Role.STEWARD])
    for call in (
        f.accounts.add(steward, "x", "member", PASSWORD),
        f.accounts.list(steward),
        f.accounts.disable(steward, "amal"),
        f.accounts.token(steward, "t", "amal", ["read"], 1),
        f.accounts.tokens(steward),
        f.accounts.revoke(steward, "t"),
    ):
        with pytest.raises(NotAllowed):
            await call


async def test_an_unknown_role_is_refused_with_the_known_ones(f: Fixture) -> None:
    with pytest.raises(BadInput, match="member, editor, steward"):
        await f.accounts.add(LOCAL, "x", "king", PASSWORD)


async def test_acts_on_accounts_and_tokens_are_in_the_audit_log_without_secrets_and_labels(f: Fixture) -> None:
    made = await f.accounts.token(LOCAL, "Amal's laptop", "amal", ["write", "read"], 30)
    await f.accounts.revoke(LOCAL, "Amal's laptop")
    await f.accounts.disable(LOCAL, "amal")
    async with f.store.read() as tx:
        rows = await tx.find(Audit, order="id")
    assert [(r.actor, r.action, r.subject, r.detail) for r in rows] == [
        ("local administrator", "account.add", "amal", "editor"),
        ("local administrator", "token.make", "amal", "read, write for 30 days"),
        ("local administrator", "token.revoke", "amal", ""),
        ("local administrator", "account.disable", "amal", "0 sessions and tokens ended"),
    ]
    assert {r.at for r in rows} == {f.clock.now()}
    assert made.secret is not None
    assert not any(secret in repr(rows) for secret in (made.secret, PASSWORD, "laptop"))


async def test_what_was_refused_is_not_noted_as_done(f: Fixture) -> None:
    for attempt in (
        f.accounts.add(LOCAL, "amal", "member", PASSWORD),
        f.accounts.disable(LOCAL, "nobody"),
        f.accounts.revoke(LOCAL, "nothing"),
        f.accounts.token(LOCAL, "x", "amal", ["steward"], 30),
    ):
        with pytest.raises((BadInput, NotFound, NotNow)):
            await attempt
    async with f.store.read() as tx:
        assert [r.action for r in await tx.find(Audit)] == ["account.add"]
