"""Agreements in storage and for people: a proposal, its signatures, and what it says in plain words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.documents import MAX_CONFLICT_CHARS, Agreement, AtEnd, Clauses
from federation.jws import peek
from federation.keys import split_kid
from governance.kinds import KINDS
from governance.promises import RENDERING, promises
from governance.speech import ENGLISH, Say
from governance.terms import MAX_UNTIL, Purpose
from node.errors import BadInput, NotNow
from node.peer_views import AgreementView
from node.peerbook import clauses_of
from node.speech import languages, speech

DAY_S: Final = 86_400
REMIND_S: Final = 30 * DAY_S  # a month to meet, talk and sign


class ProposedAgreement(BaseModel):
    """What a steward proposes; empty `kinds` and `topics` mean all, `days` None means without end.

    It begins when both have signed, or at `starts` (unix seconds) if that is later; `days` count from its beginning.
    `review` is when to look at it again, `lang` the language in which both sign its words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    purposes: tuple[Purpose, ...] = (Purpose.LEARNING,)
    kinds: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    passing_on: bool = True
    attachments: bool = True
    response_h: int = Field(default=72, ge=1, le=2160)
    at_end: Literal["erase", "keep"] = "erase"
    days: int | None = Field(default=365, ge=1, le=36_500)
    starts: int | None = Field(default=None, ge=0, le=MAX_UNTIL)
    review: int | None = Field(default=None, ge=0, le=MAX_UNTIL)
    conflict: str = Field(default="", max_length=MAX_CONFLICT_CHARS)
    suspend_overdue: bool = False
    lang: str | None = None


def clauses_for(terms: ProposedAgreement, now: int) -> Clauses:
    """The clauses of a proposal made at `now`."""
    for kind in terms.kinds:
        if kind not in KINDS:
            raise BadInput(f"unknown kind {kind!r}: one of {', '.join(KINDS)}")
    spoken_lang(terms.lang, ENGLISH)
    begins = max(now, terms.starts or now)
    until = min(begins + terms.days * DAY_S, MAX_UNTIL) if terms.days else None
    if terms.review is not None and not begins < terms.review < (until or MAX_UNTIL + 1):
        raise BadInput("review: choose a day between the beginning of the agreement and its end")
    try:
        return Clauses(
            purposes=frozenset(terms.purposes),
            kinds=terms.kinds,
            topics=terms.topics,
            passing_on=terms.passing_on,
            attachments=terms.attachments,
            withdrawal_response_h=terms.response_h,
            at_end=AtEnd(terms.at_end),
            starts=begins if begins > now else 0,  # no date of a clock that may be wrong, unless one was asked for
            until=until,
            review=terms.review,
            conflict=terms.conflict.strip(),
            suspend_overdue=terms.suspend_overdue,
        )
    except ValidationError as error:
        raise BadInput(f"the agreement cannot be proposed: {error.errors()[0]['msg']}") from error


@dataclass(frozen=True)
class Proposal:
    """An agreement and the signatures it has so far."""

    document: Agreement
    tokens: tuple[str, ...]


def write_proposal(document: Agreement, tokens: tuple[str, ...]) -> str:
    """The stored form."""
    return json.dumps({"document": json.loads(document.model_dump_json()), "tokens": list(tokens)})


def read_proposal(text: str) -> Proposal:
    """From the stored form."""
    value = json.loads(text)
    return Proposal(Agreement.model_validate_json(json.dumps(value["document"])), tuple(value["tokens"]))


def waits_for_peer(source: str | None, own: str) -> Agreement | None:
    """The proposed agreement that we have signed: the peer's signature alone puts it in force."""
    proposal = read_proposal(source) if source else None
    if proposal is None or all(split_kid(peek(t)[1])[0] != own for t in proposal.tokens):
        return None
    return proposal.document


def renewal(document: Agreement, days: int, now: int) -> ProposedAgreement:
    """The same clauses with a new end, counted from the present one if that is still to come.

    A day of review that has come, or comes soon, moves along, so that somebody looks again.
    """
    clauses = document.clauses
    if clauses.until is None:
        raise NotNow("this agreement has no end, so there is nothing to renew; `peer propose` changes it")
    left = max(0, -(-(clauses.until - now) // DAY_S))
    review = clauses.review
    if review is not None and review <= now + REMIND_S:
        review = min(max(now, review) + days * DAY_S, now + (left + days) * DAY_S - 1)
    return ProposedAgreement(
        purposes=tuple(sorted(clauses.purposes)), kinds=clauses.kinds, topics=clauses.topics,
        passing_on=clauses.passing_on, attachments=clauses.attachments, response_h=clauses.withdrawal_response_h,
        at_end=clauses.at_end.value, days=left + days, review=review, conflict=clauses.conflict,
        suspend_overdue=clauses.suspend_overdue, lang=document.lang if document.lang in languages() else None,
    )  # fmt: skip


def spoken_lang(lang: str | None, say: Say) -> str:
    """The language of the words of an agreement: the one asked for, or the steward's."""
    if lang is None:
        return say.lang
    if lang not in languages():
        raise BadInput(f"lang {lang!r}: the words of an agreement are in one of {', '.join(languages())}")
    return lang


def worded(document: Agreement, lang: str) -> Agreement:
    """The agreement with its clauses as sentences, for both to sign."""
    return document.model_copy(update={"words": _own_words(document, lang), "lang": lang, "rendering": RENDERING})


def _own_words(document: Agreement, lang: str) -> tuple[str, ...]:
    return tuple(promises(clauses_of(document), speech((lang,))))


def words_differ(document: Agreement) -> bool:
    """True if the words are of a rendering and a language that we know, and do not say what the clauses say."""
    if not document.words or document.rendering != RENDERING or document.lang not in languages():
        return False
    return document.words != _own_words(document, document.lang)


def agreement_view(text: str, own: str, say: Say = ENGLISH) -> AgreementView:
    """An agreement for people and programs: our words for its clauses, and those that were signed if they differ."""
    proposal = read_proposal(text)
    document, clauses = proposal.document, proposal.document.clauses
    signers = {split_kid(peek(t)[1])[0] for t in proposal.tokens}
    words = promises(clauses_of(document), say)
    signed = list(document.words)
    return AgreementView(
        id=document.id,
        ours=own,
        theirs=document.other(own),
        purposes=sorted(clauses.purposes),
        kinds=list(clauses.kinds),
        topics=list(clauses.topics),
        passing_on=clauses.passing_on,
        attachments=clauses.attachments,
        response_h=clauses.withdrawal_response_h,
        at_end=clauses.at_end.value,
        starts=clauses.starts,
        until=clauses.until,
        review=clauses.review,
        conflict=clauses.conflict,
        suspend_overdue=clauses.suspend_overdue,
        signed_by_us=own in signers,
        signed_by_them=document.other(own) in signers,
        words=words,
        signed_words=[] if signed == words else signed,
        signed_lang=document.lang,
        words_warning=_warning(document, say),
    )


def _warning(document: Agreement, say: Say) -> str:
    if not document.words:
        return say("This agreement was signed without words: only its clauses count.")
    if words_differ(document):
        return say("The words that were signed say something else than the clauses: the clauses count here.")
    if document.rendering != RENDERING or document.lang not in languages():
        return say(
            "The words were made by another version or in a language that this node does not speak: compare them with "
            "ours before you sign."
        )
    return ""
