"""Putting, getting, finding and deleting give the same in every store."""

from __future__ import annotations

from typing import Any

import pytest

from node.store.port import Store, StoreConflict, StoreError
from node.store.rows import ALL_ROWS, AttachmentRef, Copy, Custody, Entry, Meta, OriginRow, PeerRow, Quarantined, State
from tests.contract.store.samples import copy, custody, origin, quarantined, row


async def _fill(store: Store, *rows: Any) -> None:
    async with store.write() as w:
        await w.put(*rows)


async def _seqs(store: Store, **asked: Any) -> list[int]:
    async with store.read() as r:
        return [c.seq for c in await r.find(Custody, **asked)]


async def test_every_table_gives_back_the_row_it_was_given(store: Store) -> None:
    rows = [row(kind) for kind in ALL_ROWS]
    await _fill(store, *rows)
    async with store.read() as r:
        for one in rows:
            assert await r.get(type(one), *one.key()) == one


async def test_a_missing_key_is_none(store: Store) -> None:
    async with store.read() as r:
        assert await r.get(Meta, "nothing") is None


async def test_put_replaces_the_whole_row_with_the_same_key(store: Store) -> None:
    await _fill(store, copy(1, jws="old", via=7))
    await _fill(store, copy(1, ver=2))
    async with store.read() as r:
        assert await r.get(Copy, 1) == copy(1, ver=2)
        assert await r.count(Copy) == 1


async def test_the_last_of_two_rows_with_one_key_in_a_batch_wins(store: Store) -> None:
    async with store.write() as w:
        await w.put_many([origin("a", "1"), origin("a", "2")])
        assert await w.get(OriginRow, "a") == origin("a", "2")


async def test_a_table_of_keys_only_takes_the_same_row_twice(store: Store) -> None:
    ref = AttachmentRef("00", 1, "title")
    await _fill(store, ref)
    await _fill(store, ref)
    async with store.read() as r:
        assert await r.find(AttachmentRef) == [ref]


async def test_put_takes_rows_of_several_tables_and_put_many_takes_none(store: Store) -> None:
    async with store.write() as w:
        await w.put(origin("a"), copy(1), origin("b"), copy(2))
        await w.put_many([])
        assert (await w.count(OriginRow), await w.count(Copy)) == (2, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "é",
        "e\u0301",
        "𐍈 🧵",
        "\u202eעברית العربية",
        "\u00a0\ufeff",
        "'; DROP TABLE copies; --",
        "\x01\x7f\r\n\t",
        "%$1?:x",
    ],
)
async def test_text_comes_back_unchanged(store: Store, text: str) -> None:
    await _fill(store, row(Meta, name="n" + text, value=text))
    async with store.read() as r:
        assert await r.find(Meta, {"value": text}) == [row(Meta, name="n" + text, value=text)]
        assert await r.get(Meta, "n" + text) is not None


@pytest.mark.parametrize("number", [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)])
async def test_integers_of_64_bits_come_back_unchanged(store: Store, number: int) -> None:
    await _fill(store, copy(1, ver=number))
    async with store.read() as r:
        assert await r.find(Copy, {"ver": number}) == [copy(1, ver=number)]


async def test_bytes_and_booleans_come_back_as_themselves(store: Store) -> None:
    await _fill(store, copy(1, vid=bytes(range(256)), own=True))
    async with store.read() as r:
        found = await r.find(Copy, {"vid": bytes(range(256)), "own": True})
    assert found[0].own is True
    assert found[0].conflict is False
    assert found[0].vid == bytes(range(256))


async def test_enums_are_kept_as_their_values(store: Store) -> None:
    await _fill(store, copy(1, state=State.ERASED), custody(1, 1, 1, entry=Entry.RETRACT))
    async with store.read() as r:
        assert [c.state for c in await r.find(Copy, {"state": State.ERASED})] == [1]
        assert [c.entry for c in await r.find(Custody, {"entry": [Entry.RETRACT]})] == ["retract"]


async def test_a_text_of_4_mib_comes_back_unchanged(store: Store) -> None:
    text = "ß𝄞a" * (4 * 1024 * 1024 // 7)
    await _fill(store, copy(1, disclosed=text))
    async with store.read() as r:
        found = await r.get(Copy, 1)
    assert found is not None
    assert found.disclosed == text


@pytest.mark.parametrize(
    "bad",
    [{"jws": "a\0b"}, {"jws": "\ud800"}, {"ver": 2**63}, {"ver": -(2**63) - 1}],
    ids=["nul", "surrogate", "big", "small"],
)
async def test_what_no_database_keeps_is_refused_and_undoes_the_transaction(store: Store, bad: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match=r"copies\.(jws|ver)"):
        await _fill(store, origin("a"), copy(1, **bad))
    async with store.read() as r:
        assert await r.count(OriginRow) == 0


@pytest.mark.parametrize("bad", [{"ver": "1"}, {"own": 1}, {"ver": True}, {"jws": b""}, {"origin": None}])
async def test_a_value_of_another_type_is_a_type_error(store: Store, bad: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="copies"):
        await _fill(store, copy(1, **bad))


async def test_a_search_for_a_value_no_row_can_have_finds_nothing(store: Store) -> None:
    await _fill(store, copy(1))
    async with store.read() as r:
        assert await r.find(Copy, {"rid": "r\0"}) == []
        assert await r.find(Copy, {"ver": [2**64]}) == []
        assert await r.get(Copy, 2**64) is None
        assert await r.get_many(Copy, [("\ud800", "r")], by=("origin", "rid")) == []


async def test_unknown_columns_and_wrong_types_in_a_search_are_errors(store: Store) -> None:
    async with store.read() as r:
        with pytest.raises(ValueError, match="no column"):
            await r.find(Copy, {"nope": 1})
        with pytest.raises(ValueError, match="no column"):
            await r.find(Copy, order="id; DROP TABLE copies")
        with pytest.raises(TypeError):
            await r.find(Copy, {"ver": "1"})
        with pytest.raises(ValueError, match="unique"):
            await r.get_many(Copy, [("en",)], by=("kind",))
        with pytest.raises(ValueError, match="limit"):
            await r.find(Copy, limit=-1)


async def test_get_many_leaves_out_missing_and_repeated_keys(store: Store) -> None:
    await _fill(store, *(custody(1, n, n) for n in range(5)), *(copy(n) for n in range(5)))
    async with store.read() as r:
        assert await r.get_many(Custody, []) == []
        found = await r.get_many(Custody, [(1, 3), (1, 9), (2, 3), (1, 3), (1, 0), [1, 4]])
        assert sorted(c.copy for c in found) == [0, 3, 4]
        wanted = [("did:key:zOrigin", f"r{n:06d}") for n in (1, 2, 2, 7)]
        assert sorted(c.id for c in await r.get_many(Copy, wanted, by=("origin", "rid"))) == [1, 2]


async def test_get_many_takes_5000_keys_of_one_and_of_two_columns(store: Store) -> None:
    async with store.write() as w:
        await w.put_many([custody(1, n, n) for n in range(5000)])
        await w.put_many([origin(str(n)) for n in range(5000)])
    async with store.read() as r:
        assert len(await r.get_many(Custody, [(1, n) for n in range(-10, 5000)])) == 5000
        assert len(await r.get_many(OriginRow, [(str(n),) for n in range(5010)])) == 5000


async def test_any_of_20000_values_finds_counts_and_deletes(store: Store) -> None:
    async with store.write() as w:
        await w.put_many([quarantined(n, n, -n) for n in range(9000)])
    many = list(range(20_000))
    async with store.write() as w:
        found = await w.find(Quarantined, {"peer": many}, order="at", limit=3)
        assert [q.id for q in found] == [8999, 8998, 8997]
        assert await w.count(Quarantined, {"peer": many}) == 9000
        assert await w.delete(Quarantined, {"peer": many}) == 9000
        assert await w.count(Quarantined) == 0


async def test_find_by_one_value_any_of_and_null(store: Store) -> None:
    await _fill(store, copy(1, via=1), copy(2, via=2), copy(3), copy(4, via=2, own=True))
    cases: list[tuple[dict[str, Any] | None, list[int]]] = [
        (None, [1, 2, 3, 4]),
        ({}, [1, 2, 3, 4]),
        ({"via": 2}, [2, 4]),
        ({"via": None}, [3]),
        ({"via": [1, 2]}, [1, 2, 4]),
        ({"via": (1, None)}, [1, 3]),
        ({"via": {None}}, [3]),
        ({"via": frozenset({2}), "own": True}, [4]),
        ({"via": []}, []),
        ({"via": [], "own": True}, []),
        ({"origin": None}, []),
        ({"rid": ["r000001", "r000004"], "via": [2]}, [4]),
    ]
    async with store.read() as r:
        for where, expected in cases:
            assert [c.id for c in await r.find(Copy, where)] == expected, where
            assert await r.count(Copy, where) == len(expected), where


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [None, 0, 1, 3, 100])
async def test_find_orders_bounds_and_cuts(store: Store, descending: bool, limit: int | None) -> None:
    await _fill(store, *(custody(p, n, 10 * n + p) for p in (1, 2) for n in range(6)))
    asked: dict[str, Any] = {"descending": descending, "limit": limit}
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({"where": {"peer": 1}, "order": "seq"}, [1, 11, 21, 31, 41, 51]),
        ({"where": {"peer": 1}, "order": "seq", "above": ("seq", 11)}, [21, 31, 41, 51]),
        ({"where": {"peer": 1}, "order": "seq", "upto": ("seq", 31)}, [1, 11, 21, 31]),
        ({"where": {"peer": 2}, "order": "seq", "above": ("seq", 2), "upto": ("seq", 32)}, [12, 22, 32]),
        ({"where": {"peer": [1, 2]}, "order": "seq", "above": ("copy", 3)}, [41, 42, 51, 52]),
        ({"above": ("seq", 40)}, [41, 51, 42, 52]),
        ({"upto": ("copy", 0)}, [1, 2]),
        ({"order": "copy", "upto": ("copy", 1)}, [1, 2, 11, 12]),
        ({"above": ("seq", 52)}, []),
    ]
    for given, ascending in cases:
        expected = (ascending[::-1] if descending else ascending)[:limit]
        assert await _seqs(store, **given, **asked) == expected, given


async def test_null_sorts_first_and_lies_within_no_bound(store: Store) -> None:
    await _fill(store, copy(1, ends_at=5), copy(2), copy(3, ends_at=-5), copy(4))
    async with store.read() as r:
        assert [c.id for c in await r.find(Copy, order="ends_at")] == [2, 4, 3, 1]
        assert [c.id for c in await r.find(Copy, order="ends_at", descending=True)] == [1, 3, 4, 2]
        assert [c.id for c in await r.find(Copy, order="ends_at", limit=3)] == [2, 4, 3]
        assert [c.id for c in await r.find(Copy, upto=("ends_at", 5), order="ends_at")] == [3, 1]
        assert [c.id for c in await r.find(Copy, above=("ends_at", -99))] == [1, 3]


async def test_text_sorts_by_code_point_whatever_the_locale(store: Store) -> None:
    words = ["a", "B", "b", "A", "é", "z", "Z", "ä", "~", "_", "𐍈", "\uffee", "10", "9", "", " a", "aa"]
    await _fill(store, *(origin(w) for w in words))
    async with store.read() as r:
        assert [o.node_id for o in await r.find(OriginRow)] == sorted(words)
        assert [o.node_id for o in await r.find(OriginRow, above=("node_id", "Z"))] == sorted(
            w for w in words if w > "Z"
        )


async def test_delete_takes_conditions_and_a_bound_and_says_how_many(store: Store) -> None:
    await _fill(store, *(quarantined(n, n % 2, at=n) for n in range(10)))
    async with store.write() as w:
        assert await w.delete(Quarantined, {"peer": 0}, upto=("at", 4)) == 3
        assert await w.delete(Quarantined, upto=("at", 1)) == 1
        assert await w.delete(Quarantined, {"peer": []}) == 0
        assert await w.delete(Quarantined, {"id": [3, 5]}) == 2
    async with store.read() as r:
        assert [q.id for q in await r.find(Quarantined)] == [6, 7, 8, 9]
    async with store.write() as w:
        assert await w.delete(Quarantined) == 4


async def test_a_taken_unique_key_is_a_conflict_that_undoes_the_transaction(store: Store) -> None:
    await _fill(store, copy(1))
    with pytest.raises(StoreConflict):
        await _fill(store, copy(2), copy(3, rid="r000001"))
    async with store.read() as r:
        assert [c.id for c in await r.find(Copy)] == [1]


async def test_a_conflict_that_is_caught_inside_does_not_save_the_transaction(store: Store) -> None:
    await _fill(store, copy(1))

    async def go_on() -> None:
        async with store.write() as w:
            await w.put(copy(2))
            with pytest.raises(StoreConflict):
                await w.put_many([copy(3), copy(4, rid="r000001")])
            with pytest.raises(StoreError, match="undone"):
                await w.count(Copy)

    with pytest.raises(StoreError, match="undone"):
        await go_on()
    async with store.read() as r:
        assert await r.count(Copy) == 1


async def test_a_unique_key_is_free_again_after_its_row_moved_or_went(store: Store) -> None:
    await _fill(store, copy(1), copy(2))
    async with store.write() as w:
        await w.put(copy(1, rid="moved"), copy(3, rid="r000001"))
        await w.delete(Copy, {"id": 2})
        await w.put(copy(4, rid="r000002"))
    async with store.read() as r:
        found = await r.get_many(Copy, [("did:key:zOrigin", x) for x in ("r000001", "r000002")], by=("origin", "rid"))
    assert sorted(c.id for c in found) == [3, 4]


async def test_two_rows_cannot_swap_a_unique_key_in_one_batch(store: Store) -> None:
    await _fill(store, row(PeerRow, id=1, node_id="a"), row(PeerRow, id=2, node_id="b"))
    with pytest.raises(StoreConflict):
        await _fill(store, row(PeerRow, id=1, node_id="b"), row(PeerRow, id=2, node_id="a"))


async def test_pick_gives_the_columns_asked_for_of_what_find_would_give(store: Store) -> None:
    await _fill(store, *(custody(p, n, 10 * n + p, told=n % 2 == 0) for p in (1, 2) for n in range(3)))
    async with store.read() as tx:
        some = await tx.pick(Custody, ("seq", "told"), {"peer": 2}, order="seq", descending=True, limit=2)
        assert some == [(22, True), (12, False)]
        assert await tx.pick(Custody, ("copy",), {"peer": 3}) == []
        many = await tx.pick(Custody, ("seq",), {"copy": list(range(10_000))}, order="seq", limit=4)
        assert many == [(1,), (2,), (11,), (12,)]
