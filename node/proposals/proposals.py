"""Use cases around proposals: drafting, opening, talking, voting, taking back (DESIGN 9).

Nothing is carried out here: `node.proposals.carrying` does that, once the votes and the waiting period allow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from governance.errors import GovernanceError
from governance.impact import Impact
from governance.proposal import UNDECIDED, Choice, Move, State, content_hash, step
from node.errors import BadInput, NotAllowed, NotFound, NotNow
from node.principal import LOCAL, Principal
from node.proposal_views import ProposalLine, ProposalView
from node.proposals.acts import Act, write_act
from node.proposals.carrying import Carrying
from node.proposals.showing import written
from node.stewards import electorate, voter
from node.store.governing import CommentRow, ProposalRow, VoteRow
from node.store.port import Reader, Writer

MAX_TITLE_CHARS: Final = 200
MAX_COMMENT_CHARS: Final = 5_000  # a page and a half: what the others will still read
MIN_REF: Final = 8  # of a proposal's id
MIN_HASH: Final = 12  # of the hash that a vote names: 48 bits that the voter read off the screen
_AS_YOURSELF: Final = (
    ": vote as yourself with `--token-file FILE`, where FILE holds what `token create LABEL --account NAME --scope "
    "read --scope write --scope steward` shows"
)
MAX_LISTED: Final = 500  # newest first; older ones are found by their state


@dataclass(frozen=True)
class _Drawn:
    """An act with its names made exact, and what voters are shown of what it would do."""

    act: Act
    digest: str
    preview: str
    seen: bytes | None

    def onto(self, row: ProposalRow) -> ProposalRow:
        """The row with this text and preview, and the hash of both."""
        body = write_act(self.act)
        digest = content_hash(self.act.kind, body, self.digest)
        return replace(row, kind=self.act.kind, body=body, preview=self.preview, seen=self.seen, hash=digest)


class Proposals(Carrying):
    """What stewards do with proposals."""

    async def draft(self, who: Principal, act: Act, title: str = "") -> ProposalView:
        """A proposal that nobody votes on yet."""
        return await self._add(who, act, title, State.DRAFT)

    async def propose(self, who: Principal, act: Act, title: str = "") -> ProposalView:
        """A proposal that is open at once."""
        return await self._add(who, act, title, State.OPEN)

    async def from_node(self, by: str, act: Act) -> str:
        """A proposal that the node itself makes, such as for a changed policy file; its id."""
        drawn = await self._draw(act)
        row = self._opened(drawn.onto(self._blank(by, act, "")))
        async with self._core.store.write() as tx:
            for old in await tx.find(ProposalRow, {"state": list(UNDECIDED), "kind": row.kind}):
                if old.by == by:  # a newer wish takes its place
                    await tx.put(replace(old, state=State.WITHDRAWN, done_at=self._core.now()))
            await tx.put(row)
            await self._core.audit(tx, by, "proposal.open", row.pid, row.kind)
        self._core.bell.ring()
        return row.pid

    async def _add(self, who: Principal, act: Act, title: str, state: State) -> ProposalView:
        who.need("steward")
        drawn = await self._draw(act)
        row = drawn.onto(self._blank(voter(who), act, _title(title)))
        if state is State.OPEN:
            row = self._opened(row)
        async with self._core.store.write() as tx:
            await tx.put(row)
            await self._core.audit(tx, who.actor, f"proposal.{state}", row.pid, row.kind)
        self._core.bell.ring()
        return await self.show(who, row.pid)

    def _blank(self, by: str, act: Act, title: str) -> ProposalRow:
        return ProposalRow(self._core.new_id(), act.kind, State.DRAFT, title, "", by, self._core.now())

    def _opened(self, row: ProposalRow) -> ProposalRow:
        now = self._core.now()
        state = _moved(row, Move.OPEN)
        return replace(row, state=state, opened_at=now, closes_at=now + self._rules(row.kind).open_s)

    async def _draw(self, act: Act) -> _Drawn:
        """Check an act and see what it would do, over one snapshot."""
        doing = self._doing(act)
        async with self._core.store.read() as tx:
            act = await doing.settle(tx, act)
            what_if = await doing.what_if(tx, act)
            impact = None if what_if is None else await self._previews.impact(what_if, tx=tx)
            return _Drawn(act, *await shown(tx, impact))

    async def open(self, who: Principal, ref: str) -> ProposalView:
        """Put a draft before the stewards; its preview is of now."""
        who.need("steward")
        row = await self._own(who, ref)
        _moved(row, Move.OPEN)
        drawn = await self._draw(self._act(row))
        async with self._core.store.write() as tx:
            row = self._opened(drawn.onto(await self._row(tx, row.pid)))
            await tx.put(row)
            await self._core.audit(tx, who.actor, "proposal.open", row.pid, row.kind)
        self._core.bell.ring()
        return await self.show(who, row.pid)

    async def edit(self, who: Principal, ref: str, act: Act, title: str | None = None) -> ProposalView:
        """Change what is proposed. Votes named the former text, so all of them are gone; so does the waiting."""
        who.need("steward")
        row = await self._own(who, ref)
        _moved(row, Move.EDIT)
        drawn = await self._draw(act)
        async with self._core.store.write() as tx:
            row = await self._row(tx, row.pid)
            row = replace(drawn.onto(row), state=_moved(row, Move.EDIT), approved_at=None)
            row = replace(row, title=row.title if title is None else _title(title))
            if row.state == State.OPEN:
                row = replace(row, closes_at=self._core.now() + self._rules(row.kind).open_s)
            await tx.put(row)
            await tx.delete(VoteRow, {"pid": row.pid})
            await self._core.audit(tx, who.actor, "proposal.edit", row.pid, row.kind)
        self._core.bell.ring()
        return await self.show(who, row.pid)

    async def comment(self, who: Principal, ref: str, text: str) -> ProposalView:
        """Say something about a proposal."""
        who.need("steward")
        said = text.strip()
        if not said or len(said) > MAX_COMMENT_CHARS:
            raise BadInput(f"a comment has 1 to {MAX_COMMENT_CHARS} characters, not {len(said)}")
        async with self._core.store.write() as tx:
            row = await self._row(tx, ref)
            await tx.put(CommentRow(await tx.next_seq(), row.pid, voter(who), self._core.now(), said))
        return await self.show(who, row.pid)

    async def vote(self, who: Principal, ref: str, choice: str, seen: str) -> ProposalView:
        """Vote on just what `seen` names, a hash or its first letters; a second vote takes the place of the first."""
        who.need("steward")
        said = _choice(choice)
        async with self._core.store.write() as tx:
            row = await self._settled(tx, await self._row(tx, ref))
            _moved(row, Move.VOTE)
            await self._may_vote(tx, who)
            _check_seen(row, seen)
            await tx.put(VoteRow(row.pid, voter(who), said, row.hash, self._core.now()))
            await self._core.audit(tx, who.actor, "proposal.vote", row.pid, said)
            row = await self._settled(tx, row)
        await self.carry_out(row.pid)
        self._core.bell.ring()
        return await self.show(who, row.pid)

    async def withdraw(self, who: Principal, ref: str) -> ProposalView:
        """Take back what one has proposed oneself."""
        who.need("steward")
        row = await self._own(who, ref)
        async with self._core.store.write() as tx:
            row = await self._row(tx, row.pid)
            row = replace(row, state=_moved(row, Move.WITHDRAW), done_at=self._core.now())
            await tx.put(row)
            await self._core.audit(tx, who.actor, "proposal.withdraw", row.pid)
        return await self.show(who, row.pid)

    async def list(self, who: Principal, state: str | None = None) -> Sequence[ProposalLine]:
        """Proposals, newest first."""
        who.need("steward")
        if state is not None and state not in tuple(State):
            raise BadInput(f"unknown state {state!r}: one of {', '.join(State)}")
        where = {"state": state} if state else None
        async with self._core.store.read() as tx:
            rows = await tx.find(ProposalRow, where, order="created_at", descending=True, limit=MAX_LISTED)
            return [await self._line(tx, who, row) for row in rows]

    async def show(self, who: Principal, ref: str) -> ProposalView:
        """A proposal with all that a steward needs to decide on it."""
        who.need("steward")
        async with self._core.store.read() as tx:
            return await self._view(tx, who, await self._row(tx, ref))

    async def _row(self, tx: Reader, ref: str) -> ProposalRow:
        name = ref.strip().lower()
        row = await tx.get(ProposalRow, name)
        if row is not None:
            return row
        fits = [r for r in await tx.find(ProposalRow) if len(name) >= MIN_REF and r.pid.startswith(name)]
        if len(fits) > 1:
            raise BadInput(f"{ref!r} fits {len(fits)} proposals: give more of the id")
        if not fits:
            raise NotFound(f"no proposal {ref!r}; `proposal list` shows them")
        return fits[0]

    async def _own(self, who: Principal, ref: str) -> ProposalRow:
        async with self._core.store.read() as tx:
            row = await self._row(tx, ref)
        if row.by != voter(who):
            raise NotAllowed(f"{row.by} proposed this, and alone can change it or take it back; comment on it instead")
        return row

    async def _may_vote(self, tx: Writer, who: Principal) -> None:
        if voter(who) not in await electorate(tx):
            raise NotAllowed(
                f"only stewards vote, and {voter(who)} is none{_AS_YOURSELF if who == LOCAL else ': ask one of them'}"
            )


def _title(title: str) -> str:
    if len(title.strip()) > MAX_TITLE_CHARS:
        raise BadInput(f"a title has at most {MAX_TITLE_CHARS} characters: put the rest into a comment")
    return title.strip()


def _choice(choice: str) -> Choice:
    try:
        return Choice(choice)
    except ValueError:
        raise BadInput(f"{choice!r} is no vote: say {' or '.join(Choice)}") from None


def _check_seen(row: ProposalRow, seen: str) -> None:
    named = seen.strip().lower()
    if len(named) < MIN_HASH:
        raise BadInput(f"name what you have seen: the proposal's hash, or its first {MIN_HASH} letters or more")
    if not row.hash.startswith(named):
        raise NotNow("the proposal is another one than you have seen: look at it again, then vote")


def _moved(row: ProposalRow, move: Move) -> State:
    try:
        return step(State(row.state), move)
    except GovernanceError as error:
        raise NotNow(str(error)) from error


async def shown(tx: Reader, impact: Impact | None) -> tuple[str, str, bytes | None]:
    """The digest of an impact, the impact as JSON, and all that begins to be shared, packed."""
    if impact is None:
        return "", "", None
    return impact.digest(), await written(tx, impact), impact.pack()
