"""An impact and a proposal as people see them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from governance.impact import Impact, PeerImpact, Tally
from governance.proposal import State, Verdict
from governance.speech import Say
from node.principal import Principal
from node.reading import Readings
from node.store.port import Reader
from node.store.rows import PeerRow


async def written(tx: Reader, impact: Impact) -> str:
    """What voters are shown, as JSON: per peer counts, kinds, sensitivities and examples.

    Examples are kept as numbers of copies and get their titles when somebody looks (`read_impact`): a title kept here
    would outlive its record, and be shown to stewards who may not read it.
    """
    changed = [p for p in impact.peers if not p.nothing]
    known = {r.node_id: r.name for r in await tx.find(PeerRow)}
    return json.dumps(
        {
            "at": impact.at,
            "records": impact.records,
            "contributors": len(impact.contributors),
            "peers": [_peer(p, known) for p in changed],
        },
        ensure_ascii=False,
    )


def _peer(peer: PeerImpact, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "node_id": peer.node_id,
        "name": names.get(peer.node_id, peer.node_id),
        "starts": _tally(peer.starts),
        "stops": _tally(peer.stops),
        "changes": _tally(peer.changes),
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "records": tally.records,
        "fields_beginning": tally.beginning,
        "fields_ending": tally.ending,
        "by_kind": dict(tally.by_kind),
        "by_sensitivity": dict(tally.by_sensitivity),
        "examples": list(tally.examples),
    }


def what_next(state: State, verdict: Verdict, closes_at: int | None, note: str, say: Say) -> str:
    """What happens next and when, in one sentence."""
    match state:
        case State.DRAFT:
            return say("it is a draft: open it, so that the stewards can vote.")
        case State.OPEN:
            left = say.count("{n} more vote is needed", "{n} more votes are needed", verdict.missing)
            return say("{left} until {day}; else it lapses.", left=left, day=_minute(closes_at or 0))
        case State.APPROVED:
            return say("it is approved and is carried out at {day}.", day=_minute(verdict.due_at or 0))
        case State.REJECTED:
            return say("it was rejected.")
        case State.LAPSED:
            return say("it lapsed: {why}", why=note) if note else say("it lapsed: too few had said yes in time.")
        case State.IN_FORCE:
            return say("it is in force.")
        case State.WITHDRAWN:
            return say("it was taken back.")


def _minute(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


async def read_impact(text: str, readings: Readings, tx: Reader, who: Principal) -> Any:
    """The stored form back, with the titles of those examples that this reader may see."""
    if not text:
        return None
    impact = json.loads(text)
    tallies = [peer[part] for peer in impact["peers"] for part in ("starts", "stops", "changes")]
    titles = await readings.titles(tx, who, sorted({n for tally in tallies for n in tally["examples"]}))
    for tally in tallies:
        tally["examples"] = [titles[n] for n in tally["examples"] if n in titles]
    return impact


def stewards_said(names: Sequence[str]) -> list[str]:
    """In an order that does not change."""
    return sorted(names)
