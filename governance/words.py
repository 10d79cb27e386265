"""Reasons and terms as sentences for people (DESIGN 9, "explain"). English; other languages follow the catalogue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from governance.gate import Decision, Outcome, Reason, Why
from governance.terms import CIRCLE_PREFIX, DIRECT, NETWORK, NODE, PUBLIC, STEWARDS, Terms

_AUDIENCE: Final = {
    STEWARDS: "stewards and the record's editors at its origin",
    NODE: "members of the organisation it comes from",
    DIRECT: "the organisations its origin chose, who may not pass it on",
    NETWORK: "organisations with an active agreement",
    PUBLIC: "everyone",
    "nobody": "nobody",
}

_SENTENCE: Final = {
    Why.NO_POLICY: "No policy is in force here, so nothing is shared.",
    Why.POLICY_BROKEN: "The policy cannot be read, so nothing is shared: {detail}",
    Why.NO_RULE: "No rule of the policy allows it.",
    Why.NO_AGREEMENT: "There is no agreement with this organisation.",
    Why.PHASE: "The agreement with this organisation is not active: it is {detail}.",
    Why.AGREEMENT_KIND: "The agreement does not cover this kind of record ({detail}).",
    Why.AGREEMENT_TOPIC: "The agreement does not cover the topics of this record.",
    Why.AGREEMENT_PURPOSE: "The agreement does not cover the purposes it may be used for ({detail}).",
    Why.AGREEMENT_ATTACHMENTS: "The agreement does not include attachments.",
    Why.PASSING_ON: "The agreement under which it came here does not allow passing it on.",
    Why.PURPOSE: "It may not be used for any purpose outside its organisation.",
    Why.TITLE: "A record travels only if its title may.",
    Why.NO_CONSENT: "Nobody has said who may see it yet.",
    Why.HELD_HERE: "A steward has put it on hold.",
    Why.FAILED: "Something about it could not be judged here ({detail}), so it is not shared.",
}


def audience_words(audience: str) -> str:
    """Who an audience is, in words."""
    if audience.startswith(CIRCLE_PREFIX):
        return f"members of the circle “{audience.rpartition('.')[2]}”"
    return _AUDIENCE.get(audience, audience)


def reason_words(reason: Reason, lang: str = "en") -> str:
    """One sentence; a rule's own words in the reader's language, or in English, or in any it has."""
    if reason.why is Why.RULE and reason.rule is not None:
        texts = reason.rule.reason
        return texts.get(lang) or texts.get(lang.partition("-")[0]) or texts.get("en") or next(iter(texts.values()))
    if reason.why is Why.RULE:
        return f"A rule of the policy decided: {reason.detail}."
    if reason.why is Why.AUDIENCE:
        return f"It is for {audience_words(reason.detail)} only."
    if reason.why is Why.ENDED:
        return "The permission to show it has ended."
    if reason.why is Why.NOT_BEGUN:
        return f"The agreement with this organisation starts on {day_words(reason.detail)}."
    return _SENTENCE[reason.why].format(detail=reason.detail)


def day_words(seconds: str) -> str:
    """The day of a second, which both sides signed in UTC; what is no such number is named as it is."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d, %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"second {seconds}"


def decision_words(decision: Decision, lang: str = "en") -> list[str]:
    """The decision as sentences: the outcome, why, and each withheld field with its reason."""
    head = {
        Outcome.SHARE: f"Shared: {len(decision.fields)} of {len(decision.fields) + len(decision.withheld)} fields.",
        Outcome.WITHHOLD: "Not shared.",
        Outcome.HOLD: "Waiting for a steward to release it.",
    }[decision.outcome]
    lines = [head, *(reason_words(r, lang) for r in decision.reasons)]
    if decision.outcome is Outcome.SHARE:
        lines += [f"Without {name}: {reason_words(r, lang)}" for name, r in sorted(decision.withheld.items())]
    return lines


def terms_words(terms: Terms) -> str:
    """Terms in one line; the end is left to the caller, who knows the reader's calendar."""
    who = " and ".join(audience_words(a) for a in sorted(terms.audiences)) or "nobody"
    what = ", ".join(sorted(terms.purposes)) or "no purpose"
    return f"For {who}; for {what}"
