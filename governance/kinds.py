"""The kinds of record and the sections each one has (DESIGN 2).

A kind is one class: its fields are its named sections, their `title` is what people read.
Adding a kind is adding such a class to `KINDS`, nothing else.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.fields import FieldInfo

MAX_TEXT_CHARS: Final = 1_000_000  # a section of a book; the envelope's byte limit is checked when it is sealed
MAX_ITEMS: Final = 1_000  # a checklist of more is several checklists
MAX_LINE_CHARS: Final = 2_000

Markdown = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
Line = Annotated[str, Field(min_length=1, max_length=MAX_LINE_CHARS)]
Lines = Annotated[tuple[Line, ...], Field(max_length=MAX_ITEMS)]


class Part(BaseModel):
    """A structured value inside a section: frozen; members of a later version are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class ChecklistItem(Part):
    """One thing to do: by whom, when, and whether it may be skipped."""

    text: Line
    role: str = ""
    when: str = ""
    required: bool = False


class RecordRef(Part):
    """Another record, by origin and id, optionally at one version."""

    rid: str
    origin: str | None = None
    ver: int | None = None


class Component(Part):
    """One part of a toolkit: a record, or only a title where the record is not here."""

    title: Line
    notes: Markdown = ""
    record: RecordRef | None = None


class Placeholder(Part):
    """A blank of a template."""

    name: Line
    description: str = ""
    example: str = ""


class Step(Part):
    """One step of a learning module."""

    title: Line
    text: Markdown = ""
    minutes: int | None = Field(default=None, ge=0, le=100_000)


class Level(StrEnum):
    """How much a learner should already know."""

    INTRODUCTORY = "introductory"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"


class Delivery(StrEnum):
    """How a learning module is held."""

    IN_PERSON = "in_person"
    ONLINE = "online"
    BLENDED = "blended"
    SELF_PACED = "self_paced"


class Kind(BaseModel):
    """A kind's sections; each is a field of consent of its own, and each may be absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]
    label: ClassVar[str]
    main: ClassVar[str] = "body"  # where a plain text goes when it names no section


def _md(title: str) -> Any:
    return Field(default=None, title=title)


class CaseStudy(Kind):
    """What was tried somewhere, and what came of it."""

    name = "case_study"
    label = "Case study"
    context: Markdown | None = _md("Context")
    challenge: Markdown | None = _md("Challenge")
    actions: Markdown | None = _md("Actions")
    decision_points: Markdown | None = _md("Decision points")
    outcome: Markdown | None = _md("Outcome")
    lessons: Markdown | None = _md("Lessons")
    trade_offs: Markdown | None = _md("Trade-offs")
    reuse_conditions: Markdown | None = _md("Conditions for reuse")


class AfterActionReview(Kind):
    """What was meant to happen, what did, and what to keep or change."""

    name = "after_action_review"
    label = "After-action review"
    intended: Markdown | None = _md("What was intended")
    happened: Markdown | None = _md("What happened")
    why: Markdown | None = _md("Why it happened")
    sustain: Markdown | None = _md("Sustain")
    improve: Markdown | None = _md("Improve")
    safety_notes: Markdown | None = _md("Safety notes")


class Checklist(Kind):
    """Things to do, with who and when."""

    name = "checklist"
    label = "Checklist"
    items: Annotated[tuple[ChecklistItem, ...], Field(max_length=MAX_ITEMS)] | None = _md("Items")


class Toolkit(Kind):
    """Records in an order, with notes."""

    name = "toolkit"
    label = "Toolkit"
    components: Annotated[tuple[Component, ...], Field(max_length=MAX_ITEMS)] | None = _md("Components")


class Template(Kind):
    """A text with blanks to fill in."""

    name = "template"
    label = "Template"
    placeholders: Annotated[tuple[Placeholder, ...], Field(max_length=MAX_ITEMS)] | None = _md("Placeholders")


class LearningModule(Kind):
    """Something to teach, step by step."""

    name = "learning_module"
    label = "Learning module"
    objectives: Lines | None = _md("Objectives")
    duration_minutes: int | None = Field(default=None, ge=0, le=1_000_000, title="Duration in minutes")
    level: Level | None = _md("Level")
    delivery: Delivery | None = _md("Delivery")
    materials: Lines | None = _md("Materials")
    steps: Annotated[tuple[Step, ...], Field(max_length=MAX_ITEMS)] | None = _md("Steps")
    debrief_questions: Lines | None = _md("Debrief questions")
    prerequisites: Lines | None = _md("Prerequisites")
    competencies: Lines | None = _md("Competencies")


class Story(Kind):
    """What someone lived through, and what it asks of us."""

    name = "story"
    label = "Story"
    main = "narrative"
    narrative: Markdown | None = _md("Narrative")
    decision_point: Markdown | None = _md("Decision point")
    moral_considerations: Markdown | None = _md("Moral considerations")
    trade_offs: Markdown | None = _md("Trade-offs")
    prompts: Lines | None = _md("Prompts")


class Guide(Kind):
    """A text that explains how something is done."""

    name = "guide"
    label = "Guide"


KINDS: Final[dict[str, type[Kind]]] = {
    k.name: k for k in (CaseStudy, AfterActionReview, Checklist, Toolkit, Template, LearningModule, Story, Guide)
}


@cache
def section_adapters(kind: str) -> dict[str, TypeAdapter[Any]]:
    """Section name to the validator of its value; empty for a kind of a later version."""
    model = KINDS.get(kind)
    if model is None:
        return {}
    # The annotation allows None for "absent"; a value that is sent is never null, `record.check_field` refuses that.
    return {name: _adapter(info) for name, info in model.model_fields.items()}


def _adapter(info: FieldInfo) -> TypeAdapter[Any]:
    annotation: Any = info.annotation
    return TypeAdapter(Annotated[annotation, *info.metadata] if info.metadata else annotation)


def section_label(kind: str, section: str) -> str:
    """What people read above a section; the name itself, spaced, where the kind does not know it."""
    model = KINDS.get(kind)
    info = model.model_fields.get(section) if model else None
    return info.title if info and info.title else section.replace("_", " ").capitalize()


def kind_label(kind: str) -> str:
    """What people call the kind."""
    model = KINDS.get(kind)
    return model.label if model else kind.replace("_", " ").capitalize()
