"""Letters that peers hand over: reports for us as the origin, answers for us as a holder, and others to hand on.

What is handed on is remembered without its words, so that the answer finds its way back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

from federation.documents import SignedDocument, verify_document
from federation.errors import PeerError
from federation.identity import KeyHistory
from federation.jws import Typ, peek
from federation.letters import Answer, Report, open_text
from node.core import Core
from node.erasure import send_towards
from node.store.governing import ReportRow
from node.store.port import Writer
from node.store.rows import Copy

LETTER: Final = "letter"
MAX_OPEN_OF_ONE: Final = 200  # of one node at the origin: more than its readers write, less than fills a disk
SENT: Final = "sent"
OPEN: Final = "open"
PASSED_ON: Final = "passed-on"
D = TypeVar("D", bound=SignedDocument)


async def take_letter(core: Core, tx: Writer, peer_id: int, token: str, histories: Mapping[str, KeyHistory]) -> None:
    """Take a letter that a peer handed over: keep it if it is for us, else hand it on; one that fails is ignored."""
    try:
        if peek(token)[0] == Typ.REPORT:
            await _take_report(core, tx, peer_id, token, _verified(token, Report, histories))
        else:
            await _take_answer(core, tx, peer_id, token, _verified(token, Answer, histories))
    except PeerError:
        return


def _verified(token: str, model: type[D], histories: Mapping[str, KeyHistory]) -> D:
    return verify_document(token, model, histories.get).document


async def _take_report(core: Core, tx: Writer, peer_id: int, token: str, said: Report) -> None:
    if await tx.get(ReportRow, said.id) is not None:
        return  # it came another way as well
    copies = await tx.get_many(Copy, [(said.to, said.rid)], by=("origin", "rid"))
    if not copies:
        return  # about nothing that was ever here
    mine = said.to == core.node_id
    if await tx.count(ReportRow, {"holder": said.iss, "state": OPEN if mine else PASSED_ON}) >= MAX_OPEN_OF_ONE:
        return
    text = open_text(said.text, core.keys.x25519_secret) if mine else ""
    await tx.put(
        ReportRow(
            said.id, said.to, said.rid, said.ver, False, said.iss, said.what, text, "", core.now(),
            OPEN if mine else PASSED_ON, via=peer_id,
        )
    )  # fmt: skip
    if mine:
        await core.audit(tx, said.iss, "report.received", said.rid, f"{said.id} {said.what}")
    else:
        await send_towards(tx, said.to, {v for v in (copies[0].via,) if v not in (None, peer_id)}, LETTER, token)


async def _take_answer(core: Core, tx: Writer, peer_id: int, token: str, said: Answer) -> None:
    row = await tx.get(ReportRow, said.id)
    if row is None or (row.origin, row.rid, row.holder) != (said.iss, said.rid, said.to):
        return
    if row.answered_at is not None and row.answered_at >= said.iat:
        return  # an earlier answer, or this one again
    if row.state == PASSED_ON:
        await tx.put(replace(row, answered_at=said.iat))
        await send_towards(tx, said.to, () if row.via in (None, peer_id) else (row.via,), LETTER, token)
    elif row.mine:
        text = open_text(said.text, core.keys.x25519_secret)
        await tx.put(replace(row, state=said.done, answer=text, answered_at=said.iat))
        await core.audit(tx, said.iss, "report.answer", row.rid, f"{row.id} {said.done}")
