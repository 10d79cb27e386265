"""A stored copy read back: what its fields say, under which terms, and what the gate needs to see of it.

The row was written from a `VerifiedEnvelope`, so reading it back checks nothing again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

from federation.encoding import b64url_decode
from federation.envelope import VerifiedEnvelope, copy_id_of
from governance.gate import RecordView
from governance.holds import Stop, Stops
from governance.outline import Outline, read_sensitivity, read_tags, read_text, write_outline
from governance.policy import Facts
from governance.record import Sensitivity
from governance.terms import Terms
from node.store.rows import AttachmentRef, Copy, LinkRow, State

_REMEMBERED_TERMS: Final = 4096


@lru_cache(_REMEMBERED_TERMS)
def _terms(audiences: tuple[str, ...], purposes: tuple[str, ...], until: int | None) -> Terms:
    return Terms.from_json({"aud": list(audiences), "pur": list(purposes), "until": until})


def _distinct(payload: Mapping[str, Any]) -> list[Terms]:
    return [_terms(tuple(t["aud"]), tuple(t["pur"]), t.get("until")) for t in payload["terms"]]


def signed_terms(jws: str) -> dict[str, Terms]:
    """The terms of every field of a version that was verified or sealed here."""
    payload = json.loads(b64url_decode(jws.split(".", 2)[1]))
    distinct = _distinct(payload)
    return {name: distinct[form["t"]] for name, form in payload["f"].items()}


@dataclass(frozen=True)
class Held:
    """A live copy. `texts` are the disclosure texts held, by field; `digests` and `terms` cover every signed field."""

    row: Copy
    terms: Mapping[str, Terms]
    digests: Mapping[str, str]
    texts: Mapping[str, str]

    @staticmethod
    def read(row: Copy) -> Held:
        """Decode a row in state LIVE."""
        assert row.jws is not None
        payload = json.loads(b64url_decode(row.jws.split(".", 2)[1]))
        distinct = _distinct(payload)
        fields: dict[str, Any] = payload["f"]
        return Held(
            row,
            {name: distinct[form["t"]] for name, form in fields.items()},
            {name: form["_sd"][0] for name, form in fields.items()},
            texts_held(row),
        )

    def value(self, field: str) -> Any:
        """The JSON value of a field that is held, None for one that is not."""
        text = self.texts.get(field)
        return None if text is None else value_in(text)

    @cached_property
    def values(self) -> dict[str, Any]:
        """All held fields."""
        return {name: value_in(text) for name, text in self.texts.items()}

    @property
    def title(self) -> str:
        """The title; a live copy always has one."""
        return str(self.value("title"))

    @cached_property
    def held_terms(self) -> dict[str, Terms]:
        """The terms of the fields that are here."""
        return {name: self.terms[name] for name in self.texts}

    def copy_id(self, fields: Iterable[str]) -> bytes:
        """The copy id of this version with just these fields."""
        assert self.row.vid is not None
        return bytes.fromhex(copy_id_of(self.row.vid.hex(), [self.digests[name] for name in fields]))

    def next_end(self, now: int) -> int | None:
        """The next second at which one of the fields that are here ends."""
        return next_end({self.terms[name] for name in self.texts}, now)

    @cached_property
    def facts(self) -> Facts:
        """What rules see: a signed field that is not here is unknown, one that was never signed is known to be none."""
        row = self.row
        assert row.kind is not None
        assert row.lang is not None
        assert row.iat is not None
        if row.outline is not None:  # the same, read already when the row was written
            topics, regions, labels, sensitivity, licence, *_ = row.outline.split("\n")
            return Facts(
                row.kind, row.lang, row.origin, row.iat, row.own, read_tags(topics), read_tags(regions),
                read_tags(labels), read_sensitivity(sensitivity), read_text(licence), self.terms["title"].purposes,
            )  # fmt: skip
        return Facts(
            row.kind,
            row.lang,
            row.origin,
            row.iat,
            row.own,
            self._set("topics"),
            self._set("regions"),
            self._set("labels"),
            self._sensitivity(),
            self._fact("licence"),
            self.terms["title"].purposes,
        )

    def _set(self, name: str) -> frozenset[str] | None:
        if name in self.digests and name not in self.texts:
            return None
        return frozenset(self.value(name) or ())

    def _fact(self, name: str) -> str | None:
        """The text of a field, empty where the record is known to have none, None where it is not shown to us."""
        if name not in self.digests:
            return ""
        value = self.value(name)
        return value if isinstance(value, str) else None

    def _sensitivity(self) -> Sensitivity | Literal[""] | None:
        value = self._fact("sensitivity")
        if value == "":
            return ""
        return Sensitivity(value) if value in tuple(Sensitivity) else None

    def view(
        self, circles: frozenset[str], passed_to_us: bool, *, stops: Stops, released: frozenset[str] = frozenset()
    ) -> RecordView:
        """What the gate sees. Sealed terms are the consent of this second: a change reseals in its own transaction."""
        row = self.row
        stop = self.stop(stops)
        return RecordView(
            row.origin,
            row.rid,
            row.ver,
            self.facts,
            self.held_terms,
            direct=frozenset(filter(None, row.direct.split(","))),
            editors=frozenset(filter(None, (row.editor,))),
            circles=circles,
            passed_to_us=passed_to_us,
            released=released,
            held=stop is Stop.HERE,
            hidden=stop is Stop.ORIGIN,
        )

    def stop(self, stops: Stops) -> Stop | None:
        """Who has put it on hold, if anybody has."""
        return stops.of(self.row.origin, self.row.rid, (t.audiences for t in self.terms.values()))


def texts_held(row: Copy) -> dict[str, str]:
    """The disclosure texts of a live copy by field, in signed order."""
    assert row.disclosed is not None
    texts: dict[str, str] = json.loads(row.disclosed)
    return texts


def value_in(text: str) -> Any:
    """The value in a disclosure text."""
    return json.loads(text)[2]


def next_end(terms: Iterable[Terms], now: int) -> int | None:
    """The next second at which one of these terms ends."""
    return min((t.until for t in terms if t.until is not None and t.until > now), default=None)


def row_of(
    envelope: VerifiedEnvelope, base: Copy, *, keep: Mapping[str, str] | None = None, change_seq: int, now: int
) -> Copy:
    """The row for a verified copy: the only way content enters the table of copies.

    `base` gives id, ownership and marks; `keep` are further texts of the same version that other peers offer.
    """
    texts, copy_id = dict(envelope.texts), envelope.copy_id
    if keep:
        texts = {name: keep.get(name) or texts[name] for name in envelope.digests if name in keep or name in texts}
        copy_id = copy_id_of(envelope.vid, [envelope.digests[n] for n in texts])
    row = replace(
        base,
        state=State.LIVE,
        ver=envelope.ver,
        change_seq=change_seq,
        vid=bytes.fromhex(envelope.vid),
        copy_id=bytes.fromhex(copy_id),
        iat=envelope.iat,
        kind=envelope.kind,
        lang=envelope.lang,
        jws=envelope.jws.decode("ascii"),
        disclosed=json.dumps(texts, ensure_ascii=False, separators=(",", ":")),
        ends_at=next_end({envelope.field_terms[n] for n in texts}, now),
        received_at=None if base.own else now,
        outline=None,
    )
    return outlined(Held(row, envelope.field_terms, envelope.digests, texts))


def outline_of(row: Copy) -> Outline:
    """What the gate sees of a live copy, without what it says."""
    assert row.iat is not None
    return Outline(
        row.id, row.origin, row.rid, row.own, row.ver, row.iat, row.kind or "", row.lang or "", row.direct, row.editor,
        row.outline or "",
    )  # fmt: skip


def outlined(held: Held) -> Copy:
    """The row with the outline of what it holds."""
    assert held.row.outline is None, "an outline is made of what the copy holds, not of an older one"
    return replace(held.row, outline=write_outline(held.facts, held.held_terms, held.terms.values()))


def replaced(row: Copy, values: Mapping[str, Any]) -> set[str]:
    """The fields that say something else now than this live row does, or are gone."""
    return {n for n, text in texts_held(row).items() if n not in values or value_in(text) != values[n]}


def with_fields(held: Held, fields: Collection[str], change_seq: int, now: int) -> Copy:
    """The row with only these fields left; emptied to a mark if the title is not among them."""
    if "title" not in fields:
        return emptied(held.row, State.ERASED, change_seq)
    texts = {name: text for name, text in held.texts.items() if name in fields}
    row = replace(
        held.row,
        change_seq=change_seq,
        copy_id=held.copy_id(texts),
        disclosed=json.dumps(texts, ensure_ascii=False, separators=(",", ":")),
        ends_at=next_end((held.terms[n] for n in texts), now),
        outline=None,
    )
    return outlined(replace(held, row=row, texts=texts))


def emptied(row: Copy, state: State, change_seq: int, **more: Any) -> Copy:
    """The mark that stays for ever: no content, no terms, no title; only ids, hashes and the highest version."""
    mark = Copy(row.id, row.origin, row.rid, row.own, state, row.ver, change_seq)
    kept = {n: getattr(row, n) for n in ("via", "vid", "conflict", "withdrawal", "reason", "relay")}
    return replace(mark, **(kept | more))


CORRECTS: Final = "corrects"  # a record whose present version corrects those before it refers to itself


def references(copy: Copy, fields: Mapping[str, Any]) -> list[AttachmentRef | LinkRow]:
    """What a copy's held fields refer to: files by hash, other records by id. Malformed values refer to nothing."""
    out: list[AttachmentRef | LinkRow] = []
    for name, value in fields.items():
        if name.startswith("attachment:") and isinstance(value, Mapping) and isinstance(value.get("sha256"), str):
            out.append(AttachmentRef(value["sha256"], copy.id, name))
    out.extend(
        LinkRow(copy.id, str(link.get("rel")), str(link["to"]["rid"]))
        for link in fields.get("links") or ()
        if isinstance(link, Mapping) and isinstance(link.get("to"), Mapping) and "rid" in link["to"]
    )
    if isinstance(fields.get("correction"), Mapping):
        out.append(LinkRow(copy.id, CORRECTS, copy.rid))
    return out
