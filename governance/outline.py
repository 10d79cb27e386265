"""What rules and terms can see of a record, without its words: the facts, and under which terms each field stands.

It is kept beside a copy, so that many thousand records can be judged without reading what they say. It is a text of
eight lines; two records with the same line are the same in that respect, which is what a preview groups them by.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from governance.policy import Facts
from governance.record import Sensitivity
from governance.terms import Terms, circle_id

UNKNOWN: Final = "?"  # a signed field that is not here
_REMEMBERED: Final = 8192  # lines; records of one organisation share most of theirs
TITLE: Final = "title"
_SENSITIVITY: Final = 3  # its line


class Outline(NamedTuple):
    """A live copy as the gate sees it; `number` is the store's own, `direct` node ids joined by commas."""

    number: int
    origin: str
    rid: str
    own: bool
    ver: int
    iat: int
    kind: str
    lang: str
    direct: str
    editor: str
    text: str

    @property
    def sensitivity(self) -> str:
        """The word for it: low, medium, high, none or unknown."""
        line = self.text.split("\n", 4)[_SENSITIVITY]
        return "unknown" if line == UNKNOWN else line or "none"

    def facts(self) -> Facts:
        """What rules see."""
        topics, regions, labels, sensitivity, licence, *_ = self.text.split("\n")
        return Facts(
            self.kind, self.lang, self.origin, self.iat, self.own, read_tags(topics), read_tags(regions),
            read_tags(labels), read_sensitivity(sensitivity), read_text(licence),
            self.sealed()[TITLE].purposes,
        )  # fmt: skip

    def sealed(self) -> dict[str, Terms]:
        """The signed terms of the fields that are here."""
        *_, terms, layout, _ = self.text.split("\n")
        return {
            name: each for each, names in zip(read_terms(terms), read_layout(layout), strict=True) for name in names
        }

    def circles(self) -> frozenset[str]:
        """The audiences that are circles, of all signed fields, here or not: what holds on circles look at."""
        line = self.text.rpartition("\n")[2]
        return frozenset(line.split(",")) if line else frozenset()


def write_outline(facts: Facts, sealed: Mapping[str, Terms], signed: Iterable[Terms]) -> str:
    """The text that is kept; `sealed` are the terms of the fields that are here, `signed` those of all fields."""
    by_terms: dict[Terms, list[str]] = {}
    for name, terms in sealed.items():
        by_terms.setdefault(terms, []).append(name)
    return "\n".join(
        (
            _tags(facts.topics),
            _tags(facts.regions),
            _tags(facts.labels),
            UNKNOWN if facts.sensitivity is None else facts.sensitivity,
            UNKNOWN if facts.licence is None else json.dumps(facts.licence),
            _terms_line(tuple(by_terms)),
            ";".join([",".join(sorted(names)) for names in by_terms.values()]),
            _circles_line(frozenset(signed)),
        )
    )


def _tags(values: Iterable[str] | None) -> str:
    if values is None:
        return UNKNOWN
    return json.dumps(sorted(values)) if values else "[]"


@lru_cache(_REMEMBERED)
def _terms_line(terms: tuple[Terms, ...]) -> str:
    # The empty list of audiences is written too, which the signed form does not allow: it admits nobody.
    return json.dumps([[sorted(t.audiences), sorted(t.purposes), t.until] for t in terms])


@lru_cache(_REMEMBERED)
def _circles_line(signed: frozenset[Terms]) -> str:
    return ",".join(sorted({a for t in signed for a in t.audiences if circle_id(a) is not None}))


@lru_cache(_REMEMBERED)
def read_tags(line: str) -> frozenset[str] | None:
    """A line of topics, regions or labels."""
    return None if line == UNKNOWN else frozenset(json.loads(line))


def read_sensitivity(line: str) -> Any:
    """The line of the sensitivity, as `Facts` has it."""
    return None if line == UNKNOWN else Sensitivity(line) if line else ""


def read_text(line: str) -> str | None:
    """The line of the licence."""
    return None if line == UNKNOWN else str(json.loads(line))


@lru_cache(_REMEMBERED)
def read_terms(line: str) -> tuple[Terms, ...]:
    """The line of the distinct terms."""
    return tuple(Terms(frozenset(a), frozenset(p), until) for a, p, until in json.loads(line))


@lru_cache(_REMEMBERED)
def read_layout(line: str) -> tuple[tuple[str, ...], ...]:
    """The line of field names, for each of the terms in turn."""
    return tuple(tuple(part.split(",")) for part in line.split(";"))
