"""Agreements as living objects: reminders, renewal, and words that both sides sign (DESIGN 7)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from federation.documents import Agreement, verify_agreement
from federation.errors import PeerError
from governance.agreement import Phase
from governance.promises import RENDERING
from node.agreements import DAY_S, ProposedAgreement, read_proposal, words_differ, write_proposal
from node.errors import BadInput, NotNow
from node.principal import LOCAL
from node.reminding import Reminding
from node.store.rows import PeerRow
from tests.unit.node.met import Two
from tests.unit.node.test_agreeing import _agree
from tests.world import START, WorldNode

FULL = ProposedAgreement(
    kinds=("guide", "story"), topics=("floods",), days=100, review=START + 50 * DAY_S, suspend_overdue=True,
    conflict="First the two coordinators talk; then the {regional} council decides.",
)  # fmt: skip


async def _proposed(at: WorldNode, other: WorldNode) -> Agreement:
    row = await at.peer(other)
    return read_proposal(row.proposal or row.agreement_source or "").document


async def _altered(two: Two, here: WorldNode, there: WorldNode, **changes: object) -> None:
    """`here` proposes an agreement that its own program would never draw up."""
    await two.peers[here.id].propose(LOCAL, there.id, FULL)
    two.lines[here.name].open = True
    async with here.store.write() as tx:
        row = (await tx.get_many(PeerRow, [(there.id,)], by=("node_id",)))[0]
        document = read_proposal(row.proposal or "").document.model_copy(update={"id": "altered", "n": 7, **changes})
        await tx.put(replace(row, proposal=write_proposal(document, ())))


@pytest.mark.parametrize("lang", ["en", "es", "fr", "pt", "ar", "sw"])
async def test_both_sides_sign_the_words_of_the_clauses(lang: str, two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await _agree(two, ana, bao, FULL.model_copy(update={"lang": lang}))
    for here, there in ((ana, bao), (bao, ana)):
        row = await here.peer(there)
        tokens = tuple(t.encode() for t in json.loads(row.agreement or "[]"))
        signed = verify_agreement(tokens, {ana.id: ana.history, bao.id: bao.history}.get)
        assert signed.complete
        assert (signed.document.lang, signed.document.rendering) == (lang, RENDERING)
        assert FULL.conflict in signed.document.words[-1]
        assert not words_differ(signed.document)


async def test_a_proposal_whose_words_say_something_else_than_its_clauses_is_not_taken_up(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    words = ("Nothing will ever be passed on.",)
    await _altered(two, ana, bao, words=words)
    with pytest.raises(PeerError, match="something else"):
        await two.peers[ana.id].exchange_agreement((await ana.peer(bao)).id)
    assert (await _proposed(bao, ana)).id != "altered"


@pytest.mark.parametrize("unknown", [{"rendering": RENDERING + 1}, {"lang": "tlh"}])
async def test_words_of_a_later_version_or_an_unknown_language_are_shown_beside_ours_with_a_warning(
    unknown: dict[str, object], two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    await _altered(two, ana, bao, words=("We share as the river does.",), **unknown)
    await two.peers[ana.id].exchange_agreement((await ana.peer(bao)).id)
    view = (await two.peers[bao.id].get(LOCAL, ana.id)).proposal
    assert view is not None
    assert view.signed_words == ["We share as the river does."]
    assert "compare them" in view.words_warning
    assert "It may be used for learning." in view.words


async def test_an_agreement_without_words_is_taken_up_and_says_so(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await _altered(two, ana, bao, words=(), lang=None, rendering=0)
    await two.peers[ana.id].exchange_agreement((await ana.peer(bao)).id)
    for here, there in ((ana, bao), (bao, ana)):
        await two.peers[here.id].approve(LOCAL, there.id)
    view = (await two.peers[bao.id].get(LOCAL, ana.id)).agreement
    assert view is not None
    assert (view.signed_by_us, view.signed_by_them, view.signed_words) == (True, True, [])
    assert "without words" in view.words_warning


async def test_a_reader_sees_the_words_in_their_language_and_what_was_signed_beside(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    await _agree(two, ana, bao, FULL)
    view = (await two.peers[bao.id].get(replace(LOCAL, langs=("sw-KE",)), ana.id)).agreement
    assert view is not None
    assert "It may be used for learning." in view.signed_words
    assert "It may be used for learning." not in view.words
    assert len(view.words) == len(view.signed_words)
    assert view.words_warning == ""


async def test_from_30_days_before_its_end_an_agreement_is_brought_to_mind(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    await _agree(two, ana, bao, ProposedAgreement(days=100))
    for day, due in ((69, []), (70, ["ends"]), (99, ["ends"]), (101, ["ends"])):
        two.world.clock.time = START + day * DAY_S
        for node in (ana, bao):
            assert [r.kind for r in await Reminding(node.core).reminders(LOCAL)] == due


async def test_from_the_day_of_review_on_it_is_brought_to_mind(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await _agree(two, ana, bao, FULL)
    for day, due in ((49, []), (50, ["review"]), (71, ["ends", "review"])):
        two.world.clock.time = START + day * DAY_S
        assert [r.kind for r in await Reminding(bao.core).reminders(LOCAL)] == due


async def test_renewing_proposes_the_same_clauses_with_a_new_end(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await _agree(two, ana, bao, FULL.model_copy(update={"lang": "fr"}))
    before = await _proposed(ana, bao)
    two.world.clock.time = START + 80 * DAY_S

    await two.peers[ana.id].renew_agreement(LOCAL, bao.id, 365)

    renewed = await _proposed(bao, ana)
    assert renewed.clauses.until == START + 465 * DAY_S
    assert renewed.clauses.review == START + (80 + 365) * DAY_S
    same = {"until": None, "review": None, "starts": 0}
    assert renewed.clauses.model_copy(update=same) == before.clauses.model_copy(update=same)
    assert (renewed.n, renewed.lang) == (before.n + 1, "fr")
    assert [r.kind for r in await Reminding(bao.core).reminders(LOCAL)] == ["review"]  # the end is being seen to
    for here, there in ((ana, bao), (bao, ana)):
        await two.peers[here.id].approve(LOCAL, there.id)
    two.world.clock.time = START + 200 * DAY_S
    assert await two.phase(ana, bao) == await two.phase(bao, ana) == Phase.ACTIVE


async def test_an_agreement_that_has_expired_is_renewed_from_today(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await _agree(two, ana, bao, ProposedAgreement(days=10))
    two.world.clock.time = START + 50 * DAY_S
    await two.peers[bao.id].renew_agreement(LOCAL, ana.id, 30)
    assert (await _proposed(ana, bao)).clauses.until == START + 80 * DAY_S


async def test_what_has_no_end_has_nothing_to_renew(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await _agree(two, ana, bao, ProposedAgreement(days=None))
    with pytest.raises(NotNow, match="no end"):
        await two.peers[ana.id].renew_agreement(LOCAL, bao.id)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"review": START - 1}, "review"),
        ({"review": START + 11 * DAY_S}, "review"),
        ({"lang": "tlh"}, "one of en"),
    ],
)
async def test_a_clause_that_makes_no_sense_is_refused_and_changes_nothing(
    wrong: dict[str, object], said: str, two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    before = await ana.peer(bao)
    with pytest.raises(BadInput, match=said):
        await two.peers[ana.id].propose(LOCAL, bao.id, ProposedAgreement(days=10).model_copy(update=wrong))
    assert await ana.peer(bao) == before
