"""A person sees and ends the own sessions; a new password ends the others; nothing of before a login goes on in it."""

from __future__ import annotations

import pytest

from node.accounts import LoginFailed
from node.accounts.devices import MAX_DEVICES
from node.errors import BadInput, NotFound
from node.principal import LOCAL
from node.store.governing import AccountInvite, Token
from tests.unit.accounts.office import Office
from tests.unit.web.fake_accounts import PASSWORD

NEW = "a river, a road and a bell"


async def test_sessions_are_listed_newest_first_with_the_one_that_asks(office: Office) -> None:
    phone = await office.accounts.login("badr", PASSWORD, "::1", label="Firefox · Android")
    office.clock.at += 60
    desk = await office.accounts.login("badr", PASSWORD, "::1", label="x" * 500)
    found = await office.accounts.sessions(desk.who, "badr", desk.secret)
    assert [(s.label, s.current) for s in found] == [("x" * 60, True), ("Firefox · Android", False)]
    assert phone.secret not in repr(found)
    assert desk.secret not in repr(found)


async def test_one_session_is_ended_by_its_id_and_all_others_at_once(office: Office) -> None:
    made = [await office.accounts.login("badr", PASSWORD, "::1") for _ in range(4)]
    who, here = made[0].who, made[0].secret
    other = next(s for s in await office.accounts.sessions(who, "badr", here) if not s.current)
    assert await office.accounts.end_session(who, "badr", other.id, keep=here) == 1
    assert await office.accounts.end_session(who, "badr", keep=here) == 2
    assert [s.current for s in await office.accounts.sessions(who, "badr", here)] == [True]


async def test_a_session_of_somebody_else_is_not_found_and_goes_on(office: Office) -> None:
    amal = await office.accounts.login("amal", PASSWORD, "::1")
    badr = await office.accounts.login("badr", PASSWORD, "::1")
    theirs = (await office.accounts.sessions(amal.who, "amal"))[0].id
    with pytest.raises(NotFound):
        await office.accounts.end_session(badr.who, "badr", theirs)
    assert await office.accounts.session(amal.secret) is not None


async def test_a_new_password_ends_the_other_sessions_devices_and_links(office: Office) -> None:
    thief = await office.accounts.login("badr", PASSWORD, "::1")
    mine = await office.accounts.login("badr", PASSWORD, "::1")
    await office.accounts.change_password(mine.who, "badr", PASSWORD, NEW, keep=mine.secret)
    assert await office.accounts.session(thief.secret) is None
    assert await office.accounts.session(mine.secret) is not None
    with pytest.raises(LoginFailed):
        await office.accounts.login("badr", PASSWORD, "::1")
    assert (await office.accounts.login("badr", NEW, "::1", devices=thief.devices)).devices != thief.devices
    async with office.store.read() as tx:
        assert await tx.count(AccountInvite, {"name": "badr"}) == 0


async def test_a_new_password_needs_the_old_one_and_the_least_length(office: Office) -> None:
    who = await office.who("badr")
    with pytest.raises(LoginFailed):
        await office.accounts.change_password(who, "badr", "wrong", NEW)
    with pytest.raises(BadInput):
        await office.accounts.change_password(who, "badr", PASSWORD, "short")
    assert await office.who("badr")


async def test_the_session_that_is_kept_must_be_the_persons_own(office: Office) -> None:
    amal = await office.accounts.login("amal", PASSWORD, "::1")
    badr = await office.accounts.login("badr", PASSWORD, "::1")
    await office.accounts.change_password(badr.who, "badr", PASSWORD, NEW, keep=amal.secret)
    assert await office.accounts.session(badr.secret) is None
    assert await office.accounts.session(amal.secret) is not None


async def test_every_login_has_a_secret_of_its_own(office: Office) -> None:
    made = [await office.accounts.login("badr", PASSWORD, "::1") for _ in range(3)]
    assert len({m.secret for m in made}) == 3
    assert not {m.secret for m in made} & {d for m in made for d in m.devices.split(".")}


async def test_a_device_lets_nobody_in_and_is_no_token(office: Office) -> None:
    made = await office.accounts.login("badr", PASSWORD, "::1")
    assert await office.accounts.session(made.devices) is None
    assert await office.accounts.bearer(made.devices) is None
    with pytest.raises(LoginFailed):
        await office.accounts.login("badr", "", "::1", devices=made.devices)


async def test_devices_of_an_account_do_not_grow_without_end(office: Office) -> None:
    for _ in range(MAX_DEVICES + 5):
        office.clock.at += 1
        last = await office.accounts.login("badr", PASSWORD, "::1")
    async with office.store.read() as tx:
        assert await tx.count(Token, {"account": "badr", "kind": "device"}) == MAX_DEVICES
    assert (await office.accounts.login("badr", PASSWORD, "::1", devices=last.devices)).devices == last.devices


async def test_an_administrator_may_sign_somebody_out(office: Office) -> None:
    made = await office.accounts.login("badr", PASSWORD, "::1")
    assert await office.accounts.end_session(LOCAL, "badr") == 1
    assert await office.accounts.session(made.secret) is None
    assert ("local administrator", "account.sessions.end", "badr") in await office.log()
