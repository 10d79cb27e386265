"""What a contributor can choose for a record: only what stays within what they permitted before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from governance.consent_receipt import purpose_words
from governance.speech import ENGLISH, Say
from governance.terms import ALL_PURPOSES, DIRECT, NETWORK, NODE, STEWARDS, Purpose, Terms, meet
from node.contributors.views import ChoiceView
from node.contributors.words import audience_words

NARROWER: Final = (
    NETWORK,
    DIRECT,
    NODE,
    STEWARDS,
)  # widest first; what the present permission is not wider than is out
MONTHS_3, YEAR, YEARS_2 = 91, 365, 730


def audience_choices(
    tops: Sequence[Terms], present: Sequence[Terms], node: str, say: Say = ENGLISH
) -> list[ChoiceView]:
    """All that was permitted, then each narrower audience; `tops` and `present` go field by field."""
    every = {top.audiences for top in tops}
    widest = audience_words(next(iter(every)), node, say) if len(every) == 1 else say("as far as you permitted before")
    rows = [("", widest, [top.audiences for top in tops])]
    for audience in NARROWER:
        met = [_met(top, audience) for top in tops]
        if met != rows[-1][2]:
            rows.append((audience, audience_words({audience}, node, say), met))
    now = [terms.audiences for terms in present]
    return [ChoiceView(value=value, words=words, chosen=met == now) for value, words, met in rows]


def _met(top: Terms, audience: str) -> frozenset[str]:
    return meet(top, Terms(frozenset({audience}), ALL_PURPOSES)).audiences


def purpose_choices(tops: Sequence[Terms], present: Sequence[Terms], say: Say = ENGLISH) -> list[ChoiceView]:
    """The purposes that were permitted for any of the fields."""
    once = frozenset[Purpose]().union(*(top.purposes for top in tops))
    now = frozenset[Purpose]().union(*(terms.purposes for terms in present))
    return [ChoiceView(value=p, words=purpose_words(p, say), chosen=p in now) for p in Purpose if p in once]


def end_choices(tops: Sequence[Terms], *, ended: bool, say: Say = ENGLISH) -> list[ChoiceView]:
    """Until when: what ended cannot be kept, and only who once set no end can choose none."""
    rows = [] if ended else [("", say("as it is now"))]
    rows += [
        (str(MONTHS_3), say("for three months from today")),
        (str(YEAR), say("for one year from today")),
        (str(YEARS_2), say("for two years from today")),
    ]
    if all(top.until is None for top in tops):
        rows.append(("0", say("until I take it back")))
    return [ChoiceView(value=value, words=words, chosen=at == 0) for at, (value, words) in enumerate(rows)]
