"""Reasons, terms and decisions as sentences for people (DESIGN 9, "explain"), in the language of a `Say`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from governance.gate import BY_ORIGIN, BY_PEER, Decision, Outcome, Reason, Why
from governance.speech import ENGLISH, N_, Say
from governance.terms import CIRCLE_PREFIX, DIRECT, NETWORK, NODE, PUBLIC, STEWARDS, Terms

_AUDIENCE: Final = {
    STEWARDS: N_("stewards and the record's editors at its origin"),
    NODE: N_("members of the organisation it comes from"),
    DIRECT: N_("the organisations its origin chose, who may not pass it on"),
    NETWORK: N_("organisations with an active agreement"),
    PUBLIC: N_("everyone"),
    "nobody": N_("nobody"),
}

_SENTENCE: Final = {
    Why.NO_POLICY: N_("No policy is in force here, so nothing is shared."),
    Why.POLICY_BROKEN: N_("The policy cannot be read, so nothing is shared: {detail}"),
    Why.NO_RULE: N_("No rule of the policy allows it."),
    Why.NO_AGREEMENT: N_("There is no agreement with this organisation."),
    Why.PHASE: N_("The agreement with this organisation is not active: it is {detail}."),
    Why.AGREEMENT_KIND: N_("The agreement does not cover this kind of record ({detail})."),
    Why.AGREEMENT_TOPIC: N_("The agreement does not cover the topics of this record."),
    Why.AGREEMENT_PURPOSE: N_("The agreement does not cover the purposes it may be used for ({detail})."),
    Why.AGREEMENT_ATTACHMENTS: N_("The agreement does not include attachments."),
    Why.PASSING_ON: N_("The agreement under which it came here does not allow passing it on."),
    Why.PURPOSE: N_("It may not be used for any purpose outside its organisation."),
    Why.ENDED: N_("The permission to show it has ended."),
    Why.TITLE: N_("A record travels only if its title may."),
    Why.NO_CONSENT: N_("Nobody has said who may see it yet."),
    Why.HELD_HERE: N_("A steward has put it on hold."),
    Why.FAILED: N_("Something about it could not be judged here ({detail}), so it is not shared."),
}

_PHASE: Final = {
    "invited": N_("invited"),
    "proposed": N_("proposed"),
    "agreed": N_("signed, but not begun"),
    "active": N_("active"),
    "suspended": N_("suspended"),
    "ended": N_("ended"),
    "expired": N_("expired"),
    "blocked": N_("blocked"),
}

PURPOSES_SAID: Final = {
    "learning": N_("learning"),
    "research": N_("research"),
    "publication": N_("publication"),
    "archive": N_("archive"),
}

KINDS_SAID: Final = {
    "case_study": N_("Case study"),
    "after_action_review": N_("After-action review"),
    "checklist": N_("Checklist"),
    "toolkit": N_("Toolkit"),
    "template": N_("Template"),
    "learning_module": N_("Learning module"),
    "story": N_("Story"),
    "guide": N_("Guide"),
}


def said_or_named(table: Mapping[str, str], word: str, say: Say) -> str:
    """A word of ours in the reader's language; one that the table lacks as it is written."""
    return say(table[word]) if word in table else word


def kind_words(kind: str, say: Say = ENGLISH) -> str:
    """What people call a kind of record."""
    return said_or_named(KINDS_SAID, kind, say)


def purpose_words(purpose: str, say: Say = ENGLISH) -> str:
    """What people call a purpose."""
    return said_or_named(PURPOSES_SAID, purpose, say)


def phase_words(phase: str, say: Say = ENGLISH) -> str:
    """How things stand with a peer."""
    return said_or_named(_PHASE, phase, say)


def audience_words(audience: str, say: Say = ENGLISH) -> str:
    """Who an audience is, in words."""
    if audience.startswith(CIRCLE_PREFIX):
        return say("members of the circle “{name}”", name=audience.rpartition(".")[2])
    return said_or_named(_AUDIENCE, audience, say)


def own_words(texts: Mapping[str, str], langs: Sequence[str]) -> str:
    """What somebody wrote in several languages: in the reader's, or in English, or in any there is."""
    wanted = [tag for lang in langs for tag in (lang, lang.partition("-")[0])]
    return next((texts[tag] for tag in (*wanted, "en") if texts.get(tag)), "") or next(iter(texts.values()), "")


def reason_words(reason: Reason, say: Say = ENGLISH, langs: Sequence[str] = ()) -> str:
    """One sentence; a rule's own words in the first of `langs` that it has, which the catalogue need not know."""
    match reason.why:
        case Why.RULE if reason.rule is not None:
            return own_words(reason.rule.reason, langs or (say.lang,))
        case Why.RULE:
            return say("A rule of the policy decided: {rule}.", rule=reason.detail)
        case Why.AUDIENCE:
            return say("It is for {audience} only.", audience=audience_words(reason.detail, say))
        case Why.NOT_BEGUN:
            day = day_words(reason.detail, say)
            return say("The agreement with this organisation starts on {day}.", day=day)
        case Why.HELD_HERE if reason.detail == BY_ORIGIN:
            return say("Its origin has asked to hide it for the time being.")
        case Why.HELD_HERE if reason.detail == BY_PEER:
            return say("A steward has put this organisation on hold.")
    return say(_SENTENCE[reason.why], detail=_detail(reason, say))


def _detail(reason: Reason, say: Say) -> str:
    match reason.why:
        case Why.PHASE:
            return phase_words(reason.detail, say)
        case Why.AGREEMENT_KIND:
            return kind_words(reason.detail, say)
        case Why.AGREEMENT_PURPOSE:
            return listed([purpose_words(p, say) for p in reason.detail.split(", ")], say)
    return reason.detail


def listed(items: Sequence[str], say: Say = ENGLISH) -> str:
    """A list without “and”, which another part of a sentence may follow."""
    return say(", ").join(items)


def day_words(seconds: str, say: Say = ENGLISH) -> str:
    """The day of a second, which both sides signed in UTC; what is no such number is named as it is."""
    try:
        return say.day(int(seconds))
    except ValueError:
        return say("second {seconds}", seconds=seconds)


def decision_words(decision: Decision, say: Say = ENGLISH, langs: Sequence[str] = ()) -> list[str]:
    """The decision as sentences: the outcome, why, and each withheld field with its reason."""
    lines = [_outcome_words(decision, say), *(reason_words(r, say, langs) for r in decision.reasons)]
    if decision.outcome is Outcome.SHARE:
        lines += [
            say("Without {field}: {reason}", field=name, reason=reason_words(r, say, langs))
            for name, r in sorted(decision.withheld.items())
        ]
    return lines


def _outcome_words(decision: Decision, say: Say) -> str:
    match decision.outcome:
        case Outcome.SHARE:
            shown = len(decision.fields)
            total = shown + len(decision.withheld)
            return say.count("Shared: {shown} of {n} field.", "Shared: {shown} of {n} fields.", total, shown=shown)
        case Outcome.WITHHOLD:
            return say("Not shared.")
        case Outcome.HOLD:
            return say("Waiting for a steward to release it.")


def terms_words(terms: Terms, say: Say = ENGLISH) -> str:
    """Terms in one line; the end is left to the caller, who knows the reader's calendar."""
    who = [audience_words(a, say) for a in sorted(terms.audiences)]
    what = [purpose_words(p, say) for p in sorted(terms.purposes)]
    if not what:
        return say("For {audience}; for no purpose", audience=_all_of(who, say))
    return say("For {audience}; for {purposes}", audience=_all_of(who, say), purposes=listed(what, say))


def _all_of(audiences: Sequence[str], say: Say) -> str:
    """Audiences that all have to admit: somebody who is each of these."""
    return say(" and ").join(audiences) or audience_words("nobody", say)
