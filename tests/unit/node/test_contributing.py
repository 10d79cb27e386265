"""Contributors' own view: what a private link opens, and how far an act of its holder reaches, on whole nodes."""

from __future__ import annotations

from typing import Any

import pytest

from federation.documents import verify_document
from federation.errors import PeerError
from federation.proofs import ConsentProof
from governance.policy import DAY_S
from governance.record import ContributorLink, Draft
from governance.terms import ALL_PURPOSES, Purpose
from node.accounts import TooManyAttempts
from node.contributors.contributing import WRONG_A_MINUTE, Contributing, LinkHolder
from node.contributors.views import ActView, ContributorView
from node.errors import BadInput, NotAllowed, NotFound
from node.principal import ANYBODY, LOCAL
from node.store.governing import Audit, ContributorAct, PrivateLink
from node.store.rows import ALL_ROWS, DraftRow, State
from tests.world import World, WorldNode, draft, terms

ROSA = ContributorLink(subject="rosa", fields=("quote:q", "person:p"))
OMAR = ContributorLink(subject="omar", fields=("quote:o", "person:p"))
FIELDS = {
    "quote:q": {"text": "so it was for me"},
    "quote:o": {"text": "what omar said"},
    "person:p": {"name": "Both of us"},
}
HOUR = 3600


class Desk:
    """Ana's contributing desk, with Rosa's link already open."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ana = world.nodes[0]
        self.use = Contributing(self.ana.core, self.ana.readings, "https://ana.example/")
        self.rid = ""
        self.holder: LinkHolder

    async def begin(self, **more: Any) -> Desk:
        self.rid = (await self.ana.library.create(LOCAL, draft(fields=FIELDS, contributors=[ROSA, OMAR], **more))).rid
        for subject in ("rosa", "omar"):
            await self.ana.consents.grant(LOCAL, subject=subject, terms=terms("network"), how="signed form")
        self.holder = await self.link("rosa")
        self.world.clock.time += 60
        return self

    async def link(self, subject: str, **more: Any) -> LinkHolder:
        made = await self.use.make_link(LOCAL, subject=subject, **more)
        return await self.use.open(made.secret or "", "203.0.113.9")

    async def see(self) -> ContributorView:
        return await self.use.see(self.holder)

    async def narrow(self, audience: str = "node", **more: Any) -> list[ActView]:
        return await self.use.change(self.holder, self.rid, audience=audience, purposes=ALL_PURPOSES, **more)

    async def at(self, node: WorldNode) -> set[str]:
        held = (await node.live()).get((self.ana.id, self.rid))
        return set(held.texts) if held is not None else set()


@pytest.fixture
async def desk() -> Desk:
    return await Desk(await World.make(5, 3, ((0, 1), (1, 2)))).begin()


async def test_a_link_shows_what_is_theirs_and_nothing_that_is_only_anothers(desk: Desk) -> None:
    await desk.world.quiet()
    view = await desk.see()
    assert [f.name for f in view.records[0].fields] == ["quote:q", "person:p"]
    assert view.records[0].fields[0].text == "so it was for me"
    assert view.records[0].fields[1].shared
    told = view.model_dump_json()
    assert "what omar said" not in told
    assert "omar" not in told


async def test_it_shows_who_has_it_directly_and_through_others_with_the_last_confirmation(desk: Desk) -> None:
    await desk.world.quiet()
    holders = {h.name: h for h in (await desk.see()).records[0].holders}
    assert holders["bao"].direct
    assert holders["bao"].fields == ["Quote \u2068q\u2069", "Person \u2068p\u2069"]
    assert holders["bao"].confirmed_at is not None
    assert not holders["chidi"].direct


async def test_narrowing_reaches_every_holder_and_its_progress_goes_from_waiting_to_confirmed(desk: Desk) -> None:
    world, (_, bao, chidi) = desk.world, desk.world.nodes
    await world.quiet()
    assert {"quote:q", "quote:o"} <= await desk.at(bao)
    assert "quote:q" in await desk.at(chidi)
    done = await desk.narrow(fields=["quote:q"])
    assert [(a.what, a.confirmed, a.waiting, a.overdue) for a in done] == [("narrow", 0, 2, 0)]
    await world.quiet()
    for node in (bao, chidi):
        assert "quote:q" not in await desk.at(node)
        assert "quote:o" in await desk.at(node)
    act = (await desk.see()).acts[0]
    assert (act.confirmed, act.waiting, act.overdue) == (2, 0, 0)
    assert {h.name for h in act.holders} == {"bao", "chidi"}
    assert "no longer has it" in act.holders[0].words


async def test_who_does_not_confirm_within_the_agreed_hours_is_overdue(desk: Desk) -> None:
    await desk.world.quiet()
    await desk.narrow()
    desk.world.clock.time += 72 * HOUR
    assert (await desk.see()).acts[0].overdue == 0
    desk.world.clock.time += 1
    act = (await desk.see()).acts[0]
    assert (act.waiting, act.overdue) == (0, 2)
    await desk.world.quiet()
    assert (await desk.see()).acts[0].confirmed == 2


async def test_what_was_narrowed_can_be_widened_again_up_to_what_was_permitted_before(desk: Desk) -> None:
    await desk.world.quiet()
    await desk.narrow("stewards")
    desk.world.clock.time += 60
    again = await desk.use.change(desk.holder, desk.rid, audience=None, purposes=ALL_PURPOSES)
    assert [a.what for a in again] == ["widen"]
    await desk.world.quiet()
    assert "quote:q" in await desk.at(desk.world.nodes[1])
    permission = (await desk.see()).records[0].fields[0].permission
    assert permission.audiences == ["network"]


async def test_nobody_can_permit_more_here_than_was_noted_in_person(desk: Desk) -> None:
    before = (await desk.see()).records[0].fields[0].permission
    assert await desk.use.change(desk.holder, desk.rid, audience="public", purposes=ALL_PURPOSES) == []
    assert (await desk.see()).records[0].fields[0].permission == before
    with pytest.raises(BadInput):
        await desk.use.change(desk.holder, desk.rid, audience=None, purposes=[])


async def test_what_was_taken_back_cannot_be_opened_again_with_the_link(desk: Desk) -> None:
    await desk.world.quiet()
    await desk.use.withdraw(desk.holder, desk.rid)
    desk.world.clock.time += 60
    await desk.use.change(desk.holder, desk.rid, audience=None, purposes=ALL_PURPOSES, days=90)
    await desk.world.quiet()
    assert not {"quote:q", "person:p"} & await desk.at(desk.world.nodes[1])
    assert (await desk.see()).records[0].fields[0].permission.audiences == ["node"]


async def test_renewing_moves_the_end_and_an_ended_permission_comes_back(desk: Desk) -> None:
    now = desk.world.clock.now()
    until = terms("network", until=now + DAY_S)
    await desk.ana.consents.grant(LOCAL, subject="rosa", terms=until, how="signed form")
    desk.world.clock.time += 2 * DAY_S
    await desk.world.quiet()
    assert "quote:q" not in await desk.at(desk.world.nodes[1])
    with pytest.raises(BadInput, match="has ended"):
        await desk.narrow("network")
    with pytest.raises(BadInput, match="with an end"):
        await desk.narrow("network", days=0)
    await desk.use.change(desk.holder, desk.rid, audience=None, purposes=ALL_PURPOSES, days=365)
    await desk.world.quiet()
    assert "quote:q" in await desk.at(desk.world.nodes[1])
    permission = (await desk.see()).records[0].fields[0].permission
    assert permission.until == desk.world.clock.now() + 365 * DAY_S


async def test_taking_out_erases_what_is_theirs_alone_and_closes_what_others_stand_behind_too(desk: Desk) -> None:
    await desk.world.quiet()
    done = await desk.use.withdraw(desk.holder, desk.rid, remove=True)
    assert [a.what for a in done] == ["close"]
    await desk.world.quiet()
    async with desk.ana.core.store.read() as tx:
        row = await tx.get(DraftRow, desk.rid)
        everything = repr([await tx.find(kind) for kind in ALL_ROWS])
    assert row is not None
    body = Draft.model_validate_json(row.body)
    assert "quote:q" not in body.fields
    assert {"quote:o", "person:p", "title"} <= body.fields.keys()
    assert "so it was for me" not in everything
    assert await desk.at(desk.world.nodes[1]) >= {"title", "quote:o"}
    assert not {"quote:q", "person:p"} & await desk.at(desk.world.nodes[1])
    assert (await desk.see()).acts[0].confirmed == 2


async def test_an_editor_who_writes_removed_words_down_again_does_not_open_them(desk: Desk) -> None:
    await desk.use.withdraw(desk.holder, desk.rid, remove=True)
    desk.world.clock.time += 60
    written = await desk.ana.library.draft(LOCAL, desk.rid)
    await desk.ana.library.edit(
        LOCAL, desk.rid, written.model_copy(update={"fields": {**written.fields, "quote:q": {"text": "again"}}})
    )
    await desk.world.quiet()
    assert "quote:q" not in await desk.at(desk.world.nodes[1])


async def test_a_record_that_is_theirs_alone_is_withdrawn_whole_and_its_progress_stays(desk: Desk) -> None:
    link = ContributorLink(subject="rosa")
    desk.rid = (await desk.ana.library.create(LOCAL, draft("Mine alone", contributors=[link]))).rid
    await desk.world.quiet()
    assert await desk.at(desk.world.nodes[2])
    done = await desk.use.withdraw(desk.holder, desk.rid, remove=True)
    assert [(a.what, a.waiting) for a in done] == [("remove", 2)]
    await desk.world.quiet()
    for node in desk.world.nodes:
        copies = await node.copies()
        assert copies[desk.ana.id, desk.rid].state == State.WITHDRAWN
    view = await desk.see()
    assert desk.rid not in {r.rid for r in view.records}
    assert (view.acts[0].confirmed, view.acts[0].waiting) == (2, 0)
    receipt = await desk.use.receipt(desk.holder, done[0].gid)
    assert receipt.jws


async def test_taking_everything_back_also_ends_permission_for_records_yet_to_come(desk: Desk) -> None:
    await desk.use.withdraw(desk.holder, None)
    link = ContributorLink(subject="rosa", fields=("quote:n",))
    later = draft("Later", fields={"quote:n": {"text": "new"}}, contributors=[link])
    desk.rid = (await desk.ana.library.create(LOCAL, later)).rid
    await desk.world.quiet()
    assert "quote:n" not in await desk.at(desk.world.nodes[1])
    assert all(g.state != "active" for r in (await desk.see()).records for g in (f.permission for f in r.fields))


async def test_a_draft_that_was_never_published_can_be_changed_and_taken_out(desk: Desk) -> None:
    made = await desk.ana.library.create(LOCAL, draft(contributors=[ContributorLink(subject="rosa")]), publish=False)
    desk.rid = made.rid
    desk.world.clock.time += 60
    assert [a.holders for a in await desk.narrow()] == [[]]
    await desk.use.withdraw(desk.holder, desk.rid, remove=True)
    async with desk.ana.core.store.read() as tx:
        assert await tx.get(DraftRow, desk.rid) is None


@pytest.mark.parametrize("attack", ["another's field", "another's record", "no field", "no record"])
async def test_a_link_reaches_nothing_that_is_not_its_subjects(desk: Desk, attack: str) -> None:
    other = (await desk.ana.library.create(LOCAL, draft(fields=FIELDS, contributors=[OMAR]))).rid
    rid = {"another's record": other, "no record": "0199a000-0000-7000-8000-00000000dead"}.get(attack, desk.rid)
    fields = {"another's field": ["quote:q", "quote:o"], "no field": []}.get(attack)
    async with desk.ana.core.store.read() as tx:
        before = [await tx.find(kind) for kind in ALL_ROWS]
    for act in (
        desk.use.change(desk.holder, rid, fields=fields, audience="stewards", purposes=ALL_PURPOSES),
        desk.use.withdraw(desk.holder, rid, fields=fields, remove=True),
    ):
        with pytest.raises((BadInput, NotFound)):
            await act
    async with desk.ana.core.store.read() as tx:
        assert [await tx.find(kind) for kind in ALL_ROWS] == before


async def test_another_contributors_receipt_is_not_to_be_had(desk: Desk) -> None:
    theirs = next(g for g in await desk.ana.consents.list(LOCAL, subject="omar"))
    for gid in (theirs.gid, "none"):
        with pytest.raises(NotFound):
            await desk.use.receipt(desk.holder, gid)


async def test_unknown_ended_and_revoked_links_say_one_and_the_same(desk: Desk) -> None:
    made = [await desk.use.make_link(LOCAL, subject="rosa", days=days) for days in (1, 30)]
    await desk.use.revoke_link(LOCAL, made[1].id)
    desk.world.clock.time += DAY_S
    said = set()
    for secret in ("cwl_none", "", made[0].secret or "", made[1].secret or ""):
        with pytest.raises(NotFound) as error:
            await desk.use.open(secret, "203.0.113.9")
        said.add(str(error.value))
    assert len(said) == 1


async def test_a_link_that_is_revoked_while_its_page_is_open_does_nothing_any_more(desk: Desk) -> None:
    await desk.use.revoke_link(LOCAL, desk.holder.link_id)
    for act in (desk.see(), desk.narrow(), desk.use.withdraw(desk.holder, None)):
        with pytest.raises(NotFound):
            await act


async def test_the_secret_is_in_no_row_of_the_database(desk: Desk) -> None:
    made = await desk.use.make_link(LOCAL, subject="rosa")
    secret = (made.secret or "").removeprefix("cwl_")
    assert len(secret) == 43
    assert made.link == f"https://ana.example/c/{made.secret}"
    async with desk.ana.core.store.read() as tx:
        assert secret not in repr([await tx.find(kind) for kind in ALL_ROWS])
        assert len((await tx.find(PrivateLink, {"id": made.id}))[0].hash) == 32
    assert all(view.secret is None and view.link is None for view in await desk.use.links(LOCAL))


async def test_who_tries_many_links_is_slowed_down_and_shuts_nobody_out(desk: Desk) -> None:
    made = await desk.use.make_link(LOCAL, subject="rosa")
    for _ in range(WRONG_A_MINUTE):
        with pytest.raises(NotFound):
            await desk.use.open("cwl_guess", "203.0.113.7")
    with pytest.raises(TooManyAttempts):
        await desk.use.open("cwl_guess", "203.0.113.7")
    assert (await desk.use.open(made.secret or "", "203.0.113.7")).subject == "rosa"
    with pytest.raises(NotFound):
        await desk.use.open("cwl_guess", "203.0.113.8")
    desk.world.clock.time += 60
    with pytest.raises(NotFound):
        await desk.use.open("cwl_guess", "203.0.113.7")


@pytest.mark.parametrize(("days", "lang", "subject"), [(0, "en", "rosa"), (367, "en", "rosa"), (1, "??", "rosa")])
async def test_a_link_that_cannot_be_is_not_made(desk: Desk, days: int, lang: str, subject: str) -> None:
    with pytest.raises(BadInput):
        await desk.use.make_link(LOCAL, subject=subject, lang=lang, days=days)
    with pytest.raises(NotFound, match="'nobody'"):
        await desk.use.make_link(LOCAL, subject="nobody")
    with pytest.raises(NotAllowed):
        await desk.use.make_link(ANYBODY, subject="rosa")


async def test_a_receipt_is_signed_by_the_node_and_a_changed_one_does_not_verify(desk: Desk) -> None:
    act = (await desk.narrow())[0]
    desk.world.clock.time += 400 * DAY_S
    desk.holder = await desk.link("rosa")
    kept = await desk.use.receipt(desk.holder, act.gid)
    proof = verify_document(kept.jws, ConsentProof, {desk.ana.id: desk.ana.history}.get).document
    assert proof.receipt == kept.receipt
    assert proof.iat == act.at
    head, body, signature = kept.jws.split(".")
    with pytest.raises(PeerError):
        verify_document(f"{head}.{body[:-4]}AAAA.{signature}", ConsentProof, {desk.ana.id: desk.ana.history}.get)


async def test_a_permission_noted_by_an_editor_has_a_receipt_too_and_says_when_it_was_taken_back(desk: Desk) -> None:
    noted = (await desk.see()).receipts[0]
    given = (await desk.use.receipt(desk.holder, noted.gid)).receipt["dpv:hasRecordOfActivity"]
    assert [s["@type"][0] for s in given["dpv:hasConsentStatus"]] == ["dpv:ConsentGiven"]
    await desk.use.withdraw(desk.holder, None)
    taken = (await desk.use.receipt(desk.holder, noted.gid)).receipt["dpv:hasRecordOfActivity"]
    assert taken["dpv:hasConsentStatus"][-1]["@type"] == "dpv:ConsentWithdrawn"


async def test_an_act_is_audited_in_its_own_transaction_without_the_pseudonym_or_a_word(desk: Desk) -> None:
    act = (await desk.narrow())[0]
    async with desk.ana.core.store.read() as tx:
        noted = [a for a in await tx.find(Audit) if a.action.startswith("contributor.")]
    assert [a.action for a in noted] == ["contributor.link", "contributor.narrow"]
    assert noted[-1].detail == act.gid
    assert "rosa" not in repr(noted)


async def test_a_crash_in_the_middle_leaves_everything_as_it_was(desk: Desk) -> None:
    await desk.world.quiet()
    before = await desk.world.state()
    desk.ana.store.crash_in = 0
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the process dies
        await desk.use.withdraw(desk.holder, desk.rid, remove=True)
    desk.ana.restart()
    assert await desk.world.state() == before
    async with desk.ana.core.store.read() as tx:
        assert not await tx.find(ContributorAct)


async def test_a_title_that_somebody_else_stands_behind_is_not_shown(desk: Desk) -> None:
    title = ContributorLink(subject="omar", fields=("title",))
    theirs = draft("Omar's secret title", fields=FIELDS, contributors=[ROSA, title])
    await desk.ana.library.create(LOCAL, theirs)
    inside = draft("Inside title", audiences=("node",), fields=FIELDS, contributors=[ROSA])
    await desk.ana.library.create(LOCAL, inside)
    told = (await desk.see()).model_dump_json()
    assert "secret title" not in told
    assert "Inside title" not in told
    assert "A title" in told


async def test_narrower_purposes_and_choices_offered_follow_what_was_permitted(desk: Desk) -> None:
    record = (await desk.see()).records[0]
    assert [c.value for c in record.audiences] == ["", "direct", "node", "stewards"]
    assert [c.value for c in record.audiences if c.chosen] == [""]
    await desk.use.change(desk.holder, desk.rid, audience="node", purposes=[Purpose.LEARNING])
    record = (await desk.see()).records[0]
    assert [c.value for c in record.audiences if c.chosen] == ["node"]
    assert [c.value for c in record.purposes if c.chosen] == ["learning"]
    assert record.may_widen
