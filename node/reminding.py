"""What is due with a peer: an agreement that ends soon, a day to look at it again, confirmations that are late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from governance.agreement import Phase
from governance.speech import ENGLISH, N_, Say
from node.agreements import REMIND_S
from node.core import Core
from node.lateness import Late, Withdrawn, owed_by_us, owed_to_us, withdrawals
from node.peerbook import KnownPeer
from node.principal import Principal
from node.store.port import Reader
from node.views import CheckView
from node.word_views import ReminderView


async def reminders_of(
    reader: Reader, own: str, peer: KnownPeer, withdrawn: Sequence[Withdrawn], now: int, say: Say
) -> list[ReminderView]:
    """Everything that is due with one peer, the most pressing first."""
    owe, owed = await owed_by_us(reader, peer, now), await owed_to_us(reader, own, peer, withdrawn, now)
    return [*_late(peer, owe, owed, say), *_dates(peer, now, say)]


def _late(peer: KnownPeer, owe: Late, owed: Late, say: Say) -> list[ReminderView]:
    name, out = peer.row.name, []
    if owe.count:
        words = say.count(
            "You owe {n} confirmation of a withdrawal to {name}, the oldest since {day}.",
            "You owe {n} confirmations of withdrawals to {name}, the oldest since {day}.",
            owe.count, name=name, day=say.day(owe.oldest),
        )  # fmt: skip
        out.append(_view("owe", peer, owe.oldest, words, owe.count))
    if owed.count:
        words = say.count(
            "{name} owes you {n} confirmation of a withdrawal, the oldest since {day}.",
            "{name} owes you {n} confirmations of withdrawals, the oldest since {day}.",
            owed.count, name=name, day=say.day(owed.oldest),
        )  # fmt: skip
        out.append(_view("owed", peer, owed.oldest, words, owed.count))
    return out


def _dates(peer: KnownPeer, now: int, say: Say) -> list[ReminderView]:
    clauses, phase, out = peer.clauses, peer.phase(now), []
    if clauses is None or phase not in (Phase.ACTIVE, Phase.SUSPENDED, Phase.EXPIRED):
        return []
    over, coming = phase is Phase.EXPIRED, peer.row.proposal is not None
    if clauses.until is not None and clauses.until - REMIND_S <= now and not coming:
        text = (
            N_("The agreement with {name} ended on {day}; renew it to go on.")
            if over
            else N_("The agreement with {name} ends on {day}; renew it in time.")
        )
        out.append(_view("ends", peer, clauses.until, say(text, name=peer.row.name, day=say.day(clauses.until))))
    if clauses.review is not None and clauses.review <= now and not over:
        text = N_("Look again at the agreement with {name}: that was due on {day}.")
        out.append(_view("review", peer, clauses.review, say(text, name=peer.row.name, day=say.day(clauses.review))))
    return out


def _view(kind: str, peer: KnownPeer, at: int, words: str, count: int = 0) -> ReminderView:
    return ReminderView.model_validate(
        {"kind": kind, "node_id": peer.node_id, "name": peer.row.name, "at": at, "count": count, "words": words}
    )


_REMEDY: Final = {
    "ends": "talk to them, then: commonweave peer renew PEER",
    "review": "read it together with them: commonweave agreement show PEER; peer propose changes it",
    "owe": "commonweave sync PEER hands over what waits; doctor's other findings say what keeps an erasure waiting",
    "owed": "ask their administrator; commonweave withdrawals shows what is missing",
}


class Reminding:
    """What stewards should not forget."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def due(self, say: Say) -> Sequence[ReminderView]:
        """What is due with every peer, for the node's own reports."""
        async with self._core.store.read() as tx:
            situation = await self._core.situation(tx)
            peers = (await self._core.peers(tx, situation)).values()
            withdrawn = await withdrawals(tx, self._core.node_id)
            out: list[ReminderView] = []
            for peer in sorted(peers, key=lambda p: p.row.name):
                out += await reminders_of(tx, self._core.node_id, peer, withdrawn, situation.now, say)
        return out

    async def health(self) -> list[CheckView]:
        """What `doctor` says of it: an agreement that has run out and a late confirmation are to be mended."""
        return [
            CheckView(name=f"agreement with {r.name}", ok=r.kind == "review", detail=r.words, remedy=_REMEDY[r.kind])
            for r in await self.due(ENGLISH)
        ]

    async def reminders(self, who: Principal) -> Sequence[ReminderView]:
        """What is due with every peer."""
        who.need("steward")
        return await self.due(who.say)
