"""Guessing is slow, however many addresses guess; and nobody can be kept out of an account by others' failures."""

from __future__ import annotations

import asyncio

import pytest

from node.accounts import (
    FREE_FAILURES,
    FREE_OF_STRANGERS,
    HASHES_AT_ONCE,
    HASHES_WAITING,
    MAX_PAUSE_OF_STRANGERS_S,
    MAX_PAUSE_S,
    Brake,
    LoginFailed,
    Source,
    TooManyAttempts,
    source_of,
)
from tests.unit.accounts.office import Office
from tests.unit.web.fake_accounts import PASSWORD


async def attack(office: Office, name: str, addresses: int) -> int:
    """One wrong guess from each of many addresses; how many were checked at all."""
    checked = 0
    for i in range(addresses):
        try:
            await office.accounts.login(name, "wrong", f"2001:db8:{i:x}::1")
        except LoginFailed:
            checked += 1
        except TooManyAttempts:
            pass
    return checked


async def test_an_attacker_with_many_addresses_gets_few_guesses(office: Office) -> None:
    assert await attack(office, "amal", 200) == FREE_OF_STRANGERS


async def test_whoever_has_signed_in_before_gets_in_at_once_while_the_account_is_attacked(office: Office) -> None:
    before = await office.accounts.login("amal", PASSWORD, "203.0.113.5")
    await attack(office, "amal", 200)
    with pytest.raises(TooManyAttempts):
        await office.accounts.login("amal", PASSWORD, "203.0.113.5")
    again = await office.accounts.login("amal", PASSWORD, "203.0.113.5", devices=before.devices)
    assert again.who.account == "amal"
    assert again.devices == before.devices


async def test_an_attacker_at_the_same_address_does_not_keep_out_a_known_device(office: Office) -> None:
    before = await office.accounts.login("amal", PASSWORD, "203.0.113.5")
    for _ in range(FREE_FAILURES):
        with pytest.raises(LoginFailed):
            await office.accounts.login("amal", "wrong", "203.0.113.5")
    assert (await office.accounts.login("amal", PASSWORD, "203.0.113.5", devices=before.devices)).who.account == "amal"


async def test_a_link_to_a_new_password_lets_its_person_in_past_an_attack(office: Office) -> None:
    secret = await office.link("chen")
    joined = await office.accounts.join(secret, PASSWORD)
    await attack(office, "chen", 200)
    assert (await office.accounts.login("chen", PASSWORD, "::1", devices=joined.devices)).who.account == "chen"


async def test_an_attack_on_one_account_does_not_touch_another(office: Office) -> None:
    await attack(office, "amal", 200)
    assert (await office.accounts.login("badr", PASSWORD, "2001:db8::1")).who.account == "badr"


async def test_a_device_is_known_for_its_own_account_only(office: Office) -> None:
    badr = await office.accounts.login("badr", PASSWORD, "203.0.113.9")
    await attack(office, "amal", 200)
    with pytest.raises(TooManyAttempts):
        await office.accounts.login("amal", PASSWORD, "203.0.113.9", devices=badr.devices)


async def test_people_who_share_a_browser_are_all_known_there(office: Office) -> None:
    devices = ""
    for name in ("badr", "amal", "dina"):
        devices = (await office.accounts.login(name, PASSWORD, "203.0.113.9", devices=devices)).devices
    await attack(office, "badr", 60)
    assert (await office.accounts.login("badr", PASSWORD, "203.0.113.9", devices=devices)).who.account == "badr"


async def test_a_device_that_an_attacker_planted_is_not_made_known(office: Office) -> None:
    planted = "A" * 43
    kept = (await office.accounts.login("amal", PASSWORD, "203.0.113.5", devices=planted)).devices
    assert kept.split(".")[0] != planted
    await attack(office, "amal", 60)
    with pytest.raises(TooManyAttempts):
        await office.accounts.login("amal", PASSWORD, "203.0.113.66", devices=planted)


async def test_a_stolen_device_cookie_is_slowed_down_by_itself(office: Office) -> None:
    kept = (await office.accounts.login("amal", PASSWORD, "203.0.113.5")).devices
    for i in range(FREE_FAILURES):
        with pytest.raises(LoginFailed):
            await office.accounts.login("amal", "wrong", f"203.0.113.{i}", devices=kept)
    with pytest.raises(TooManyAttempts):
        await office.accounts.login("amal", "wrong", "203.0.113.77", devices=kept)


async def test_unknown_names_are_slowed_down_as_known_ones_are(office: Office) -> None:
    assert await attack(office, "nobody", 60) == await attack(office, "amal", 60)


async def test_guesses_at_one_moment_are_counted_before_any_is_checked(office: Office) -> None:
    tries = [office.accounts.login("amal", "wrong", "203.0.113.5") for _ in range(FREE_FAILURES + 8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(r, LoginFailed) for r in results) == FREE_FAILURES


async def test_a_flood_of_strangers_does_not_take_the_turn_of_a_known_device(office: Office) -> None:
    kept = (await office.accounts.login("amal", PASSWORD, "203.0.113.5")).devices
    flood = [
        asyncio.ensure_future(office.accounts.login(f"x{i}", "wrong", f"198.51.100.{i}"))
        for i in range(HASHES_AT_ONCE + HASHES_WAITING + 20)
    ]
    await asyncio.sleep(0)
    known = asyncio.ensure_future(office.accounts.login("amal", PASSWORD, "203.0.113.5", devices=kept))
    await asyncio.wait([known])
    assert known.result().who.account == "amal"
    before = [t for t in flood if t.done() and isinstance(t.exception(), LoginFailed)]
    assert len(before) < HASHES_WAITING // 2  # those whose turn had come; the others still wait
    results = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(r, TooManyAttempts) for r in results) == 20


async def test_an_attempt_that_was_turned_away_unchecked_is_not_counted(office: Office) -> None:
    for _ in range(3):
        flood = [office.accounts.login(f"y{i}", "wrong", "198.51.100.1") for i in range(40)]
        mine = office.accounts.login("amal", PASSWORD, "203.0.113.5")
        *_, last = await asyncio.gather(*flood, mine, return_exceptions=True)
        assert isinstance(last, TooManyAttempts)
        assert last.retry_after_s == 5
    assert (await office.accounts.login("amal", PASSWORD, "203.0.113.5")).who.account == "amal"


async def test_somebody_who_gives_up_waiting_leaves_the_turn_to_others(office: Office) -> None:
    tries = [asyncio.ensure_future(office.hasher.fits(None, "x")) for _ in range(6)]
    await asyncio.sleep(0)
    for task in tries[1:4]:
        task.cancel()
    await asyncio.gather(*tries, return_exceptions=True)
    assert await asyncio.wait_for(office.hasher.fits(await office.hasher.make("y"), "y"), 10)


def test_guesses_a_day_are_few_however_patient_the_attacker() -> None:
    brake, now, guesses = Brake(), 0, 0
    while now < 10 * 86_400:
        try:
            brake.begin("amal", Source(str(guesses)), now)
            guesses += 1
        except TooManyAttempts as error:
            now += error.retry_after_s
    assert guesses <= FREE_OF_STRANGERS + 10 * 86_400 // MAX_PAUSE_OF_STRANGERS_S + 20


@pytest.mark.parametrize("rest_s", [60, MAX_PAUSE_S, MAX_PAUSE_OF_STRANGERS_S, 2 * MAX_PAUSE_OF_STRANGERS_S, 7_200])
def test_resting_between_bursts_gains_nothing(rest_s: int) -> None:
    brake, now, guesses = Brake(), 0, 0
    while now < 10 * 86_400:
        try:
            brake.begin("amal", Source(str(guesses)), now)
            guesses += 1
        except TooManyAttempts:
            now += rest_s
    assert guesses <= FREE_OF_STRANGERS + 10 * 86_400 // MAX_PAUSE_OF_STRANGERS_S + 20


def test_a_clock_that_is_set_back_does_not_lock_for_years() -> None:
    brake = Brake()
    for _ in range(FREE_FAILURES):
        brake.begin("amal", Source("a", True), 2_000_000_000)
    with pytest.raises(TooManyAttempts) as caught:
        brake.begin("amal", Source("a", True), 1_000_000_000)
    assert caught.value.retry_after_s <= MAX_PAUSE_S


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%wlan0", True),
        ("unix", "unix", True),
    ],
)
def test_the_addresses_of_one_site_are_one_source(one: str, other: str, same: bool) -> None:
    assert (source_of(one) == source_of(other)) is same
