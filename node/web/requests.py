"""Bodies and query strings of the API: frozen models, where a caller's bytes become values."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from governance.policy_text import MAX_POLICY_BYTES
from governance.record import Draft
from governance.terms import Purpose, Terms
from node.agreements import ProposedAgreement
from node.peers.meeting import MAX_INVITE_H

MAX_PAGE: Final = 200  # a screenful and more; longer lists go on with the cursor
MAX_TEXT_CHARS: Final = 512  # as `search.query`; more is a paste
MAX_VALUES: Final = 64  # of one filter
MAX_YEAR: Final = 9999


class Given(BaseModel):
    """Base: a member that is not known is a typing mistake, and is refused as one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Given):
    """No member."""


class OriginQuery(Given):
    """Which node's record, where one id is known from two."""

    origin: str | None = None


class ListQuery(Given):
    """Filters of the record list."""

    own: bool | None = None
    kind: str | None = None
    lang: str | None = None
    after: str | None = Field(default=None, description="the `next` of the page before")
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)


class PageQuery(Given):
    """A part of the audit log."""

    subject: str | None = None
    after: str | None = Field(default=None, description="the `next` of the page before")
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)


Values = Annotated[list[str], Field(max_length=MAX_VALUES)]


class SearchQuery(Given):
    """Words and filters; several values of one filter mean any of them."""

    q: str = Field(default="", max_length=MAX_TEXT_CHARS)
    kind: Values = []
    topic: Values = []
    region: Values = []
    language: Values = []
    origin: Values = []
    licence: Values = []
    purpose: Values = []
    year_from: int | None = Field(default=None, ge=0, le=MAX_YEAR)
    year_to: int | None = Field(default=None, ge=0, le=MAX_YEAR)
    sort: Literal["relevance", "newest"] = "relevance"
    after: str | None = Field(default=None, description="the `next` of the page before")
    limit: int = Field(default=20, ge=1, le=100)
    languages: Values = Field(default=[], description="languages the reader reads, best first")


class SuggestQuery(Given):
    """The beginning of a word."""

    q: str = Field(max_length=100)


class ExplainQuery(Given):
    """For whom: a peer's id or name, member, editor, steward or public; whose record, as in `OriginQuery`.

    With `field`, for that field alone.
    """

    to: str
    origin: str | None = None
    field: str | None = None


class AttachQuery(Given):
    """What the uploaded bytes are."""

    name: str = Field(min_length=1, max_length=255)
    media_type: str = Field(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=200)
    alt: str = Field(default="", max_length=2_000)


class ImportQuery(Given):
    """Where the items come from: with the item's own id it says what is the same document."""

    source: str = Field(min_length=1, max_length=200)
    publish: bool = True


class ConsentQuery(Given):
    """Filters of the consent list."""

    subject: str | None = None
    rid: str | None = None


class TermsBody(Given):
    """Terms as the API takes them."""

    audiences: list[str] = Field(min_length=1, max_length=16)
    purposes: list[Purpose]
    until: int | None = Field(default=None, description="unix seconds")

    def terms(self) -> Terms:
        """The value; `TermsError` for an unknown audience."""
        pur = [str(p) for p in self.purposes]
        return Terms.from_json(
            {"aud": self.audiences, "pur": pur} | ({} if self.until is None else {"until": self.until})
        )


class CreateBody(Draft):
    """A draft, and whether to publish it at once."""

    publish: bool = True

    def draft(self) -> Draft:
        """The draft alone."""
        return Draft.model_validate(self.model_dump(exclude={"publish"}))


class NarrowBody(Given):
    """Terms to meet with; `fields` null narrows the whole record."""

    terms: TermsBody
    fields: list[str] | None = None


class WithdrawBody(Given):
    """Why a record is taken back: a code, since it is told to every holder."""

    reason: Literal["consent", "harm", "error", "rights", "other"]


class ConsentBody(Given):
    """A contributor's permission."""

    subject: str = Field(min_length=1, max_length=200)
    terms: TermsBody
    how: str = Field(min_length=1, max_length=500, description="how it was given: a form, a talk, a message")
    rid: str | None = None
    fields: list[str] | None = None
    given_at: int | None = Field(default=None, ge=0)


class InviteBody(Given):
    """An invitation and the agreement it proposes."""

    note: str = Field(default="", max_length=200)
    terms: ProposedAgreement = ProposedAgreement()
    valid_h: int = Field(default=72, ge=1, le=MAX_INVITE_H)


class AcceptBody(Given):
    """The link or the text of an invitation."""

    text: str = Field(min_length=1, max_length=20_000)


class NoteBody(Given):
    """A word to the other side."""

    note: str = Field(default="", max_length=500)


class CircleBody(Given):
    """A new circle; members are peers by id or name."""

    slug: str = Field(max_length=64, description="lower-case letters, digits and hyphens")
    members: list[str] = Field(default=[], max_length=1_000)


class MembersBody(Given):
    """Who joins and who leaves a circle."""

    add: list[str] = Field(default=[], max_length=1_000)
    remove: list[str] = Field(default=[], max_length=1_000)


class SyncBody(Given):
    """With whom; null means everyone."""

    peer: str | None = None


class PolicyBody(Given):
    """A policy's text, TOML."""

    text: str = Field(max_length=MAX_POLICY_BYTES)
