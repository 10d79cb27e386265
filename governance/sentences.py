"""A policy read back as sentences, so that a steward can check that it says what was meant (DESIGN 9).

Every condition that is written shows, and values are shown as they are written: two rules that differ read differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from governance.policy import Conditions, Effect, Policy, Rule, Who
from governance.speech import ENGLISH, N_, Say
from governance.words import KINDS_SAID, PURPOSES_SAID, listed, own_words

Names = Mapping[str, str]  # node and circle ids to what people call them

_WHO: Final = {
    Who.PEER: N_("partner organisations"),
    Who.MEMBER: N_("members of this organisation"),
    Who.PUBLIC: N_("the public"),
}
_HEAD: Final = {
    Effect.SHARE: N_("Shared with {to}: {what}."),
    Effect.WITHHOLD: N_("Never shared with {to}: {what}."),
    Effect.HOLD: N_("Shared with {to} only after a steward releases it: {what}."),
}
_ORDER: Final = (Effect.SHARE, Effect.REDACT, Effect.HOLD, Effect.WITHHOLD)
_SENSITIVITY: Final = {"low": N_("low"), "medium": N_("medium"), "high": N_("high")}
_ROLE: Final = {"member": N_("member"), "editor": N_("editor"), "steward": N_("steward")}
_PARTS: Final = {
    "quote:*": N_("every quote"),
    "person:*": N_("every person"),
    "place:*": N_("every place"),
    "attachment:*": N_("every attachment"),
}
_LISTS: Final = {
    "topics": N_("a topic is {values}"),
    "regions": N_("a region is {values}"),
    "language": N_("the language is {values}"),
    "labels": N_("a label is {values}"),
    "origin": N_("it comes from {values}"),
    "peer": N_("the recipient is {values}"),
    "circle": N_("the recipient is in the circle {values}"),
    "peer_regions": N_("a region of the recipient is {values}"),
    "agreement": N_("the agreement is {values}"),
}


def policy_sentences(
    policy: Policy, say: Say = ENGLISH, langs: Sequence[str] = (), names: Names | None = None
) -> list[str]:
    """A whole policy: what it is for, what is shared, left out, held and withheld, and what no rule names."""
    about = own_words(policy.words, langs or (say.lang,))
    rules = sorted(policy.rule, key=lambda rule: (_ORDER.index(rule.effect), rule.id))
    return [
        say("Policy “{name}”.", name=policy.name) + (f" {about}" if about else ""),
        *(rule_sentence(rule, say, langs, names) for rule in rules),
        say("What no rule names is not shared. Where rules differ, the stricter one counts."),
        say("Consent of the people concerned and the agreement with a partner have to permit it as well."),
    ]


def rule_sentence(rule: Rule, say: Say = ENGLISH, langs: Sequence[str] = (), names: Names | None = None) -> str:
    """One rule: its effect, for whom, when, except when, and why."""
    known = names or {}
    to = say.both([say(_WHO[who]) for who in Who if who in rule.to])
    when = _conditions(rule.when, say, known)
    what = say("records where {conditions}", conditions=when) if when else say("every record")
    if rule.effect is Effect.REDACT:
        fields = listed([say(_PARTS[f]) if f in _PARTS else _quoted(f, say) for f in rule.fields], say)
        parts = [say("Left out of what is shared with {to}: {fields}, in {what}.", to=to, fields=fields, what=what)]
    else:
        parts = [say(_HEAD[rule.effect], to=to, what=what)]
    if rule.unless is not None:
        spared = _conditions(rule.unless, say, known)
        parts.append(say("Except where {conditions}.", conditions=spared) if spared else say("Except always."))
    parts.append(say("Because: {reason}", reason=own_words(rule.reason, langs or (say.lang,)).strip()))
    return " ".join(parts)


def _conditions(conditions: Conditions, say: Say, names: Names) -> str:
    """Every condition that is written, in the order of the model; empty where there is none."""
    written = ((name, getattr(conditions, name)) for name in type(conditions).model_fields)
    clauses = [_clause(name, value, say, names) for name, value in written if value is not None]
    return say("; and ").join(clauses)


def _clause(name: str, value: Any, say: Say, names: Names) -> str:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(value, say)
    # A condition that a later version adds is shown by its name rather than left out.
    text = _LISTS.get(name)
    values = _either([_named(v, say, names) for v in value], say) if isinstance(value, tuple) else str(value)
    return say(text, values=values) if text else say("{name} is {values}", name=name, values=values)


def _licence(value: tuple[str, ...], say: Say) -> str:
    if value == ("*",):
        return say("there is a licence")
    return say("the licence is {values}", values=_either([_quoted(v, say) for v in value], say))


def _own(value: bool, say: Say) -> str:
    return say("it was made in this organisation") if value else say("it came from another organisation")


def _older(days: int, say: Say) -> str:
    return say.count("it is more than {n} day old", "it is more than {n} days old", days)


def _younger(days: int, say: Say) -> str:
    return say.count("it is less than {n} day old", "it is less than {n} days old", days)


def _words(text: str, word: Callable[[str, Say], str]) -> Callable[[tuple[str, ...], Say], str]:
    def clause(value: tuple[str, ...], say: Say) -> str:
        return say(text, values=_either([word(v, say) for v in value], say))

    return clause


def _ours(table: Mapping[str, str]) -> Callable[[str, Say], str]:
    return lambda word, say: say(table[word]) if word in table else _quoted(word, say)


_SPECIAL: Final[dict[str, Callable[[Any, Say], str]]] = {
    "kind": _words(N_("the kind is {values}"), _ours(KINDS_SAID)),
    "purposes": _words(N_("it may be used for {values}"), _ours(PURPOSES_SAID)),
    "sensitivity": _words(N_("the sensitivity is {values}"), _ours(_SENSITIVITY)),
    "role": _words(N_("the reader's role is {values}"), _ours(_ROLE)),
    "licence": _licence,
    "own": _own,
    "older_than_days": _older,
    "younger_than_days": _younger,
}


def _named(value: str, say: Say, names: Names) -> str:
    return say("“{name}”", name=names[value]) if value in names else _quoted(value, say)


def _quoted(word: str, say: Say) -> str:
    return say("anything like “{pattern}”", pattern=word) if "*" in word else say("“{name}”", name=word)


def _either(items: Sequence[str], say: Say) -> str:
    """“a”, “a or b”, “a, b or c”."""
    if len(items) == 1:
        return items[0]
    return say("{first} or {last}", first=listed(items[:-1], say), last=items[-1])
