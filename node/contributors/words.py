"""The sentences of a contributor's page: who may have their words, for what, until when, and what has become of it.

Calm and short; names from elsewhere stand in isolation marks, so that they keep their own direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from governance.kinds import kind_label, section_label
from governance.record import text_of
from governance.speech import ENGLISH, N_, Say
from governance.terms import CIRCLE_PREFIX, DIRECT, NETWORK, NODE, PUBLIC, STEWARDS, Purpose, Terms
from node.contributors.views import Did, Stands

_PARTS: Final = {
    "quote": N_("Quote"),
    "person": N_("Person"),
    "place": N_("Place"),
    "attachment": N_("Attachment"),
}
_COMMON: Final = {
    "title": N_("Title"),
    "summary": N_("Summary"),
    "body": N_("Text"),
    "topics": N_("Topics"),
    "regions": N_("Regions"),
    "period": N_("When it was"),
    "links": N_("Links to other records"),
    "attribution": N_("Who is named as its author"),
}
_PURPOSES: Final[Mapping[str, str]] = {
    Purpose.LEARNING: N_("learning"),
    Purpose.RESEARCH: N_("research"),
    Purpose.PUBLICATION: N_("publication"),
    Purpose.ARCHIVE: N_("archive"),
}


def isolated(text: str) -> str:
    """A name inside a sentence of another direction (Unicode FSI … PDI)."""
    return f"\u2068{text}\u2069"


def own_label(kind: str, name: str, say: Say = ENGLISH) -> str:
    """What the page calls a field."""
    head, colon, ident = name.partition(":")
    if not colon:
        return say(_COMMON.get(name) or section_label(kind, name))
    return f"{say(_PARTS.get(head, head.capitalize()))} {isolated(ident)}"


def record_name(title: str | None, kind: str, at: int, say: Say = ENGLISH) -> str:
    """What the page calls a record whose title may not be theirs to read."""
    return title if title is not None else say("{kind} of {day}", kind=say(kind_label(kind)), day=say.day(at))


def value_words(value: object) -> str:
    """What a field says."""
    return text_of(value) or (str(value) if isinstance(value, int | float) else "")


def audience_words(audiences: Iterable[str], node: str, say: Say = ENGLISH) -> str:
    """Whom an audience lets in."""
    return say.both([_audience(a, isolated(node), say) for a in sorted(audiences)]) or say("nobody")


def _audience(audience: str, node: str, say: Say) -> str:
    match audience:
        case _ if audience == STEWARDS:
            return say("only the few people who look after the records of {node}", node=node)
        case _ if audience == NODE:
            return say("only people inside {node}", node=node)
        case _ if audience == DIRECT:
            return say("organisations that {node} chose one by one; they may not pass it on", node=node)
        case _ if audience == NETWORK:
            return say("organisations with an agreement; they may pass it on to others with an agreement")
        case _ if audience == PUBLIC:
            return say("everyone, also on the open internet")
        case _ if audience.startswith(CIRCLE_PREFIX):
            circle = isolated(audience.rpartition(".")[2])
            return say("the organisations of the circle {circle}, who may pass it to one another", circle=circle)
        case _:
            return isolated(audience)


def purposes_words(purposes: Iterable[str], say: Say = ENGLISH) -> str:
    """What for, in one word each."""
    return say.both([say(_PURPOSES.get(p, p)) for p in sorted(purposes)]) or say("nothing")


def terms_sentence(terms: Terms, node: str, say: Say = ENGLISH) -> str:
    """Who, what for, until when."""
    who, what = audience_words(terms.audiences, node, say), purposes_words(terms.purposes, say)
    if not {STEWARDS, NODE}.isdisjoint(terms.audiences):
        return say("Who may see it: {who}.", who=who)
    if terms.until is None:
        return say("Who may have it: {who}. What for: {what}. Until you take it back.", who=who, what=what)
    return say("Who may have it: {who}. What for: {what}. Until {day}.", who=who, what=what, day=say.day(terms.until))


def permission_sentence(state: str, terms: Terms, ended_at: int | None, node: str, say: Say = ENGLISH) -> str:
    """What the contributor permits for a field."""
    match state:
        case "none":
            return say("You were not asked yet, so it stays inside {node}.", node=isolated(node))
        case "withdrawn":
            day = say.day(ended_at or 0)
            closed = terms_sentence(terms, node, say)
            return say("You took your permission back on {day}.", day=day) + " " + closed
        case "ended":
            return say(
                "Your permission ended on {day}, so it stays inside {node}.",
                day=say.day(ended_at or 0),
                node=isolated(node),
            )
        case _:
            return terms_sentence(terms, node, say)


def holder_sentence(labels: list[str], since: int, confirmed_at: int | None, direct: bool, say: Say = ENGLISH) -> str:
    """What somebody outside has."""
    if not direct:
        return say(
            "Has it through others, and last confirmed what it has on {day}.", day=say.day(confirmed_at or since)
        )
    what = say.both(labels)
    if confirmed_at is None:
        return say("Was given: {what}. Sent on {day}, not confirmed yet.", what=what, day=say.day(since))
    return say("Has: {what}. Confirmed on {day}.", what=what, day=say.day(confirmed_at))


def act_sentence(what: Did, labels: list[str], at: int, say: Say = ENGLISH) -> str:
    """What the contributor did."""
    parts, day = say.both(labels), say.day(at)
    match what:
        case "narrow":
            return say("On {day} you permitted less for: {parts}.", day=day, parts=parts)
        case "renew":
            return say("On {day} you gave your permission a new end for: {parts}.", day=day, parts=parts)
        case "widen":
            return say("On {day} you permitted more again for: {parts}.", day=day, parts=parts)
        case "withdraw":
            return say("On {day} you took back your permission for: {parts}.", day=day, parts=parts)
        case "remove":
            return say("On {day} you had these taken out of the record: {parts}.", day=day, parts=parts)
        case "close":
            return say(
                "On {day} you asked to have these taken out: {parts}. What others stand behind too, and the title, were"
                " closed at once and wait for the organisation.",
                day=day,
                parts=parts,
            )


def progress_sentence(what: Did, state: Stands, at: int, keeps: bool, say: Say = ENGLISH) -> str:
    """How far a holder has come: `keeps` says that it may still have the words, within other limits."""
    match state, keeps:
        case "confirmed", True:
            return say("Confirmed on {day} that it keeps to the new limits.", day=say.day(at))
        case "confirmed", False:
            return say("Confirmed on {day} that it no longer has it.", day=say.day(at))
        case "waiting", True:
            return say("Is being told of the new limits; it has until {day} to confirm.", day=say.day(at))
        case "waiting", False:
            return say("Was asked to erase it; it has until {day} to confirm.", day=say.day(at))
        case "overdue", _:
            return say(
                "Overdue: it should have confirmed by {day}. We see it too, and can end the agreement with it.",
                day=say.day(at),
            )
        case _:
            raise AssertionError(what)


def tally_words(state: Stands, n: int, say: Say = ENGLISH) -> str:
    """How many stand so."""
    match state:
        case "confirmed":
            return say.count("{n} confirmed", "{n} confirmed", n)
        case "waiting":
            return say.count("{n} waiting", "{n} waiting", n)
        case "overdue":
            return say.count("{n} overdue", "{n} overdue", n)


def receipt_name(given: bool, at: int, say: Say = ENGLISH) -> str:
    """What a receipt in the list is for."""
    return say("Permission of {day}", day=say.day(at)) if given else say("Taken back on {day}", day=say.day(at))
