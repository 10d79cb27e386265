"""The acts that stewards decide on, as typed values: what a proposal's text is, and what votes are bound to."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from governance.policy_text import MAX_POLICY_BYTES
from node.agreements import ProposedAgreement

MAX_MEMBERS: Final = 1_000  # as the API takes them
MAX_NOTE_CHARS: Final = 500  # what a notice to a peer carries

Ref = Annotated[str, Field(min_length=1, max_length=300)]
Members = Annotated[tuple[Ref, ...], Field(max_length=MAX_MEMBERS)]


class _Act(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PolicyChange(_Act):
    """Another policy; `source` says where its text came from."""

    kind: Literal["policy.change"] = "policy.change"
    text: str = Field(min_length=1, max_length=MAX_POLICY_BYTES)
    source: Literal["", "file"] = ""


class AgreementPropose(_Act):
    """Offer a peer an agreement: a first one, another one, or one after an end."""

    kind: Literal["agreement.propose"] = "agreement.propose"
    peer: Ref
    terms: ProposedAgreement


class AgreementRenew(_Act):
    """Offer a peer the present agreement once more, for so many further days."""

    kind: Literal["agreement.renew"] = "agreement.renew"
    peer: Ref
    days: int = Field(default=365, ge=1, le=36_500)


class AgreementCountersign(_Act):
    """Sign the agreement that is proposed; `agreement` is its id, so that no other one is signed instead."""

    kind: Literal["agreement.countersign"] = "agreement.countersign"
    peer: Ref
    agreement: str = Field(default="", max_length=200)


class AgreementStep(_Act):
    """A step that we take alone, by a signed notice."""

    kind: Literal["agreement.suspend", "agreement.resume", "agreement.end", "agreement.block", "agreement.unblock"]
    peer: Ref
    note: str = Field(default="", max_length=MAX_NOTE_CHARS)


class CircleCreate(_Act):
    """A new circle of ours."""

    kind: Literal["circle.create"] = "circle.create"
    slug: str = Field(min_length=1, max_length=64)
    members: Members = ()


class CircleChange(_Act):
    """Who joins and who leaves a circle of ours."""

    kind: Literal["circle.change"] = "circle.change"
    circle: Ref
    add: Members = ()
    remove: Members = ()


class RecordRelease(_Act):
    """Let go of a record that a rule holds: to one peer, or to everybody (`to` empty).

    `ver` 0 means the version of now; it is filled in, since only the words that were seen are released.
    """

    kind: Literal["record.release"] = "record.release"
    record: Ref
    origin: str = Field(default="", max_length=200)
    to: str = Field(default="", max_length=300)
    ver: int = Field(default=0, ge=0)


class StewardAdd(_Act):
    """Make an account one of the stewards."""

    kind: Literal["steward.add"] = "steward.add"
    account: Ref


class StewardRemove(_Act):
    """Let a steward go on as a member or an editor."""

    kind: Literal["steward.remove"] = "steward.remove"
    account: Ref
    role: Literal["member", "editor"] = "member"


class HoldLift(_Act):
    """Lift an emergency hold."""

    kind: Literal["hold.lift"] = "hold.lift"
    hold: Ref


class KeyRotate(_Act):
    """Put the next identity key to use, and commit to a fresh one; `fresh` names further keys to draw anew."""

    kind: Literal["key.rotate"] = "key.rotate"
    fresh: tuple[Literal["request", "record", "log"], ...] = ()


Act = (
    PolicyChange | AgreementPropose | AgreementRenew | AgreementCountersign | AgreementStep | CircleCreate
    | CircleChange | RecordRelease | StewardAdd | StewardRemove | HoldLift | KeyRotate
)  # fmt: skip
AnyAct = Annotated[Act, Field(discriminator="kind")]
_ACT: Final[TypeAdapter[Act]] = TypeAdapter(AnyAct)


_SHAPES: Final[dict[str, type[_Act]]] = {
    kind: model for model in get_args(Act) for kind in get_args(model.model_fields["kind"].annotation)
}
KINDS: Final = tuple(_SHAPES)


def members_of(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names that an act of a kind needs, and those that it may have."""
    fields = {n: f for n, f in _SHAPES[kind].model_fields.items() if n != "kind"}
    needs = tuple(n for n, f in fields.items() if f.is_required())
    return needs, tuple(n for n in fields if n not in needs)


def read_act(text: str) -> Act:
    """An act from its stored form."""
    return _ACT.validate_json(text)


def write_act(act: Act) -> str:
    """The stored form: one text for one act."""
    return act.model_dump_json()


def act_json(act: Act) -> dict[str, Any]:
    """The act as JSON values."""
    return act.model_dump(mode="json")
