"""Policy: the organisation's rules, as values that fail closed (DESIGN 9).

The order of rules never matters: withhold > hold > redact > share, and nothing matching withholds.
A condition about something this node does not know evaluates to unknown: it can stop sharing, never allow it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase, translate
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from governance.kinds import KINDS
from governance.record import Sensitivity

DAY_S: Final = 86_400
_RANK: Final = {Sensitivity.LOW: 0, Sensitivity.MEDIUM: 1, Sensitivity.HIGH: 2}


class Effect(StrEnum):
    """What a rule does, weakest last."""

    WITHHOLD = "withhold"
    HOLD = "hold"
    REDACT = "redact"
    SHARE = "share"


class Who(StrEnum):
    """The class of recipient."""

    PEER = "peer"
    MEMBER = "member"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules can see of a record. None means unknown here; the empty set or text means known to be none."""

    kind: str
    lang: str
    origin: str
    iat: int
    own: bool
    topics: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    labels: frozenset[str] | None = None
    sensitivity: Sensitivity | Literal[""] | None = None
    licence: str | None = None
    purposes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Audience:
    """What rules can see of a recipient."""

    who: Who
    node_id: str = ""
    regions: frozenset[str] = frozenset()
    circles: frozenset[str] = frozenset()
    agreement_id: str = ""
    role: str = ""


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Reason = dict[str, str]  # language tag to sentence


def _reason(value: object) -> object:
    return {"en": value} if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Conditions(_Strict):
    """Conditions of a rule: every one that is written has to hold; each list means "any of these"."""

    kind: Words | None = None
    topics: Words | None = None
    regions: Words | None = None
    language: Words | None = None
    labels: Words | None = None
    licence: Words | None = None
    purposes: Words | None = None
    origin: Words | None = None
    sensitivity: Words | None = None
    own: bool | None = None
    older_than_days: int | None = Field(default=None, ge=0)
    younger_than_days: int | None = Field(default=None, ge=0)
    peer: Words | None = None
    circle: Words | None = None
    peer_regions: Words | None = None
    agreement: Words | None = None
    role: Words | None = None

    @model_validator(mode="after")
    def _known_words(self) -> Conditions:
        for word in self.kind or ():
            if word not in KINDS:
                raise ValueError(f"unknown kind {word!r}: one of {', '.join(KINDS)}")
        for word in self.sensitivity or ():
            if word not in tuple(Sensitivity):
                raise ValueError(f"unknown sensitivity {word!r}: one of {', '.join(Sensitivity)}")
        for name in type(self).model_fields:
            if getattr(self, name) == ():
                raise ValueError(f"{name} is an empty list and can never match: remove it or name a value")
        return self

    def matches(self, facts: Facts, audience: Audience, now: int) -> bool | None:
        """True, False, or None where something that decides is unknown here."""
        unknown = False
        for test in self._tests:
            held = test(facts, audience, now)
            if held is False:
                return False
            unknown = unknown or held is None
        return None if unknown else True

    @property
    def written(self) -> tuple[str, ...]:
        """The names of the conditions that are there."""
        return tuple(n for n in type(self).model_fields if getattr(self, n) is not None)

    def about(self, names: Collection[str]) -> Conditions:
        """Only the conditions of these names: all together hold where each part holds."""
        return Conditions(**{n: getattr(self, n) for n in self.written if n in names})

    @cached_property
    def _tests(self) -> tuple[_Test, ...]:
        return tuple(_TESTS[name](getattr(self, name)) for name in self.written)


_Test = Callable[[Facts, Audience, int], bool | None]


def _among(get: Callable[[Facts, Audience], Collection[str] | str | None]) -> Callable[[Any], _Test]:
    def build(wanted: tuple[str, ...]) -> _Test:
        words = frozenset(wanted)
        patterns = tuple(w for w in wanted if "*" in w)

        def test(facts: Facts, audience: Audience, _now: int) -> bool | None:
            value = get(facts, audience)
            if value is None:
                return None
            values = (value,) if isinstance(value, str) else value
            if not words.isdisjoint(values):
                return True
            # `licence = "*"` means that there is one, so an empty text matches no pattern
            return any(v and fnmatchcase(v, p) for p in patterns for v in values)

        return test

    return build


def _language(wanted: tuple[str, ...]) -> _Test:
    # RFC 4647 basic filtering: `pt` matches pt-BR, `pt-BR` does not match pt.
    return lambda f, _a, _n: any(
        f.lang.lower() == w.lower() or f.lang.lower().startswith(w.lower() + "-") for w in wanted
    )


def _age_days(facts: Facts, now: int) -> int:
    """Age in calendar days (UTC), so that it changes at a moment that everybody knows beforehand."""
    return now // DAY_S - facts.iat // DAY_S


_TESTS: Final[dict[str, Callable[[Any], _Test]]] = {
    "kind": _among(lambda f, _: f.kind),
    "topics": _among(lambda f, _: f.topics),
    "regions": _among(lambda f, _: f.regions),
    "language": _language,
    "labels": _among(lambda f, _: f.labels),
    "licence": _among(lambda f, _: f.licence),
    "purposes": _among(lambda f, _: f.purposes),
    "origin": _among(lambda f, _: f.origin),
    "sensitivity": _among(lambda f, _: f.sensitivity),
    "own": lambda wanted: lambda f, _a, _n: f.own is wanted,
    "older_than_days": lambda days: lambda f, _a, now: _age_days(f, now) > days,
    "younger_than_days": lambda days: lambda f, _a, now: _age_days(f, now) < days,
    "peer": _among(lambda _, a: a.node_id),
    "circle": _among(lambda _, a: a.circles),
    "peer_regions": _among(lambda _, a: a.regions),
    "agreement": _among(lambda _, a: a.agreement_id),
    "role": _among(lambda _, a: a.role),
}


class Example(_Strict):
    """A case that a withhold, hold or redact rule must block; run when the policy is checked."""

    to: Who = Who.PEER
    kind: str = "guide"
    language: str = "en"
    topics: Words = ()
    regions: Words = ()
    labels: Words = ()
    licence: str | None = None
    sensitivity: Sensitivity | None = None
    purposes: Words = ()
    origin: str = "did:key:example"
    own: bool = True
    age_days: int = Field(default=0, ge=0)
    peer: str = "did:key:recipient"
    peer_regions: Words = ()
    circle: Words = ()
    agreement: str = ""
    role: str = ""

    def facts(self, now: int) -> Facts:
        """The record of the example."""
        return Facts(
            self.kind, self.language, self.origin, now - self.age_days * DAY_S, self.own, frozenset(self.topics),
            frozenset(self.regions), frozenset(self.labels), self.sensitivity or "", self.licence or "",
            frozenset(self.purposes),
        )  # fmt: skip

    def audience(self) -> Audience:
        """The recipient of the example."""
        return Audience(
            self.to, self.peer, frozenset(self.peer_regions), frozenset(self.circle), self.agreement, self.role
        )


class Rule(_Strict):
    """One rule: an effect, for whom, when, except when; and why, in plain words."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    effect: Effect
    reason: Annotated[Reason, BeforeValidator(_reason)]
    to: Annotated[frozenset[Who], BeforeValidator(_one_or_many)] = frozenset({Who.PEER})
    when: Conditions = Conditions()
    unless: Conditions | None = None
    fields: Words = ()
    example: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Rule:
        if not any(text.strip() for text in self.reason.values()):
            raise ValueError("reason is empty: say in plain words why the rule exists")
        if not self.to:
            raise ValueError("to is empty: name peer, member or public")
        if (self.effect is Effect.REDACT) != bool(self.fields):
            raise ValueError("a redact rule names fields (such as person:*), and only a redact rule does")
        if self.effect in (Effect.WITHHOLD, Effect.REDACT) and not self.example:
            raise ValueError(f"a {self.effect} rule needs at least one example that it must block")
        # A roster belongs to somebody else: whoever is dropped from a circle must never gain by it.
        denied = self.unless if self.effect is Effect.SHARE else self.when
        if denied is not None and denied.circle is not None:
            side = "unless" if self.effect is Effect.SHARE else "when"
            raise ValueError(
                f"{side}.circle would give more to a node that leaves the circle: a circle may only open doors; "
                "name the node with peer instead"
            )
        return self

    def applies(self, facts: Facts, audience: Audience, now: int) -> bool | None:
        """True, False, or None where that cannot be known here."""
        if audience.who not in self.to:
            return False
        held = self.when.matches(facts, audience, now)
        if held is False or self.unless is None:
            return held
        spared = self.unless.matches(facts, audience, now)
        if spared is True:
            return False
        return None if spared is None else held

    def covers(self, name: str) -> bool:
        """True if a redact rule names this field (`person:*` covers every person)."""
        return self._covered.match(name) is not None

    @cached_property
    def _covered(self) -> re.Pattern[str]:
        # the gate asks this for every field of every record: one match instead of one for each pattern
        return re.compile("|".join(translate(pattern) for pattern in self.fields) or r"(?!)")


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a policy says of one record and one recipient."""

    effect: Literal[Effect.WITHHOLD, Effect.HOLD, Effect.SHARE]
    rules: tuple[Rule, ...]  # the ones that decided
    redactions: tuple[Rule, ...] = ()
    alarms: tuple[str, ...] = field(default=())


class Policy(_Strict):
    """An organisation's rules; `version` is the hash of its text, given by whoever read it."""

    name: str
    words: Annotated[Reason, BeforeValidator(_reason)] = Field(default_factory=dict)
    rule: tuple[Rule, ...]
    version: str = ""

    @model_validator(mode="after")
    def _unique(self) -> Policy:
        ids = [r.id for r in self.rule]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"rule id {twice[0]!r} is used twice: ids tell people which rule decided")
        return self

    def ruling(self, facts: Facts, audience: Audience, now: int, *, released: bool = False) -> Ruling:
        """The strongest matching effect. A condition that is unknown or fails counts against sharing, and alarms.

        For a record that was `released` to the recipient, rules that hold have been answered by the stewards.
        """
        hit: dict[Effect, list[Rule]] = {}
        alarms: list[str] = []
        for rule in self._by_who.get(audience.who, ()):
            try:
                held = rule.applies(facts, audience, now)
            except Exception as error:
                alarms.append(f"rule {rule.id} failed: {error}")
                hit.setdefault(Effect.WITHHOLD, []).append(rule)
                continue
            if held is None and rule.effect is not Effect.SHARE:
                alarms.append(f"rule {rule.id} could not be decided: something it asks about is unknown here")
            if held or (held is None and rule.effect is not Effect.SHARE):
                hit.setdefault(rule.effect, []).append(rule)
        told = tuple(alarms)
        if Effect.WITHHOLD in hit:
            return Ruling(Effect.WITHHOLD, tuple(hit[Effect.WITHHOLD]), alarms=told)
        if Effect.HOLD in hit and not released:
            return Ruling(Effect.HOLD, tuple(hit[Effect.HOLD]), alarms=told)
        if Effect.SHARE in hit:
            return Ruling(Effect.SHARE, tuple(hit[Effect.SHARE]), tuple(hit.get(Effect.REDACT, ())), told)
        return Ruling(Effect.WITHHOLD, (), alarms=told)

    @cached_property
    def holds(self) -> bool:
        """True if some rule holds records until stewards release them."""
        return any(r.effect is Effect.HOLD for r in self.rule)

    @cached_property
    def asks_age(self) -> bool:
        """True if a decision may be another one tomorrow for no other reason than the day."""
        return bool(self.age_steps)

    @cached_property
    def age_steps(self) -> frozenset[int]:
        """The ages in days on whose first day a decision may become another one."""
        asked = [c for r in self.rule for c in (r.when, r.unless) if c is not None]
        older = {c.older_than_days + 1 for c in asked if c.older_than_days is not None}
        return frozenset(older | {c.younger_than_days for c in asked if c.younger_than_days is not None})

    @cached_property
    def _by_who(self) -> dict[Who, tuple[Rule, ...]]:
        """The rules for each class of recipient, by id: so their order in the text cannot show in a decision."""
        ordered = sorted(self.rule, key=lambda r: r.id)
        return {who: tuple(r for r in ordered if who in r.to) for who in Who}

    def failing_examples(self, now: int) -> list[str]:
        """A sentence for each example that its own rule does not block."""
        out = []
        for rule in self.rule:
            for number, example in enumerate(rule.example, 1):
                if rule.effect is Effect.SHARE:
                    continue
                if rule.applies(example.facts(now), example.audience(), now) is not True:
                    out.append(
                        f"rule {rule.id}, example {number}: the rule does not block it; mend the rule or the example"
                    )
        return out
