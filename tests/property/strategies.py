"""Hypothesis strategies for the governance values: a small world, so that things meet often."""

from __future__ import annotations

from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from governance.agreement import Clauses, Phase
from governance.consent import Grant
from governance.gate import Member, Peer, Public, Recipient, RecordView, Role
from governance.policy import DAY_S, Conditions, Effect, Example, Facts, Policy, Rule, Who
from governance.record import ContributorLink, Draft, Sensitivity
from governance.terms import DIRECT, NETWORK, NODE, PUBLIC, STEWARDS, Purpose, Terms

OWNER = "z6Mk" + "a" * 44
CIRCLES = tuple(f"{OWNER}.{name}" for name in ("coast", "hills", "youth"))
AUDIENCES = (STEWARDS, NODE, DIRECT, NETWORK, PUBLIC, *(f"circle:{c}" for c in CIRCLES))
NODES = ("did:key:one", "did:key:two", "did:key:three")
FIELDS = ("title", "summary", "context", "person:ana", "place:port", "quote:q1", "attachment:map")
KINDS = ("case_study", "story", "guide")
TOPICS = ("water", "mediation", "radio")
REGIONS = ("KE", "BR", "ID")
LABELS = ("tlp:red", "tlp:amber", "tlp:clear")
ACCOUNTS = ("amina", "bao")
SUBJECTS = ("s1", "s2")
TIMES = st.integers(0, 1_000)  # unix seconds; the world lasts a quarter of an hour


POOL = 400  # prebuilt values per type: drawing one is a single choice, so laws run on thousands of combinations
_dice = Random(20_240)  # fixed: the same world in every run


T = TypeVar("T")


def _some(words: tuple[T, ...], at_most: int, at_least: int = 0) -> frozenset[T]:
    return frozenset(_dice.sample(words, _dice.randint(at_least, at_most)))


def _rarely(one_in: int) -> bool:
    return _dice.randrange(one_in) == 0


def _end() -> int | None:
    return _dice.randrange(1_000) if _rarely(4) else None


def _terms() -> Terms:
    wide = _dice.choice((frozenset({PUBLIC}), frozenset({NETWORK})))
    return Terms(_some(AUDIENCES, 3, 1) if _rarely(2) else wide, _purposes(), _end())


def _purposes() -> frozenset[Purpose]:
    return _some(tuple(Purpose), 4) if _rarely(3) else frozenset(Purpose)


def _facts() -> Facts:
    return Facts(
        kind=_dice.choice(KINDS),
        lang=_dice.choice(("en", "pt-BR", "sw")),
        origin=_dice.choice(NODES),
        iat=_dice.choice((0, -DAY_S, -2 * DAY_S)),
        own=not _rarely(3),
        topics=None if _rarely(6) else _some(TOPICS, 3),
        regions=None if _rarely(6) else _some(REGIONS, 2),
        labels=None if _rarely(6) else _some(LABELS, 2),
        sensitivity=_dice.choice((None, "", *Sensitivity)),
        licence=_dice.choice((None, "", "CC0-1.0", "MIT")),
        purposes=_some(tuple(map(str, Purpose)), 4),
    )


def _clauses() -> Clauses:
    return Clauses(
        agreement_id=_dice.choice(("a1", "a2")),
        purposes=_purposes(),
        kinds=_some(KINDS, 3) if _rarely(3) else frozenset(),
        topics=_some(TOPICS, 3) if _rarely(3) else frozenset(),
        attachments=not _rarely(3),
        until=_end(),
    )


def _peer() -> Peer:
    return Peer(
        node_id=_dice.choice(NODES),
        phase=_dice.choice(tuple(Phase)) if _rarely(5) else Phase.ACTIVE,
        clauses=None if _rarely(9) else _clauses(),
        regions=_some(REGIONS, 2),
        circles=_some(CIRCLES, 3),
    )


def _conditions(*, circle: bool = False, ages: bool = False) -> Conditions:
    """One to three conditions; `circle` only where the model allows it, `ages` where time may move decisions."""
    known = {**_CONDITION_WORDS, **({"circle": CIRCLES} if circle else {})}
    written: dict[str, object] = {n: tuple(_some(known[n], 2, 1)) for n in _some(tuple(known), 3, 1)}
    if _rarely(6):
        written["own"] = _rarely(2)
    if ages and _rarely(2):
        written[_dice.choice(("older_than_days", "younger_than_days"))] = _dice.randrange(3)
    return Conditions.model_validate(written)


_CONDITION_WORDS: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "topics": TOPICS,
    "regions": REGIONS,
    "language": ("en", "pt", "sw"),
    "labels": (*LABELS, "tlp:*"),
    "licence": ("CC0-1.0", "*"),
    "purposes": tuple(map(str, Purpose)),
    "origin": NODES,
    "sensitivity": tuple(map(str, Sensitivity)),
    "peer": NODES,
    "peer_regions": REGIONS,
    "agreement": ("a1", "a2"),
    "role": tuple(map(str, Role)),
}


def _rule(effect: Effect, *, ages: bool) -> Rule:
    """A rule of one effect; half of the share rules ask nothing, or little would ever be shared."""
    share = effect is Effect.SHARE
    return Rule(
        id="pool",
        effect=effect,
        reason={"en": "because"},
        to=_some(tuple(Who), 3, 1) if _rarely(3) else frozenset(Who),
        when=Conditions() if share and not _rarely(2) else _conditions(circle=share, ages=ages),
        unless=_conditions(circle=not share, ages=ages) if _rarely(3) else None,
        fields=tuple(_some(("person:*", "place:*", "summary", "t*"), 2, 1)) if effect is Effect.REDACT else (),
        example=(Example(),),
    )


purposes = st.frozensets(st.sampled_from(Purpose))
audiences = st.frozensets(st.sampled_from(AUDIENCES), min_size=1, max_size=4)
any_terms = st.builds(Terms, st.frozensets(st.sampled_from(AUDIENCES), max_size=4), purposes, st.none() | TIMES)
terms = st.sampled_from([_terms() for _ in range(POOL)])
facts = st.sampled_from([_facts() for _ in range(POOL)])
peers: st.SearchStrategy[Peer] = st.sampled_from([_peer() for _ in range(POOL)])
members = st.builds(Member, role=st.sampled_from(Role), account=st.sampled_from((*ACCOUNTS, "")))
recipients: st.SearchStrategy[Recipient] = peers | members | st.just(Public())
_RULES = {
    (effect, ages): [_rule(effect, ages=ages) for _ in range(POOL)] for effect in Effect for ages in (True, False)
}


def rules(effect: Effect, rule_id: str, *, ages: bool = False) -> st.SearchStrategy[Rule]:
    """A rule of one effect; with `ages`, some ask how old a record is."""
    return st.sampled_from(_RULES[(effect, ages)]).map(lambda rule: rule.model_copy(update={"id": rule_id}))


@st.composite
def policies(draw: st.DrawFn, *, ages: bool = False) -> Policy:
    """One to five rules, at least one of them sharing."""
    effects = [Effect.SHARE, *draw(st.lists(st.sampled_from((*Effect, Effect.SHARE)), max_size=4))]
    return Policy(
        name="drawn", rule=tuple(draw(rules(e, f"r{n}", ages=ages)) for n, e in enumerate(effects)), version="v"
    )


@st.composite
def records(draw: st.DrawFn) -> RecordView:
    """A record as some node sees it: usually with a title, as origin with consent or as holder."""
    pool = draw(st.lists(terms, min_size=1, max_size=3))
    first = draw(st.integers(0, len(pool) - 1))
    sealed = {name: pool[(first + n) % len(pool)] for n, name in enumerate(FIELDS)}
    seen = draw(facts)
    consent = dict(sealed)
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=3)):
        consent[name] = draw(terms)
    if draw(st.integers(0, 9)) == 9:
        del consent[draw(st.sampled_from(FIELDS))]
    return RecordView(
        origin=seen.origin,
        rid="r",
        ver=1,
        facts=seen,
        sealed=sealed,
        consent=consent if seen.own and draw(st.booleans()) else None,
        direct=draw(st.frozensets(st.sampled_from(NODES))),
        editors=frozenset(ACCOUNTS[:1]),
        circles=draw(st.frozensets(st.sampled_from(CIRCLES))),
        passed_to_us=draw(st.booleans()),
        held=draw(st.integers(0, 19)) == 19,
    )


@st.composite
def grants(draw: st.DrawFn, *, given_by: int) -> list[Grant]:
    """Grants of the contributors, all given by a second, some withdrawn."""
    out = []
    for number in range(draw(st.integers(0, 5))):
        given_at = draw(st.integers(0, given_by))
        out.append(
            Grant(
                gid=f"g{number}",
                subject=draw(st.sampled_from(SUBJECTS)),
                terms=draw(terms | st.just(Terms(frozenset({STEWARDS}), frozenset(Purpose)))),
                how="said so",
                given_at=given_at,
                rid=draw(st.sampled_from((None, "r", "other"))),
                fields=draw(st.none() | st.frozensets(st.sampled_from(FIELDS), min_size=1)),
                withdrawn_at=draw(st.none() | st.integers(given_at, 1_000)),
            )
        )
    return out


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """An editor's draft with terms for the record and some fields, and contributors behind it."""
    names = ("title", *draw(st.lists(st.sampled_from(FIELDS), unique=True)))
    own = {name: draw(terms).to_json() for name in names if draw(st.booleans())}
    fields_of = st.none() | st.lists(st.sampled_from(FIELDS), min_size=1, unique=True).map(tuple)
    links = draw(st.lists(st.builds(ContributorLink, subject=st.sampled_from(SUBJECTS), fields=fields_of), max_size=2))
    return Draft(
        kind="case_study",
        lang="en",
        fields=dict.fromkeys(names, "x"),
        terms=draw(terms | st.just(Terms(frozenset({PUBLIC}), frozenset(Purpose)))).to_json(),
        field_terms=own,
        contributors=tuple(links),
    )
