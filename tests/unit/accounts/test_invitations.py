"""A link makes one password, once, for the person it was made for; and whoever is shut out takes their links along."""

from __future__ import annotations

import asyncio

import pytest

from governance.gate import Role
from node.accounts import LoginFailed, set_role, stewards
from node.accounts.invitations import MAX_FIRST
from node.errors import BadInput, NotAllowed, NotFound, NotNow
from node.principal import LOCAL
from node.store.governing import AccountInvite, Audit, Token
from node.store.memory import MemoryStore
from tests.unit.accounts.office import Office
from tests.unit.web.fake_accounts import PASSWORD, accounts_on
from tests.unit.web.fakes import FakeClock, FakeEntropy

NEW = "a river, a road and a bell"


async def test_a_person_chooses_the_password_and_has_the_role_that_was_given(office: Office) -> None:
    made = await office.accounts.invite(LOCAL, "Chen", "editor", admin=True)
    assert made.link.startswith("https://river.example/join/")
    secret = made.link.rpartition("/")[2]
    assert (await office.accounts.invited(secret)).name == "chen"
    assert (await office.accounts.join(secret, NEW)).name == "chen"
    who = (await office.accounts.login("chen", NEW, "::1")).who
    assert who.may("write")
    assert who.may("admin")
    assert not who.may("steward")


async def test_an_account_that_waits_for_its_person_lets_nobody_in(office: Office) -> None:
    await office.link("chen")
    for password in ("", PASSWORD):
        with pytest.raises(LoginFailed):
            await office.accounts.login("chen", password, "::1")


async def test_the_store_has_only_the_hash_of_a_link(office: Office) -> None:
    secret = await office.link("chen")
    async with office.store.read() as tx:
        assert secret not in repr(await tx.find(AccountInvite))


async def test_a_link_works_once_and_not_after_its_time(office: Office) -> None:
    used, late = await office.link("chen"), await office.link("eve")
    await office.accounts.join(used, NEW)
    office.clock.at += 72 * 3600
    for secret in (used, late, "A" * 43, ""):
        for call in (office.accounts.invited(secret), office.accounts.join(secret, NEW)):
            with pytest.raises(NotFound, match="this invitation is not known, has been used, or has run out"):
                await call


async def test_of_two_who_use_a_link_at_once_one_is_right(office: Office) -> None:
    secret = await office.link("chen")
    tries = [office.accounts.join(secret, f"{NEW} {i}") for i in range(4)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(r, BaseException) for r in results) == 1
    assert sum(isinstance(r, NotFound) for r in results) == 3


async def test_a_password_that_is_refused_does_not_use_up_the_link(office: Office) -> None:
    secret = await office.link("chen")
    with pytest.raises(BadInput, match="12 characters"):
        await office.accounts.join(secret, "short")
    assert (await office.accounts.join(secret, NEW)).name == "chen"


async def test_a_new_link_for_a_person_voids_the_one_before(office: Office) -> None:
    first = await office.link("chen")
    again = (await office.accounts.reset(LOCAL, "chen")).link.rpartition("/")[2]
    with pytest.raises(NotFound):
        await office.accounts.join(first, NEW)
    assert (await office.accounts.join(again, NEW)).name == "chen"


@pytest.mark.parametrize("hours", [0, -1, 721])
async def test_a_link_is_good_for_an_hour_to_a_month(office: Office, hours: int) -> None:
    with pytest.raises(BadInput, match="1 to 720 hours"):
        await office.accounts.invite(LOCAL, "chen", "member", hours=hours)
    assert "chen" not in [a.name for a in await office.accounts.list(LOCAL)]


async def test_a_person_with_an_account_is_not_invited_over_it(office: Office) -> None:
    with pytest.raises(NotNow, match="exists already"):
        await office.accounts.invite(LOCAL, "BADR", "editor")


async def test_a_reset_locks_at_once_tells_the_person_and_leaves_the_second_factor(office: Office) -> None:
    await office.with_factor("badr")
    session = (await office.accounts.login("badr", PASSWORD, "::1", code=office.code())).secret
    token = (await office.accounts.token(LOCAL, "t", "badr", ["read"], 1)).secret or ""
    secret = (await office.accounts.reset(LOCAL, "badr")).link.rpartition("/")[2]
    assert await office.accounts.session(session) is None
    assert await office.accounts.bearer(token) is None
    with pytest.raises(LoginFailed):
        await office.accounts.login("badr", PASSWORD, "::1", code=office.code(1))
    await office.accounts.join(secret, NEW)
    with pytest.raises(LoginFailed):
        await office.accounts.login("badr", NEW, "::1")
    signed_in = await office.accounts.login("badr", NEW, "::1", code=office.code(1))
    assert signed_in.news
    notices = (await office.accounts.account(signed_in.who, "badr")).notices
    assert [(n.what, n.by) for n in notices] == [("reset", "local administrator")]
    await office.accounts.told(signed_in.who, "badr")
    assert (await office.accounts.account(signed_in.who, "badr")).notices == []


async def test_a_reset_steward_is_still_one_of_those_who_decide(office: Office) -> None:
    await office.accounts.reset(LOCAL, "amal")
    async with office.store.read() as tx:
        assert await stewards(tx) == ["amal"]


async def test_an_administrator_who_is_no_steward_does_not_get_into_a_stewards_account(office: Office) -> None:
    dina = await office.who("dina")
    await office.with_factor("amal")
    for call in (
        office.accounts.reset(dina, "amal"),
        office.accounts.forget_factor(dina, "amal"),
        office.accounts.token(dina, "t", "amal", ["read"], 1),
    ):
        with pytest.raises(NotAllowed, match="is a steward"):
            await call
    assert (await office.accounts.reset(dina, "badr")).name == "badr"


async def test_a_stolen_session_of_an_administrator_does_not_get_past_the_password(office: Office) -> None:
    dina = await office.who("dina")
    await office.with_factor("dina")
    for call in (office.accounts.reset(dina, "dina"), office.accounts.forget_factor(dina, "dina")):
        with pytest.raises(NotAllowed, match="your own account"):
            await call


async def test_whoever_is_shut_out_takes_sessions_tokens_devices_and_invitations_along(office: Office) -> None:
    dina = await office.who("dina")
    made = (await office.accounts.invite(dina, "chen", "member")).link.rpartition("/")[2]
    secret = (await office.accounts.token(dina, "t", "dina", ["read"], 1)).secret or ""
    await office.accounts.disable(LOCAL, "dina")
    assert await office.accounts.bearer(secret) is None
    with pytest.raises(NotFound):
        await office.accounts.join(made, NEW)
    async with office.store.read() as tx:
        assert await tx.count(Token, {"account": "dina"}) == 0
        assert await tx.count(AccountInvite) == 0


async def test_a_link_of_a_shut_account_is_void(office: Office) -> None:
    secret = await office.link("chen")
    await office.accounts.disable(LOCAL, "chen")
    with pytest.raises(NotFound):
        await office.accounts.join(secret, NEW)


# --- stewards --------------------------------------------------------------------------------------------------------


async def test_a_second_steward_is_made_by_proposal_only(office: Office) -> None:
    for call in (
        office.accounts.add(LOCAL, "x", "steward", PASSWORD),
        office.accounts.invite(LOCAL, "x", "steward"),
        office.accounts.change(LOCAL, "badr", "steward"),
        office.accounts.change(LOCAL, "amal", "member"),
        office.accounts.disable(LOCAL, "amal"),
    ):
        with pytest.raises(NotNow, match="decided by the stewards"):
            await call
    async with office.store.write() as tx:
        await set_role(tx, "Badr", "steward")
    async with office.store.read() as tx:
        assert await stewards(tx) == ["amal", "badr"]


async def test_a_role_that_was_decided_counts_for_sessions_and_tokens_at_once(office: Office) -> None:
    session = (await office.accounts.login("amal", PASSWORD, "::1")).secret
    token = (await office.accounts.token(LOCAL, "t", "amal", ["read", "steward"], 1)).secret or ""
    async with office.store.write() as tx:
        await set_role(tx, "amal", "editor")
    for found in (await office.accounts.session(session), await office.accounts.bearer(token)):
        assert found is not None
        assert not found.may("steward")


async def test_a_role_for_nobody_or_a_shut_account_is_refused(office: Office) -> None:
    await office.accounts.disable(LOCAL, "badr")
    for name in ("nobody", "badr"):
        with pytest.raises(NotFound):
            async with office.store.write() as tx:
                await set_role(tx, name, "steward")


async def test_an_administrator_alone_names_no_first_steward(office: Office) -> None:
    dina = await office.who("dina")
    async with office.store.write() as tx:
        await set_role(tx, "amal", "member")
    with pytest.raises(NotAllowed, match="whoever owns the machine"):
        await office.accounts.invite(dina, "x", "steward")


async def test_an_invitation_to_be_the_first_steward_stands_alone_and_lapses(office: Office) -> None:
    async with office.store.write() as tx:
        await set_role(tx, "amal", "member")
    await office.accounts.invite(LOCAL, "chen", "steward")
    with pytest.raises(NotNow):
        await office.accounts.invite(LOCAL, "eve", "steward")
    office.clock.at += 72 * 3600
    await office.accounts.invite(LOCAL, "eve", "steward")
    renewed = (await office.accounts.reset(LOCAL, "chen")).link.rpartition("/")[2]
    await office.accounts.join(renewed, NEW)
    assert (await office.row("chen")).role == Role.MEMBER


async def test_an_administrator_who_is_no_steward_has_none_of_a_stewards_scopes(office: Office) -> None:
    dina = await office.who("dina")
    assert dina.account == "dina"
    assert dina.scopes == {"read", "self", "admin"}


# --- tokens never gain -----------------------------------------------------------------------------------------------


async def test_a_token_never_gains_a_scope_that_its_maker_or_its_account_does_not_have(office: Office) -> None:
    dina = await office.who("dina")
    with pytest.raises(NotAllowed, match="write"):
        await office.accounts.token(dina, "t", "dina", ["write"], 1)
    with pytest.raises(BadInput, match="admin"):
        await office.accounts.token(LOCAL, "t", "amal", ["admin"], 1)
    only = await office.accounts.bearer((await office.accounts.token(dina, "t", "dina", ["admin"], 1)).secret or "")
    assert only is not None
    with pytest.raises(NotAllowed, match="read"):
        await office.accounts.token(only, "u", "dina", ["read"], 1)


async def test_a_persons_own_token_needs_the_password_and_gains_nothing(office: Office) -> None:
    amal, badr = await office.who("amal"), await office.who("badr")
    with pytest.raises(LoginFailed):
        await office.accounts.own_token(amal, "amal", "t", ["steward"], 1, "wrong")
    with pytest.raises(NotAllowed, match="steward"):
        await office.accounts.own_token(badr, "badr", "t", ["steward"], 1, PASSWORD)
    made = await office.accounts.own_token(amal, "amal", "t", ["steward"], 1, PASSWORD)
    found = await office.accounts.bearer(made.secret or "")
    assert found is not None
    assert found.account == "amal"
    assert found.scopes == {"steward"}
    for call in (
        office.accounts.own_token(badr, "amal", "u", ["read"], 1, PASSWORD),
        office.accounts.own_tokens(badr, "amal"),
        office.accounts.revoke_own(badr, "amal", "t"),
        office.accounts.revoke_own(badr, "badr", "t"),
    ):
        with pytest.raises(NotFound):
            await call
    await office.accounts.revoke_own(amal, "amal", "t")
    assert await office.accounts.own_tokens(amal, "amal") == []


async def test_a_token_of_somebody_who_is_administrator_no_more_is_none_of_one(office: Office) -> None:
    secret = (await office.accounts.token(LOCAL, "t", "dina", ["admin", "read"], 1)).secret or ""
    await office.accounts.change(LOCAL, "dina", admin=False)
    found = await office.accounts.bearer(secret)
    assert found is not None
    assert found.scopes == {"read"}


# --- the first account -----------------------------------------------------------------------------------------------


async def test_the_first_link_makes_a_steward_and_administrator_who_chooses_the_name() -> None:
    store = MemoryStore()
    accounts = accounts_on(store, FakeClock(), FakeEntropy())
    before = await accounts.first(LOCAL)
    made = await accounts.first(LOCAL)
    assert before is not None
    assert made is not None
    with pytest.raises(BadInput, match="account name"):
        await accounts.join(made.link.rpartition("/")[2], NEW, "../x")
    await accounts.join(made.link.rpartition("/")[2], NEW, "Amal")
    who = (await accounts.login("amal", NEW, "::1")).who
    assert who.scopes == {"read", "self", "write", "steward", "admin"}
    assert await accounts.first(LOCAL) is None


async def test_the_first_link_is_void_as_soon_as_there_is_an_account() -> None:
    accounts = accounts_on(MemoryStore(), FakeClock(), FakeEntropy())
    made = await accounts.first(LOCAL)
    assert made is not None
    await accounts.add(LOCAL, "badr", "member", PASSWORD)
    with pytest.raises(NotFound):
        await accounts.join(made.link.rpartition("/")[2], NEW, "amal")


async def test_the_first_link_is_made_anew_for_the_steward_who_was_named() -> None:
    accounts = accounts_on(MemoryStore(), FakeClock(), FakeEntropy())
    named = await accounts.invite(LOCAL, "amal", "steward", admin=True)
    again = await accounts.first(LOCAL)
    assert again is not None
    assert again.name == "amal"
    assert (await accounts.join(named.link.rpartition("/")[2], NEW)).name == "amal"
    with pytest.raises(NotFound):
        await accounts.join(again.link.rpartition("/")[2], NEW)


async def test_the_link_that_init_printed_works_while_serve_prints_others_and_they_do_not_heap_up() -> None:
    store = MemoryStore()
    accounts = accounts_on(store, FakeClock(), FakeEntropy())
    made = [await accounts.first(LOCAL) for _ in range(MAX_FIRST + 2)]
    links = [view.link.rpartition("/")[2] for view in made if view is not None]
    async with store.read() as tx:
        assert len(await tx.find(AccountInvite)) == MAX_FIRST
    await accounts.join(links[-2], NEW, "Amal")
    with pytest.raises(NotFound):
        await accounts.join(links[-1], NEW, "badr")


async def test_nobody_else_asks_for_the_first_link(office: Office) -> None:
    with pytest.raises(NotAllowed):
        await office.accounts.first(await office.who("amal"))


async def test_what_is_done_to_accounts_is_in_the_log_without_secrets(office: Office) -> None:
    before = len(await office.log())
    secret = await office.link("chen")
    await office.accounts.join(secret, NEW)
    await office.accounts.change(LOCAL, "chen", "editor", True)
    await office.accounts.reset(LOCAL, "chen")
    me = "local administrator"
    assert (await office.log())[before:] == [
        (me, "account.invite", "chen"), ("chen", "account.join", "chen"), (me, "account.change", "chen"),
        (me, "account.reset", "chen"),
    ]  # fmt: skip
    async with office.store.read() as tx:
        text = repr(await tx.find(Audit))
    assert secret not in text
    assert NEW not in text
