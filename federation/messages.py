"""What two nodes say to each other in a session: pages of entries, acknowledgements, and their wire form.

A page is NDJSON (docs/protocol.md, "Feed"): a head line, entry lines, an end line. Reading is strict and bounded;
members and entry types of a later version are ignored, so that both sides keep working.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from federation.encoding import dumps_text, loads_text
from federation.errors import Code, PeerError

MAX_PAGE_BYTES: Final = 32 * 1024 * 1024  # eight copies at their limit; a page is usually 2 MiB
MAX_PAGE_ENTRIES: Final = 1000  # so that a manifest or receipt covers a page (documents.MAX_ITEMS)
MAX_ACK_BYTES: Final = 4 * 1024 * 1024
MAX_LISTED: Final = 2000  # refusals, stale versions or wishes in one acknowledgement
HASH_HEX: Final = 64
_HASH: Final = re.compile(rf"[0-9a-f]{{{HASH_HEX}}}\Z")


@dataclass(frozen=True, slots=True)
class Put:
    """A copy to hold: the signed part and the disclosure texts, exactly as its origin made them.

    `hops` are the lines that each text has crossed from its origin, this one included; empty means one each.
    """

    seq: int
    jws: str
    texts: tuple[str, ...]
    hops: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Retract:
    """A record that the sender no longer offers; `ver` is the highest version it had offered."""

    seq: int
    origin: str
    rid: str
    ver: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The origin's signed withdrawal, relayed as it is."""

    seq: int
    jws: str


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle's signed roster."""

    seq: int
    jws: str


@dataclass(frozen=True, slots=True)
class Hiding:
    """An origin's signed word that copies of its records are hidden for the time being, or shown again."""

    seq: int
    jws: str


@dataclass(frozen=True, slots=True)
class Drop:
    """A copy that the receiver holds from the sender although the sender does not offer it (found by reconciling)."""

    seq: int
    copy_id: bytes


Entry: TypeAlias = Put | Retract | Withdraw | Circle | Hiding | Drop


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of one peer's feed after a cursor, in order.

    `origins` are histories (lists of entries) of other nodes whose signatures are inside. `count` and `total` (sum
    of copy ids modulo 2^256) are the fingerprint of what the receiver should hold from the sender once it is at
    `cursor` and `more` is false; `held_*` is the same of what the sender itself holds from the receiver, and `heard`
    how far it is in the receiver's feed, if it says so. `mail` says that documents wait at the sender for whoever asks
    for its feed (see `Mail`).
    """

    after: int
    entries: tuple[Entry, ...]
    cursor: int
    more: bool
    count: int
    total: bytes
    origins: tuple[tuple[str, ...], ...] = ()
    manifest: str = ""
    node_head: str = ""
    held_count: int = 0
    held_total: bytes = bytes(32)
    mail: bool = False
    heard: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that the receiver would not take, with the code of DESIGN's quarantine."""

    origin: str
    rid: str
    ver: int
    code: str


@dataclass(frozen=True, slots=True)
class Ack:
    """What became of a page: the new cursor, signed receipts, refusals, and the receiver's own fingerprint.

    `want` are copy ids it misses; `newer` are later versions, signed by the sender itself, of records it offered: it
    lost some state. `histories` let receipts of third nodes be verified; `reports` name passers-on without the right;
    `letters` are signed reports of readers and answers to them, for us or to be handed on.
    """

    cursor: int | None
    count: int = 0
    total: bytes = bytes(32)
    receipts: tuple[str, ...] = ()
    histories: tuple[tuple[str, ...], ...] = ()
    refused: tuple[Refused, ...] = ()
    newer: tuple[str, ...] = ()
    want: tuple[bytes, ...] = ()
    reports: tuple[str, ...] = ()
    letters: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """True if everything was taken as it came."""
        return not (self.refused or self.newer or self.want)

    @property
    def silent(self) -> bool:
        """True if there is nothing to tell."""
        told = (self.receipts, self.refused, self.newer, self.want, self.reports, self.letters)
        return self.cursor is None and not any(told)


@dataclass(frozen=True, slots=True)
class Mail:
    """Receipts and reports that waited at a node which cannot open a line itself; `last` is the number of the last."""

    last: int
    ack: Ack


@dataclass(frozen=True, slots=True)
class Marks:
    """How many withdrawal markers a side has in common with the other, and their sum modulo 2^256."""

    count: int
    total: bytes

    def text(self) -> str:
        """`<count>:<hex>`, as a request carries it."""
        return f"{self.count}:{self.total.hex()}"

    @staticmethod
    def parse(text: str) -> Marks:
        """Read it; `PeerError` if it is anything else."""
        count, colon, total = text.partition(":")
        if not colon or not count.isdecimal() or len(count) > 15:
            raise PeerError(Code.DOCUMENT, "marks are <count>:<hex>")
        return Marks(int(count), _hash(total))


def put_line(seq: int, jws: str, texts: Iterable[str], hops: Iterable[int] = ()) -> str:
    """The wire line of a copy; hops are left out where it comes from its origin."""
    line: dict[str, Any] = {"t": "put", "seq": seq, "jws": jws, "d": list(texts)}
    numbers = list(hops)
    return dumps_text(line | {"hops": numbers} if numbers else line)


def _entry_line(entry: Entry) -> str:
    match entry:
        case Put():
            return put_line(entry.seq, entry.jws, entry.texts, entry.hops)
        case Retract():
            return dumps_text(
                {"t": "retract", "seq": entry.seq, "origin": entry.origin, "rid": entry.rid, "ver": entry.ver}
            )
        case Withdraw():
            return dumps_text({"t": "withdraw", "seq": entry.seq, "jws": entry.jws})
        case Circle():
            return dumps_text({"t": "roster", "seq": entry.seq, "jws": entry.jws})
        case Hiding():
            return dumps_text({"t": "hide", "seq": entry.seq, "jws": entry.jws})
        case Drop():
            return dumps_text({"t": "drop", "seq": entry.seq, "copy": entry.copy_id.hex()})


def write_page(page: Page) -> bytes:
    """The NDJSON of a page."""
    lines = [dumps_text({"t": "head", "after": page.after, "node": page.node_head})]
    lines += [dumps_text({"t": "origin", "history": list(history)}) for history in page.origins]
    lines += [_entry_line(entry) for entry in page.entries]
    end = {"t": "end", "cursor": page.cursor, "more": page.more, "count": page.count, "sum": page.total.hex()}
    end |= {"held_count": page.held_count, "held_sum": page.held_total.hex()}
    if page.manifest:
        end["manifest"] = page.manifest
    if page.mail:
        end["mail"] = True
    if page.heard is not None:
        end["heard"] = page.heard
    lines.append(dumps_text(end))
    return ("\n".join(lines) + "\n").encode()


def read_page(data: bytes) -> Page:
    """A page from its NDJSON; `PeerError` if its frame is broken. What entries hold is verified later, one by one."""
    if len(data) > MAX_PAGE_BYTES:
        raise PeerError(Code.TOO_LARGE, f"a page has at most {MAX_PAGE_BYTES} bytes")
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise PeerError(Code.NOT_UTF8, "a page is UTF-8") from None
    if len(lines) < 3 or lines.pop() != "":
        raise PeerError(Code.DOCUMENT, "a page has a head line, an end line, and ends with a line feed")
    if len(lines) > 2 * MAX_PAGE_ENTRIES + 2:
        raise PeerError(Code.TOO_LARGE, f"a page has at most {MAX_PAGE_ENTRIES} entries")
    objects = [_object(line) for line in lines]
    head, end = objects[0], objects[-1]
    if head.get("t") != "head" or end.get("t") != "end":
        raise PeerError(Code.DOCUMENT, "a page begins with a head line and closes with an end line")
    middle = objects[1:-1]
    entries = tuple(e for e in map(_entry, middle) if e is not None)
    after, cursor = _number(head, "after"), _number(end, "cursor")
    if len(entries) > MAX_PAGE_ENTRIES:
        raise PeerError(Code.TOO_LARGE, f"a page has at most {MAX_PAGE_ENTRIES} entries")
    if cursor < after or any(not after <= e.seq <= cursor for e in entries):
        raise PeerError(Code.SEQUENCE, "the entries of a page lie between its cursors")
    return Page(
        after,
        entries,
        cursor,
        end.get("more") is True,
        _number(end, "count"),
        _hash(end.get("sum")),
        tuple(_words(o, "history") for o in middle if o.get("t") == "origin"),
        _word(end.get("manifest", "")),
        _word(head.get("node", "")),
        _number(end, "held_count"),
        _hash(end.get("held_sum")),
        end.get("mail") is True,
        _number(end, "heard") if "heard" in end else None,
    )


def _entry(line: Mapping[str, Any]) -> Entry | None:
    match line.get("t"):
        case "put":
            texts = _words(line, "d")
            return Put(_number(line, "seq"), _word(line.get("jws")), texts, _hops(line, len(texts)))
        case "retract":
            return Retract(
                _number(line, "seq"), _word(line.get("origin")), _word(line.get("rid")), _number(line, "ver")
            )
        case "withdraw":
            return Withdraw(_number(line, "seq"), _word(line.get("jws")))
        case "roster":
            return Circle(_number(line, "seq"), _word(line.get("jws")))
        case "hide":
            return Hiding(_number(line, "seq"), _word(line.get("jws")))
        case "drop":
            return Drop(_number(line, "seq"), _hash(line.get("copy")))
        case _:
            return None


def write_ack(ack: Ack) -> bytes:
    """The JSON of an acknowledgement; empty members are left out."""
    return dumps_text(_ack_object(ack)).encode()


def _ack_object(ack: Ack) -> dict[str, Any]:
    out: dict[str, Any] = {"cursor": ack.cursor, "count": ack.count, "sum": ack.total.hex()}
    lists: dict[str, list[Any]] = {
        "receipts": list(ack.receipts),
        "histories": [list(h) for h in ack.histories],
        "refused": [{"origin": r.origin, "rid": r.rid, "ver": r.ver, "code": r.code} for r in ack.refused],
        "newer": list(ack.newer),
        "want": [w.hex() for w in ack.want],
        "reports": list(ack.reports),
        "letters": list(ack.letters),
    }
    return out | {name: values for name, values in lists.items() if values}


def write_mail(mail: Mail) -> bytes:
    """The JSON of mail: an acknowledgement with the number of its last document."""
    return dumps_text({"last": mail.last, "ack": _ack_object(mail.ack)}).encode()


def read_mail(data: bytes) -> Mail:
    """Mail from its JSON; `PeerError` if it is anything else. It confirms nothing of our feed."""
    body = read_object(data)
    inner = body.get("ack")
    if not isinstance(inner, dict) or inner.get("cursor") is not None:
        raise PeerError(Code.DOCUMENT, "mail holds an acknowledgement without a cursor")
    return Mail(_number(body, "last"), _ack_of(inner))


def read_ack(data: bytes) -> Ack:
    """An acknowledgement from its JSON; `PeerError` if it is anything else."""
    return _ack_of(read_object(data))


def _ack_of(body: Mapping[str, Any]) -> Ack:
    cursor = body.get("cursor")
    return Ack(
        None if cursor is None else _number(body, "cursor"),
        _number(body, "count"),
        _hash(body.get("sum")),
        _words(body, "receipts"),
        tuple(_words({"h": h}, "h") for h in _list(body, "histories")),
        tuple(
            Refused(_word(r.get("origin")), _word(r.get("rid")), _number(r, "ver"), _word(r.get("code")))
            for r in _objects(body, "refused")
        ),
        _words(body, "newer"),
        hashes_of(body, "want"),
        _words(body, "reports"),
        _words(body, "letters"),
    )


def read_object(data: bytes, max_bytes: int = MAX_ACK_BYTES) -> dict[str, Any]:
    """A JSON object of a small request, strictly."""
    if len(data) > max_bytes:
        raise PeerError(Code.TOO_LARGE, f"a message has at most {max_bytes} bytes")
    return _object(_decoded(data))


def words_of(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of strings inside a message."""
    return _words(body, name)


def hashes_of(body: Mapping[str, Any], name: str) -> tuple[bytes, ...]:
    """A list of hashes inside a message."""
    return tuple(_hash(value) for value in _list(body, name))


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise PeerError(Code.NOT_UTF8, "a message is UTF-8") from None


def _object(line: str) -> dict[str, Any]:
    value = loads_text(line)
    if not isinstance(value, dict):
        raise PeerError(Code.DOCUMENT, "a line is an object")
    return value


def _number(line: Mapping[str, Any], name: str) -> int:
    value = line.get(name)
    if type(value) is not int or value < 0:
        raise PeerError(Code.DOCUMENT, f"{name} is a number from 0")
    return value


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise PeerError(Code.DOCUMENT, "a text is missing where one is due")
    return value


def _hops(line: Mapping[str, Any], count: int) -> tuple[int, ...]:
    if "hops" not in line:
        return ()
    values = _list(line, "hops")
    if len(values) != count or not all(type(v) is int and v >= 1 for v in values):
        raise PeerError(Code.DOCUMENT, "hops are as many numbers from 1 as there are disclosures")
    return tuple(values)


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name, [])
    if not isinstance(value, list) or len(value) > MAX_LISTED:
        raise PeerError(Code.DOCUMENT, f"{name} is a list of at most {MAX_LISTED}")
    return value


def _words(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(_word(value) for value in _list(body, name))


def _objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    values = _list(body, name)
    if not all(isinstance(v, dict) for v in values):
        raise PeerError(Code.DOCUMENT, f"{name} is a list of objects")
    return values


def _hash(value: object) -> bytes:
    # Not `bytes.fromhex` alone: it skips white space, and a shorter id would break whoever writes it again.
    if not isinstance(value, str) or not _HASH.match(value):
        raise PeerError(Code.DOCUMENT, f"a hash is {HASH_HEX} hex digits in lower case")
    return bytes.fromhex(value)
