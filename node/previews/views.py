"""A preview as people see it: numbers, examples by title, and sentences."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from governance.impact import Impact, PeerImpact, Tally
from governance.speech import NN_, Say
from governance.words import kind_words, listed
from node.views import View

_STARTS = NN_(
    "{name} would begin to get {n} record ({fields} fields).",
    "{name} would begin to get {n} records ({fields} fields).",
)
_STOPS = NN_(
    "{name} would lose {n} record: it is asked to erase it.",
    "{name} would lose {n} records: it is asked to erase them.",
)
_CHANGES = NN_(
    "{name} would get {n} record with other fields ({more} more, {fewer} fewer).",
    "{name} would get {n} records with other fields ({more} more, {fewer} fewer).",
)


class ImpactTallyView(View):
    """Records, the fields in them that begin and end, what they are, and the titles of some."""

    records: int
    fields_beginning: int
    fields_ending: int
    by_kind: dict[str, int]
    by_sensitivity: dict[str, int]
    examples: list[str]


class PeerImpactView(View):
    """What would change for one peer."""

    node_id: str
    name: str
    starts: ImpactTallyView
    stops: ImpactTallyView
    changes: ImpactTallyView
    words: list[str]


class ImpactView(View):
    """What a change would do, peer by peer; peers for which nothing would change are only counted."""

    at: int
    records: int = Field(description="records that were looked at")
    peers: list[PeerImpactView]
    unchanged: int = Field(description="peers for which nothing would change")
    contributors: list[str] = Field(description="pseudonyms of the people behind the records concerned")
    digest: str
    words: list[str]


class PreviewLine(View):
    """How far a preview has come; the last line has the impact."""

    done: int
    total: int
    impact: ImpactView | None = None


def impact_view(impact: Impact, names: Mapping[str, str], titles: Mapping[int, str], say: Say) -> ImpactView:
    """An impact for people and programs."""
    peers = [_peer(p, names.get(p.node_id, p.node_id), titles, say) for p in impact.peers if not p.nothing]
    unchanged = len(impact.peers) - len(peers)
    return ImpactView(
        at=impact.at,
        records=impact.records,
        peers=peers,
        unchanged=unchanged,
        contributors=list(impact.contributors),
        digest=impact.digest(),
        words=_words(impact, unchanged, say),
    )


def _words(impact: Impact, unchanged: int, say: Say) -> list[str]:
    if impact.nothing:
        return [say("Nothing would change for any peer.")]
    out = []
    if unchanged:
        out.append(say.count("Nothing would change for {n} peer.", "Nothing would change for {n} peers.", unchanged))
    if not impact.wider:
        out.append(say("Nothing would begin to be shared that is not shared now."))
    if impact.contributors:
        n = len(impact.contributors)
        out.append(say.count("{n} contributor is concerned.", "{n} contributors are concerned.", n))
    return out


def _peer(peer: PeerImpact, name: str, titles: Mapping[int, str], say: Say) -> PeerImpactView:
    words = []
    for tally, (one, many) in ((peer.starts, _STARTS), (peer.stops, _STOPS), (peer.changes, _CHANGES)):
        if tally.records:
            words.append(
                say.count(
                    one, many, tally.records,
                    name=name, fields=tally.beginning, more=tally.beginning, fewer=tally.ending,
                )
            )  # fmt: skip
            words.append(_kinds(tally, say))
    starts, stops, changes = (_tally(t, titles) for t in (peer.starts, peer.stops, peer.changes))
    return PeerImpactView(node_id=peer.node_id, name=name, starts=starts, stops=stops, changes=changes, words=words)


def _kinds(tally: Tally, say: Say) -> str:
    kinds = [f"{kind_words(kind, say)}: {n}" for kind, n in tally.by_kind.items()]
    return say("By kind: {kinds}.", kinds=listed(kinds, say))


def _tally(tally: Tally, titles: Mapping[int, str]) -> ImpactTallyView:
    return ImpactTallyView(
        records=tally.records,
        fields_beginning=tally.beginning,
        fields_ending=tally.ending,
        by_kind=dict(tally.by_kind),
        by_sensitivity=dict(tally.by_sensitivity),
        examples=[titles[n] for n in tally.examples if n in titles],
    )
