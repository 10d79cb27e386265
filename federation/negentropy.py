"""Range-based set reconciliation, negentropy protocol v1, byte for byte as its reference does it.

Two nodes find which ids differ by comparing fingerprints of ranges and splitting those that do not match. Pure: a
message in, a message out. The initiator learns both directions; the responder keeps nothing between messages.
Format: github.com/hoytech/negentropy, docs/negentropy-protocol-v1.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import Final, TypeAlias

from federation.errors import Code, PeerError, ProtocolStateError

Item: TypeAlias = tuple[int, bytes]
"""Order key (below 2^31) and 32-byte id."""

ID_BYTES: Final = 32
MAX_ORDER_KEY: Final = 2**31 - 1  # the JavaScript reference computes with 32-bit signed integers
MAX_MESSAGE_BYTES: Final = 1024 * 1024  # about 32,000 ids; a peer that sends more in one message is not reconciling
MIN_FRAME_BYTES: Final = 4096  # the reference's own minimum: less may not make progress
MAX_ROUNDS: Final = 64  # 16-way splits reach any set in 8; frames of 60 KB need some more

_VERSION: Final = 0x61
_FINGERPRINT_BYTES: Final = 16
_BUCKETS: Final = 16
_FRAME_MARGIN: Final = 200  # room for the closing fingerprint, as in the reference
_SKIP, _FINGERPRINT, _ID_LIST = 0, 1, 2
_END: Final[Item] = (2**62, b"")  # above every item: the reference's infinite timestamp
_MAX_VARINT_BYTES: Final = 5  # 35 bits hold every number there is


class ItemSet:
    """A sorted, immutable set of items whose range fingerprints cost the same for any range."""

    __slots__ = ("_sums", "items")

    def __init__(self, items: Iterable[Item]) -> None:
        self.items: Final = sorted(items)
        for key, ident in self.items:
            if not 0 <= key <= MAX_ORDER_KEY or len(ident) != ID_BYTES:
                raise ValueError(f"an item is an order key up to {MAX_ORDER_KEY} and an id of {ID_BYTES} bytes")
        if any(a == b for a, b in zip(self.items, self.items[1:], strict=False)):
            raise ValueError("an item stands twice in the set")
        numbers = (int.from_bytes(ident, "little") for _, ident in self.items)
        self._sums: Final = list(accumulate(numbers, initial=0))

    def __len__(self) -> int:
        return len(self.items)

    def fingerprint(self, lower: int, upper: int) -> bytes:
        """The 16-byte fingerprint of the items from index `lower` up to but without `upper`."""
        total = (self._sums[upper] - self._sums[lower]) % 2**256
        return sha256(total.to_bytes(ID_BYTES, "little") + _varint(upper - lower)).digest()[:_FINGERPRINT_BYTES]

    def find(self, bound: Item, start: int) -> int:
        """The index of the first item that is not below `bound`, from `start` on."""
        return bisect_left(self.items, bound, start)


def _varint(number: int) -> bytes:
    out = [number & 127]
    while number := number >> 7:
        out.append(number & 127 | 128)
    return bytes(reversed(out))


class _Reader:
    """Reads one message from its start; anything short, long or out of order is the peer's error."""

    def __init__(self, message: bytes) -> None:
        if len(message) > MAX_MESSAGE_BYTES:
            raise PeerError(Code.TOO_LARGE, f"a reconciliation message has at most {MAX_MESSAGE_BYTES} bytes")
        self._data = message
        self._at = 0
        self._last_key = 0
        self._last_bound: Item = (0, b"")

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise PeerError(Code.RECONCILE, "the message ends too early")
        part, self._at = self._data[self._at : end], end
        return part

    def varint(self) -> int:
        number = 0
        for _ in range(_MAX_VARINT_BYTES):
            byte = self.take(1)[0]
            number = number << 7 | byte & 127
            if byte < 128:
                return number
        raise PeerError(Code.RECONCILE, "a number is too long")

    def bound(self) -> Item:
        delta = self.varint()
        key = _END[0] if delta == 0 else self._last_key + delta - 1
        if key != _END[0]:
            if key > MAX_ORDER_KEY:
                raise PeerError(Code.RECONCILE, "an order key is too large")
            self._last_key = key
        length = self.varint()
        if length > ID_BYTES:
            raise PeerError(Code.RECONCILE, "an id prefix is longer than an id")
        bound = (key, self.take(length))
        if bound < self._last_bound:
            raise PeerError(Code.RECONCILE, "ranges go backwards")
        self._last_bound = bound
        return bound

    def ids(self) -> list[bytes]:
        count = self.varint()
        data = self.take(count * ID_BYTES)
        return [data[at : at + ID_BYTES] for at in range(0, len(data), ID_BYTES)]


class _Writer:
    """Encodes bounds relative to the one written before, as the format asks."""

    def __init__(self, items: ItemSet) -> None:
        self._items = items
        self._last_key = 0

    def bound(self, bound: Item) -> bytes:
        key, prefix = bound
        if key == _END[0]:
            encoded = b"\0"
        else:
            encoded = _varint(key - self._last_key + 1)
            self._last_key = key
        return encoded + _varint(len(prefix)) + prefix

    def skip(self, bound: Item) -> bytes:
        return self.bound(bound) + _varint(_SKIP)

    def fingerprint(self, bound: Item, lower: int, upper: int) -> bytes:
        return self.bound(bound) + _varint(_FINGERPRINT) + self._items.fingerprint(lower, upper)

    def id_list(self, bound: Item, lower: int, upper: int) -> bytes:
        ids = b"".join([ident for _, ident in self._items.items[lower:upper]])
        return self.bound(bound) + _varint(_ID_LIST) + _varint(upper - lower) + ids

    def split(self, lower: int, upper: int, bound: Item) -> bytes:
        """A small range as its ids, a large one as 16 fingerprints."""
        count = upper - lower
        if count < _BUCKETS * 2:
            return self.id_list(bound, lower, upper)
        size, extra = divmod(count, _BUCKETS)
        parts, start = [], lower
        for bucket in range(_BUCKETS):
            end = start + size + (bucket < extra)
            parts.append(self.fingerprint(bound if end == upper else self._between(end), start, end))
            start = end
        return b"".join(parts)

    def _between(self, index: int) -> Item:
        """The shortest bound that parts the item at `index` from the one before it."""
        (before_key, before), (key, ident) = self._items.items[index - 1], self._items.items[index]
        if key != before_key:
            return key, b""
        shared = next(at for at in range(ID_BYTES) if before[at] != ident[at])
        return key, ident[: shared + 1]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One round's outcome: the message to send (None: done), ids only we have, ids only the peer has."""

    message: bytes | None
    have: tuple[bytes, ...]
    need: tuple[bytes, ...]


def _check_frame(frame_bytes: int) -> int:
    if frame_bytes and frame_bytes < MIN_FRAME_BYTES:
        raise ValueError(f"a frame has at least {MIN_FRAME_BYTES} bytes, or 0 for no limit")
    return frame_bytes


class Initiator:
    """The side that asks: call `start`, then `receive` with each answer until its message is None."""

    def __init__(self, items: ItemSet, frame_bytes: int = 0) -> None:
        self._items = items
        self._frame_bytes = _check_frame(frame_bytes)
        self._rounds_left = MAX_ROUNDS
        self._waiting = False

    def start(self) -> bytes:
        """The first message."""
        if self._waiting:
            raise ProtocolStateError("the reconciliation has started")
        self._waiting = True
        return bytes([_VERSION]) + _Writer(self._items).split(0, len(self._items), _END)

    def receive(self, answer: bytes) -> Reconciled:
        """Take an answer; `PeerError` `reconcile-rounds` if the peer keeps us going beyond any real difference."""
        if not self._waiting:
            raise ProtocolStateError("no answer is due")
        self._rounds_left -= 1
        if self._rounds_left < 0:
            raise PeerError(Code.RECONCILE_ROUNDS, f"not reconciled after {MAX_ROUNDS} rounds")
        round_ = _Round(self._items, self._frame_bytes, initiator=True)
        message = round_.run(answer)
        if len(message) == 1:
            self._waiting = False
        return Reconciled(message if self._waiting else None, tuple(round_.have), tuple(round_.need))


def respond(items: ItemSet, message: bytes, frame_bytes: int = 0) -> bytes:
    """The other side's answer to one message."""
    return _Round(items, _check_frame(frame_bytes), initiator=False).run(message)


class _Round:
    """One message read range by range while the answer is written."""

    def __init__(self, items: ItemSet, frame_bytes: int, *, initiator: bool) -> None:
        self._items = items
        self._frame_bytes = frame_bytes
        self._initiator = initiator
        self._out = bytearray([_VERSION])
        self._writer = _Writer(items)
        self.have: list[bytes] = []
        self.need: list[bytes] = []

    def run(self, message: bytes) -> bytes:
        reader = _Reader(message)
        version = reader.take(1)[0]
        if not 0x60 <= version <= 0x6F:
            raise PeerError(Code.RECONCILE, "not a reconciliation message")
        if version != _VERSION:
            if self._initiator:
                raise PeerError(Code.RECONCILE, "the peer speaks another version of reconciliation")
            return bytes(self._out)  # one byte: the version we do speak
        lower, previous, skipping = 0, (0, b""), False
        while reader.more:
            bound, mode = reader.bound(), reader.varint()
            upper = self._items.find(bound, lower)
            if self._settled(reader, mode, lower, upper):
                skipping, part = True, b""
            else:
                part = self._writer.skip(previous) if skipping else b""
                skipping = False
                if mode == _FINGERPRINT:
                    part += self._writer.split(lower, upper, bound)
                else:
                    upper, listed = self._answer_ids(lower, upper, bound)
                    self._out += part + listed
                    part = b""
            if self._full(len(part)):
                self._out += self._writer.fingerprint(_END, upper, len(self._items))
                break
            self._out += part
            lower, previous = upper, bound
        return bytes(self._out)

    def _settled(self, reader: _Reader, mode: int, lower: int, upper: int) -> bool:
        """Read one range's content; True if it needs no answer."""
        if mode == _SKIP:
            return True
        if mode == _FINGERPRINT:
            return reader.take(_FINGERPRINT_BYTES) == self._items.fingerprint(lower, upper)
        if mode != _ID_LIST:
            raise PeerError(Code.RECONCILE, "an unknown range mode")
        theirs = reader.ids()
        if self._initiator:
            self._compare(theirs, lower, upper)
        return self._initiator

    def _full(self, more: int) -> bool:
        return self._frame_bytes > 0 and len(self._out) + more > self._frame_bytes - _FRAME_MARGIN

    def _compare(self, theirs: list[bytes], lower: int, upper: int) -> None:
        missing = dict.fromkeys(theirs)
        for _, ident in self._items.items[lower:upper]:
            if ident in missing:
                del missing[ident]
            else:
                self.have.append(ident)
        self.need.extend(missing)

    def _answer_ids(self, lower: int, upper: int, bound: Item) -> tuple[int, bytes]:
        """Our ids of the range, as far as the frame has room; the bound moves to where we stopped."""
        if self._frame_bytes:
            room = self._frame_bytes - _FRAME_MARGIN - len(self._out)
            fitting = max(0, room // ID_BYTES + 1)
            if lower + fitting < upper:
                upper = lower + fitting
                bound = self._items.items[upper]
        return upper, self._writer.id_list(bound, lower, upper)
