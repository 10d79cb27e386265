"""Harm reports: a reader says that a record endangers somebody or is wrong; its origin's stewards hear it and answer.

A report about a received record travels as a letter with the receipts (`federation.letters`). Words of reports and
answers go when their record goes: they may repeat what it said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from federation.encoding import b64url_encode
from federation.keys import SEED_BYTES, decode_x25519
from federation.letters import MAX_LETTER_CHARS, Answer, Answered, Report, What, seal_text
from governance.gate import Member, Outcome, Role
from node.copies import CORRECTS, Held
from node.core import Core
from node.erasure import send_towards
from node.errors import BadInput, NotAllowed, NotFound, NotNow
from node.holds.holding import hide_here
from node.peerbook import known_origins
from node.principal import Principal
from node.reading import Readings
from node.reports.letters import LETTER, OPEN, PASSED_ON, SENT
from node.reports.views import CorrectionView, ReportView
from node.store.governing import HoldRow, ReportRow
from node.store.port import Reader, Writer
from node.store.rows import Copy, LinkRow, State

MAX_HIDDEN_BY_MEMBER: Final = 3  # danger is hidden at once on anybody's word, but nobody can hide a library
ID_BYTES: Final = 12
_BUILDS_ON: Final = ("adapted_from", "translation_of", "part_of")


class Reports:
    """Use cases of readers who see a danger, and of the stewards who answer."""

    def __init__(self, core: Core, readings: Readings) -> None:
        self._core = core
        self._readings = readings

    async def report(
        self, who: Principal, ref: str, *, what: str, text: str, origin: str | None = None, hide: bool = False
    ) -> ReportView:
        """Tell the origin of a record; with `hide`, nobody but stewards sees it here until it is looked into."""
        if not who.known:
            raise NotAllowed("reporting needs an account of this node; or tell the organisation that runs it")
        about = _what(what)
        _check(text, "say in a sentence or two what is wrong, and for whom")
        origin, rid = await self._readings.resolve(ref, origin, who)
        async with self._core.store.write() as tx:
            held = await self._readings.held(tx, origin, rid)
            own = origin == self._core.node_id
            row = ReportRow(
                b64url_encode(self._core.entropy.draw(ID_BYTES)), origin, rid, held.row.ver, not own,
                self._core.node_id, about, text.strip(), who.actor, self._core.now(),
                OPEN if own else SENT,
            )  # fmt: skip
            if hide:
                await self._may_hide(tx, who)
                await hide_here(self._core, tx, origin, rid, who.actor, f"report {row.id}")
            if not own:
                await self._send(tx, row, held.row.via)
            await tx.put(row)
            await self._core.audit(tx, who.actor, f"report.{'made' if own else 'sent'}", rid, f"{row.id} {about}")
            view = (await self._views(tx, [row]))[0]
        self._core.bell.ring()
        return view

    async def _may_hide(self, tx: Reader, who: Principal) -> None:
        if isinstance(who.viewer, Member) and who.viewer.role is not Role.MEMBER:
            return
        mine = await tx.find(ReportRow, {"by": who.actor, "state": [OPEN, SENT]})
        hidden = await _hidden(tx)
        if sum((r.origin, r.rid) in hidden for r in mine) >= MAX_HIDDEN_BY_MEMBER:
            raise NotNow(
                f"you have hidden {MAX_HIDDEN_BY_MEMBER} records that nobody has looked into yet; report it without "
                "hiding it, and tell a steward"
            )

    async def _send(self, tx: Writer, row: ReportRow, via: int | None) -> None:
        sealed = await self._sealed(tx, row.origin, row.text)
        document = Report(
            iss=self._core.node_id, iat=self._core.now(), to=row.origin, id=row.id, rid=row.rid, ver=row.ver,
            what=What(row.what), text=sealed,
        )  # fmt: skip
        await send_towards(tx, row.origin, () if via is None else (via,), LETTER, self._core.sign(document))

    async def _sealed(self, tx: Reader, node_id: str, text: str) -> str:
        history = (await known_origins(tx, [node_id])).get(node_id)
        if history is None:
            raise NotNow("the node it is for is not known here any more, so nothing can be sealed for it")
        key = decode_x25519(history.current.keys.x25519.key)
        return seal_text(text, key, self._core.entropy.draw(SEED_BYTES))

    async def answer(self, who: Principal, report_id: str, *, done: str, text: str) -> ReportView:
        """Answer a report that came to us: what we did about it, in words for whoever reported."""
        who.need("steward")
        if done not in tuple(Answered):
            raise BadInput(f"{done!r} is no answer to a report: use one of {', '.join(Answered)}")
        _check(text, "write a sentence to whoever reported it")
        async with self._core.store.write() as tx:
            row = await tx.get(ReportRow, report_id)
            if row is None or row.state == PASSED_ON:
                raise NotFound(f"no report {report_id!r} here; `report list` shows the ones there are")
            if row.origin != self._core.node_id:
                raise NotNow("this report went to another organisation: the answer is theirs")
            row = replace(row, state=done, answer=text.strip(), answered_at=self._core.now())
            if row.holder != self._core.node_id:
                document = Answer(
                    iss=self._core.node_id, iat=self._core.now(), to=row.holder, id=row.id, rid=row.rid,
                    done=Answered(done), text=await self._sealed(tx, row.holder, row.answer),
                )  # fmt: skip
                way = () if row.via is None else (row.via,)
                await send_towards(tx, row.holder, way, LETTER, self._core.sign(document))
            await tx.put(row)
            await self._core.audit(tx, who.actor, "report.answered", row.rid, f"{row.id} {done}")
            view = (await self._views(tx, [row]))[0]
        self._core.bell.ring()
        return view

    async def list(self, who: Principal, *, state: str | None = None) -> Sequence[ReportView]:
        """For stewards every report from here and to us, newest first; for others those they made themselves."""
        if not who.known:
            raise NotAllowed("reports are for people with an account here")
        where = {"state": state} if state else {}
        async with self._core.store.read() as tx:
            rows = [r for r in await tx.find(ReportRow, where) if r.state != PASSED_ON]
            if not who.may("steward"):
                rows = [r for r in rows if r.by == (who.actor) and r.holder == self._core.node_id]
            return await self._views(tx, sorted(rows, key=lambda r: -r.at))

    async def _views(self, tx: Reader, rows: Sequence[ReportRow]) -> Sequence[ReportView]:
        names = await self._readings.names(tx, [n for r in rows for n in (r.origin, r.holder)])
        copies = await tx.get_many(Copy, [(r.origin, r.rid) for r in rows], by=("origin", "rid"))
        titles = {(c.origin, c.rid): Held.read(c).title for c in copies if c.state == State.LIVE}
        hidden = await _hidden(tx)
        return [_view(r, titles.get((r.origin, r.rid)), names, (r.origin, r.rid) in hidden) for r in rows]

    async def corrections(self, who: Principal) -> Sequence[CorrectionView]:
        """Records here that correct something and that `who` may see, newest first, with own records built on them."""
        async with self._core.store.read() as tx:
            situation = await self._core.situation(tx)
            marks = await tx.find(LinkRow, {"rel": CORRECTS})
            rows = [c for c in await tx.get_many(Copy, [(m.copy,) for m in marks]) if c.state == State.LIVE]
            passing = await self._core.passing(tx, situation, rows)
            out = []
            for row in rows:
                held = Held.read(row)
                decision = self._readings.decide(held, who.viewer, situation, passing)
                if decision.outcome is Outcome.SHARE and "correction" in decision.fields:
                    out.append(await self._correction(tx, held))
        return sorted(out, key=lambda c: -c.at)

    async def _correction(self, tx: Reader, held: Held) -> CorrectionView:
        row, said = held.row, held.value("correction")
        back = [b for b in await tx.find(LinkRow, {"to_rid": row.rid}) if b.rel in _BUILDS_ON]
        built = await tx.get_many(Copy, [(b.copy,) for b in back])
        names = await self._readings.names(tx, [row.origin])
        return CorrectionView(
            rid=row.rid, origin=row.origin, origin_name=names.get(row.origin, row.origin), title=held.title,
            ver=row.ver, what=said["what"], note=said["note"], at=row.iat or 0,
            affects=[c.rid for c in built if c.own and c.state == State.LIVE],
        )  # fmt: skip


async def _hidden(tx: Reader) -> set[tuple[str, str]]:
    """The records on hold here, as origin and id."""
    return {(h.origin, h.target) for h in await tx.find(HoldRow, {"scope": "record", "lifted_at": None})}


def _view(row: ReportRow, title: str | None, names: Mapping[str, str], hidden: bool) -> ReportView:
    shown: dict[str, Any] = {name: getattr(row, name) for name in ReportView.model_fields if name in row.columns()}
    return ReportView(
        **shown,
        origin_name=names.get(row.origin, row.origin),
        holder_name=names.get(row.holder, row.holder),
        title=title,
        hidden=hidden,
    )


def _what(word: str) -> What:
    try:
        return What(word)
    except ValueError:
        raise BadInput(f"{word!r} is not what a report is about: use one of {', '.join(What)}") from None


def _check(text: str, remedy: str) -> None:
    if not text.strip():
        raise BadInput(f"the text is empty: {remedy}")
    if len(text) > MAX_LETTER_CHARS:
        raise BadInput(f"the text has {len(text)} characters, at most {MAX_LETTER_CHARS} travel: shorten it")
