"""An agreement in plain words, which both sides sign with its clauses (DESIGN 7).

The same clauses in the same language give the same sentences on every machine: no clock, no regional dates, no
number with separators. Who changes a sentence or its translation raises `RENDERING`, so that older nodes do not take
the new words for a fraud; `tests/unit/governance/test_promises.py` holds the sentences of this rendering.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from governance.agreement import Clauses
from governance.speech import ENGLISH, Say
from governance.words import kind_words, listed, purpose_words

RENDERING: Final = 1
DAY_FORM: Final = "%Y-%m-%d"  # the same in every language, and read by everybody


def promises(clauses: Clauses, say: Say = ENGLISH) -> list[str]:
    """What both sides promise, a sentence each."""
    return [
        *_times(clauses, say),
        _what(clauses, say),
        _purposes(clauses, say),
        say("It may be passed on where its terms allow.") if clauses.passing_on else say("It may not be passed on."),
        say("Attachments are included.") if clauses.attachments else say("Attachments are not included."),
        *_withdrawals(clauses, say),
        say("When the agreement ends, copies are erased and that is confirmed.")
        if clauses.erase_at_end
        else say("When the agreement ends, copies may be kept until their own terms end."),
        *_living(clauses, say),
    ]


def _times(clauses: Clauses, say: Say) -> list[str]:
    begins = [say("It begins on {moment}.", moment=moment_words(clauses.starts, say))] if clauses.starts else []
    if clauses.until is None:
        return [*begins, say("It has no end date; either side can end it at any time.")]
    return [
        *begins,
        say("It ends on {moment}; either side can end it earlier.", moment=moment_words(clauses.until, say)),
    ]


def _what(clauses: Clauses, say: Say) -> str:
    kinds = listed([kind_words(k, say) for k in sorted(clauses.kinds)], say) or say("every kind of record")
    if not clauses.topics:
        return say("Both share {kinds}, as far as each one's own rules and contributors allow.", kinds=kinds)
    return say(
        "Both share {kinds} about {topics}, as far as each one's own rules and contributors allow.",
        kinds=kinds,
        topics=listed(sorted(clauses.topics), say),
    )


def _purposes(clauses: Clauses, say: Say) -> str:
    if not clauses.purposes:
        return say("It may be used for no purpose.")
    return say(
        "It may be used for {purposes}.",
        purposes=listed([purpose_words(p, say) for p in sorted(clauses.purposes)], say),
    )


def _withdrawals(clauses: Clauses, say: Say) -> list[str]:
    hours = clauses.response_h
    out = [
        say.count(
            "A withdrawal is carried out and confirmed within {hours} hour.",
            "A withdrawal is carried out and confirmed within {hours} hours.",
            hours,
            hours=hours,
        )
    ]
    if clauses.suspend_overdue:
        out.append(
            say("If a confirmation is overdue, sharing stops by itself until the side that waits for it resumes.")
        )
    return out


def _living(clauses: Clauses, say: Say) -> list[str]:
    out = []
    if clauses.review is not None:
        out.append(say("Both look at it again on {moment}.", moment=moment_words(clauses.review, say)))
    if clauses.conflict:
        out.append(say("If we disagree: {path}", path=clauses.conflict))
    return out


def moment_words(seconds: int, say: Say = ENGLISH) -> str:
    """A day, and the time of day where it is not midnight; UTC, as both sides signed it."""
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return say("second {seconds}", seconds=seconds)
    return at.strftime(DAY_FORM if seconds % 86_400 == 0 else f"{DAY_FORM}, %H:%M UTC")


def same_words(signed: Sequence[str], own: Sequence[str]) -> bool:
    """True if both sides read the same; compared as written, since a signature is over what is written."""
    return list(signed) == list(own)
