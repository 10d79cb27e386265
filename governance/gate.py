"""The one gate: what a recipient may have of a record, and why (invariants 1, 2 and 6).

`decide` is consent ∩ agreement ∩ policy. Every argument can only narrow; unknown, missing, expired or empty withholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from governance.agreement import Clauses, Phase, phase_now
from governance.policy import Audience, Effect, Facts, Policy, Rule, Who
from governance.terms import ALL_PURPOSES, DIRECT, NETWORK, NODE, PUBLIC, STEWARDS, Terms, circle_id, meet

TITLE: Final = "title"
BY_PEER: Final = "peer"  # details of a hold: it is on the recipient, or the origin asked for it
BY_ORIGIN: Final = "origin"
TO_ALL: Final = "*"  # in `RecordView.released`: for every recipient


class Role(StrEnum):
    """What a person at this node may do, weakest first."""

    MEMBER = "member"
    EDITOR = "editor"
    STEWARD = "steward"


class Outcome(StrEnum):
    """The gate's answer."""

    SHARE = "share"
    WITHHOLD = "withhold"
    HOLD = "hold"


class Why(StrEnum):
    """Machine words of reasons; `governance.words` makes sentences of them."""

    NO_POLICY = "no-policy"
    POLICY_BROKEN = "policy-broken"
    RULE = "rule"
    NO_RULE = "no-rule"
    NO_AGREEMENT = "no-agreement"
    PHASE = "phase"
    NOT_BEGUN = "not-begun"
    AGREEMENT_KIND = "agreement-kind"
    AGREEMENT_TOPIC = "agreement-topic"
    AGREEMENT_PURPOSE = "agreement-purpose"
    AGREEMENT_ATTACHMENTS = "agreement-attachments"
    PASSING_ON = "passing-on"
    AUDIENCE = "audience"
    PURPOSE = "purpose"
    ENDED = "ended"
    TITLE = "title"
    NO_CONSENT = "no-consent"
    HELD_HERE = "held-here"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a field or a record is shared, withheld or held; `detail` is the word that varies."""

    why: Why
    detail: str = ""
    rule: Rule | None = field(default=None, compare=False, repr=False)


_UNJUDGED: Final = Reason(Why.TITLE)


@dataclass(frozen=True, slots=True)
class Peer:
    """A node as recipient. `circles` are those whose latest roster names it; `held`: a steward has put it on hold."""

    node_id: str
    phase: Phase
    clauses: Clauses | None
    regions: frozenset[str] = frozenset()
    circles: frozenset[str] = frozenset()
    held: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A person with an account here."""

    role: Role
    account: str = ""


@dataclass(frozen=True, slots=True)
class Public:
    """Anybody."""


Recipient = Peer | Member | Public


@dataclass(frozen=True, slots=True)
class RecordView:
    """What the gate sees of a record at this node.

    `sealed` are the signed terms of the fields this node has; `consent` are the effective terms of this second where
    we are the origin (a field missing there is withheld), None where we are a holder. `circles` are those we
    ourselves belong to; `passed_to_us` says that an agreement under which we got it allows passing on. `released`
    names the nodes (or `TO_ALL`) to which stewards let go of just these words, whatever rule would hold them. `held` is
    by a hold of ours, `hidden` by the word of its origin: then only stewards here see it, to decide.
    """

    origin: str
    rid: str
    ver: int
    facts: Facts
    sealed: Mapping[str, Terms]
    consent: Mapping[str, Terms] | None = None
    direct: frozenset[str] = frozenset()
    editors: frozenset[str] = frozenset()
    circles: frozenset[str] = frozenset()
    passed_to_us: bool = False
    held: bool = False
    released: frozenset[str] = frozenset()
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The fields a recipient may have, and a reason for each it may not; made under `policy_version` at `at`."""

    outcome: Outcome
    fields: frozenset[str]
    reasons: tuple[Reason, ...]
    withheld: Mapping[str, Reason]
    policy_version: str
    at: int
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoPolicy:
    """Stands for a policy that is missing or cannot be read: nobody gets anything."""

    problem: str = ""
    version: str = ""


def decide(record: RecordView, to: Recipient, policy: Policy | NoPolicy, now: int) -> Decision:
    """What `to` may have of `record` at second `now`. Never raises for a bad value: it withholds and alarms."""
    try:
        return _decide(record, to, policy, now)
    except Exception as error:
        barred = _nothing(record, Reason(Why.FAILED, type(error).__name__), policy.version, now)
        return replace(barred, alarms=(f"the gate failed on record {record.rid}: {error!r}",))


def _decide(record: RecordView, to: Recipient, policy: Policy | NoPolicy, now: int) -> Decision:
    version = policy.version
    if isinstance(policy, NoPolicy):
        why = Why.POLICY_BROKEN if policy.problem else Why.NO_POLICY
        return _nothing(record, Reason(why, policy.problem), version, now)
    stopped = _stopped(record, to)
    barred = _agreement_bars(record, to, now)
    if stopped is not None and not _is_steward(to):
        barred = stopped
    if barred is not None:
        return _nothing(record, barred, version, now)
    ruling = policy.ruling(record.facts, audience_of(to), now, released=_released(record, to))
    if ruling.effect is not Effect.SHARE:
        reasons = tuple(Reason(Why.RULE, r.id, r) for r in ruling.rules) or (Reason(Why.NO_RULE),)
        outcome = Outcome.HOLD if ruling.effect is Effect.HOLD else Outcome.WITHHOLD
        return Decision(
            outcome, frozenset(), reasons, dict.fromkeys(record.sealed, reasons[0]), version, now, ruling.alarms
        )
    withheld = _withheld_fields(record, to, ruling.redactions, now)
    if TITLE not in record.sealed or TITLE in withheld:
        cause = withheld.get(TITLE, Reason(Why.TITLE))
        rest = {name: withheld.get(name, Reason(Why.TITLE)) for name in record.sealed}
        return Decision(Outcome.WITHHOLD, frozenset(), (cause,), rest, version, now, ruling.alarms)
    shared = frozenset(record.sealed.keys() - withheld.keys())
    reasons = tuple(Reason(Why.RULE, r.id, r) for r in ruling.rules)
    if stopped is not None:  # a steward sees it, and sees that it is on hold
        reasons = (stopped, *reasons)
    return Decision(Outcome.SHARE, shared, reasons, withheld, version, now, ruling.alarms)


def _stopped(record: RecordView, to: Recipient) -> Reason | None:
    """An emergency hold that stands between this record and this recipient: ours, or the word of its origin."""
    if isinstance(to, Peer) and to.held:
        return Reason(Why.HELD_HERE, BY_PEER)
    if record.held:
        return Reason(Why.HELD_HERE)
    return Reason(Why.HELD_HERE, BY_ORIGIN) if record.hidden else None


def _is_steward(to: Recipient) -> bool:
    return isinstance(to, Member) and to.role is Role.STEWARD


def _released(record: RecordView, to: Recipient) -> bool:
    return TO_ALL in record.released or (isinstance(to, Peer) and to.node_id in record.released)


def _nothing(record: RecordView, reason: Reason, version: str, now: int) -> Decision:
    return Decision(Outcome.WITHHOLD, frozenset(), (reason,), dict.fromkeys(record.sealed, reason), version, now)


def audience_of(to: Recipient) -> Audience:
    """The recipient as rules see it."""
    match to:
        case Peer():
            agreement = to.clauses.agreement_id if to.clauses else ""
            return Audience(Who.PEER, to.node_id, to.regions, to.circles, agreement)
        case Member():
            return Audience(Who.MEMBER, role=to.role)
        case Public():
            return Audience(Who.PUBLIC)


def _agreement_bars(record: RecordView, to: Recipient, now: int) -> Reason | None:
    """Why an agreement lets nothing of the record pass, if it does not: the one with `to`, or the one it came under."""
    if isinstance(to, Public):  # a page for anybody is read by other nodes too: showing there is passing on
        return None if record.facts.own or record.passed_to_us else Reason(Why.PASSING_ON)
    if not isinstance(to, Peer):
        return None
    if to.clauses is None:
        return Reason(Why.NO_AGREEMENT)
    phase = phase_now(to.phase, to.clauses, now)
    if phase is Phase.AGREED:
        return Reason(Why.NOT_BEGUN, str(to.clauses.starts))
    if phase is not Phase.ACTIVE:
        return Reason(Why.PHASE, phase)
    clauses, facts = to.clauses, record.facts
    if clauses.kinds and facts.kind not in clauses.kinds:
        return Reason(Why.AGREEMENT_KIND, facts.kind)
    if clauses.topics and not clauses.topics & (facts.topics or frozenset()):
        return Reason(Why.AGREEMENT_TOPIC)
    if not facts.own and record.origin != to.node_id and not record.passed_to_us:
        return Reason(Why.PASSING_ON)
    return None


def _withheld_fields(record: RecordView, to: Recipient, redactions: tuple[Rule, ...], now: int) -> dict[str, Reason]:
    judged: dict[Terms, Reason | None] = {}  # a record has few distinct terms; each is judged once
    consent = record.consent
    without_files = isinstance(to, Peer) and to.clauses is not None and not to.clauses.attachments
    out: dict[str, Reason] = {}
    for name, terms in record.sealed.items():
        if consent is not None:
            permitted = consent.get(name)
            if permitted is None:
                out[name] = Reason(Why.NO_CONSENT)
                continue
            if permitted is not terms and permitted != terms:
                terms = meet(terms, permitted)  # noqa: PLW2901 - the terms that count
        bar = judged.get(terms, _UNJUDGED)
        if bar is _UNJUDGED:
            bar = judged[terms] = _terms_bar(terms, record, to, now)
        if bar is None and redactions:
            bar = _redaction(name, redactions)
        if bar is None and without_files and name.startswith("attachment:"):
            bar = Reason(Why.AGREEMENT_ATTACHMENTS)
        if bar is not None:
            out[name] = bar
    return out


def _redaction(name: str, redactions: tuple[Rule, ...]) -> Reason | None:
    for rule in redactions:
        if rule.covers(name):
            return Reason(Why.RULE, rule.id, rule)
    return None


def _terms_bar(terms: Terms, record: RecordView, to: Recipient, now: int) -> Reason | None:
    if terms.ended(now):
        return Reason(Why.ENDED, str(terms.until))
    if not terms.audiences:
        return Reason(Why.AUDIENCE, "nobody")
    for audience in sorted(terms.audiences):
        if not _admits(audience, record, to):
            return Reason(Why.AUDIENCE, audience)
    allowed = to.clauses.purposes if isinstance(to, Peer) and to.clauses else ALL_PURPOSES
    if not terms.purposes & allowed:
        why = Why.AGREEMENT_PURPOSE if terms.purposes else Why.PURPOSE
        return Reason(why, ", ".join(sorted(terms.purposes)))
    return None


def _admits(audience: str, record: RecordView, to: Recipient) -> bool:
    match to:
        case Public():
            return audience == PUBLIC
        case Member():
            return _admits_member(audience, record, to)
        case Peer():
            return _admits_peer(audience, record, to)


def _admits_member(audience: str, record: RecordView, to: Member) -> bool:
    own = record.facts.own
    if audience == STEWARDS:
        return own and (to.role is Role.STEWARD or (bool(to.account) and to.account in record.editors))
    if audience == NODE:
        return own
    circle = circle_id(audience)
    return circle is None or own or circle in record.circles


def _admits_peer(audience: str, record: RecordView, to: Peer) -> bool:
    own = record.facts.own
    if audience in (NETWORK, PUBLIC):
        return True  # an active agreement is already established
    if audience == DIRECT:
        return own and to.node_id in record.direct
    circle = circle_id(audience)
    return circle is not None and circle in to.circles and (own or circle in record.circles)
