"""Agreements in storage and for people: a proposal, its signatures, and what it says in plain words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.documents import Agreement, AtEnd, Clauses
from federation.jws import peek
from federation.keys import split_kid
from governance.kinds import KINDS, kind_label
from governance.terms import MAX_UNTIL, Purpose
from governance.words import day_words
from node.errors import BadInput
from node.views import AgreementView

DAY_S: Final = 86_400


class ProposedAgreement(BaseModel):
    """What a steward proposes; empty `kinds` and `topics` mean all, `days` None means without end.

    It begins when both have signed, or at `starts` (unix seconds) if that is later; `days` count from its beginning.
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


def clauses_for(terms: ProposedAgreement, now: int) -> Clauses:
    """The clauses of a proposal made at `now`."""
    for kind in terms.kinds:
        if kind not in KINDS:
            raise BadInput(f"unknown kind {kind!r}: one of {', '.join(KINDS)}")
    begins = max(now, terms.starts or now)
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
            until=min(begins + terms.days * DAY_S, MAX_UNTIL) if terms.days else None,
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


def agreement_view(text: str, own: str, now: int) -> AgreementView:
    """An agreement for people and programs; its words name a beginning that is still to come."""
    proposal = read_proposal(text)
    document, clauses = proposal.document, proposal.document.clauses
    signers = {split_kid(peek(t)[1])[0] for t in proposal.tokens}
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
        signed_by_us=own in signers,
        signed_by_them=document.other(own) in signers,
        words=agreement_words(clauses, now),
    )


def agreement_words(clauses: Clauses, now: int) -> list[str]:
    """What both sides promise, a sentence each."""
    kinds = ", ".join(kind_label(k) for k in clauses.kinds) or "every kind of record"
    topics = f" about {', '.join(clauses.topics)}" if clauses.topics else ""
    later = [f"It begins on {day_words(str(clauses.starts))}."] if clauses.starts > now else []
    return [
        *later,
        f"Both share {kinds}{topics}, as far as each one's own rules and contributors allow.",
        f"It may be used for {', '.join(sorted(clauses.purposes)) or 'no purpose'}.",
        "It may be passed on where its terms allow." if clauses.passing_on else "It may not be passed on.",
        "Attachments are included." if clauses.attachments else "Attachments are not included.",
        f"A withdrawal is carried out and confirmed within {clauses.withdrawal_response_h} hours.",
        "When the agreement ends, copies are erased and that is confirmed."
        if clauses.at_end is AtEnd.ERASE
        else "When the agreement ends, copies may be kept until their own terms end.",
    ]
