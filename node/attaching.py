"""Attachments: files by hash beside records, taken in, served by the gate, fetched from peers in resumable pieces."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections.abc import AsyncIterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from federation.client import Line, Rejected, TransportError
from governance.gate import Outcome
from governance.record import Attachment
from governance.terms import Terms
from node.copies import Held
from node.core import Core
from node.errors import BadInput, NotFound
from node.library import Library
from node.principal import Principal
from node.reading import Readings
from node.sharing import Sharing
from node.store.rows import AttachmentRef, AttachmentRow, Copy, Offer, PeerRow, State
from node.views import AttachmentView

CHUNK: Final = 1024 * 1024  # DESIGN 8
MAX_NAME_CHARS: Final = 200
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
# Paths, control characters, and marks that turn the order of letters, so that an ending cannot be hidden.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\u202a-\u202e\u2066-\u2069]")


class Attachments:
    """Use cases around files. `folder` holds them by the first two digits of their hash."""

    def __init__(
        self, core: Core, readings: Readings, library: Library, sharing: Sharing, folder: Path, max_bytes: int
    ) -> None:
        self._core = core
        self._readings = readings
        self._library = library
        self._sharing = sharing
        self._folder = folder
        self._max_bytes = max_bytes

    def path(self, sha256: str) -> Path:
        """Where a file is, or will be."""
        if not _SHA256.match(sha256):
            raise NotFound("no such file")
        return self._folder / sha256[:2] / sha256

    def _part(self, sha256: str) -> Path:
        return self.path(sha256).with_name(f"{sha256}.part")

    async def attach(
        self,
        who: Principal,
        ref: str,
        name: str,
        media_type: str,
        chunks: AsyncIterable[bytes],
        alt: str = "",
        terms: Terms | None = None,
    ) -> AttachmentView:
        """Take a file in and add it to an own record as a field of its own; without terms it has the record's."""
        who.need("write")
        clean = _UNSAFE.sub("_", name).strip()[:MAX_NAME_CHARS]
        if not clean.strip(". "):
            raise BadInput(f"the file name {name!r} cannot be used: give it a plain name")
        draft = await self._library.draft(who, ref)
        row = await self._take(chunks, media_type)
        field = _free_field(draft.fields, row.sha256)
        value = Attachment(
            name=clean,
            media_type=media_type,
            size=row.size,
            sha256=row.sha256,
            chunks=tuple(json.loads(row.chunks)),
            alt=alt,
        )
        own_terms = {**draft.field_terms, field: terms.to_json()} if terms else draft.field_terms
        changed = draft.model_copy(
            update={"fields": {**draft.fields, field: value.model_dump(mode="json")}, "field_terms": own_terms}
        )
        async with self._core.store.write() as tx:
            await tx.put(row)
        info = await self._library.edit(who, ref, changed)
        return _view(info.rid, field, value, complete=True)

    async def _take(self, chunks: AsyncIterable[bytes], media_type: str) -> AttachmentRow:
        """Write a stream under its hash; nothing is left of one that is too large or breaks off."""
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"incoming-{self._core.entropy.draw(8).hex()}.part"
        digest, pieces, size, piece = hashlib.sha256(), [], 0, bytearray()
        try:
            with part.open("wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise BadInput(
                            f"the file is larger than {self._max_bytes // CHUNK} MiB, the limit of this node"
                        )
                    digest.update(chunk)
                    piece += chunk
                    while len(piece) >= CHUNK:
                        pieces.append(hashlib.sha256(piece[:CHUNK]).hexdigest())
                        del piece[:CHUNK]
                    await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(_sync, file)
            if piece or not pieces:
                pieces.append(hashlib.sha256(piece).hexdigest())
            sha256 = digest.hexdigest()
            target = self.path(sha256)
            target.parent.mkdir(exist_ok=True)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return AttachmentRow(sha256, size, size, json.dumps(pieces), media_type)

    async def open(
        self, who: Principal, ref: str, field: str, origin: str | None = None
    ) -> tuple[Attachment, Path, int]:
        """A file for a reader who may see its field."""
        shown = await self._readings.show(who, ref, origin)
        value = next((f.value for f in shown.fields if f.name == field and field.startswith("attachment:")), None)
        if value is None:
            raise NotFound(f"no attachment {field!r} here that you may see")
        attachment = Attachment.model_validate(value)
        path = self.path(attachment.sha256)
        if not path.exists():
            raise NotFound(f"the file {attachment.name!r} has not arrived yet: it comes with the next sync")
        return attachment, path, attachment.size

    async def list(self, who: Principal, ref: str, origin: str | None = None) -> Sequence[AttachmentView]:
        """The files of a record that the reader may see."""
        shown = await self._readings.show(who, ref, origin)
        out = []
        for field in shown.fields:
            if field.name.startswith("attachment:"):
                value = Attachment.model_validate(field.value)
                complete = self.path(value.sha256).exists()
                out.append(_view(shown.rid, field.name, value, complete=complete))
        return out

    # --- peers -----------------------------------------------------------------------------------------------------

    async def for_peer(self, node_id: str, sha256: str) -> Path | None:
        """A whole file that a peer may have now, because a record it may have refers to it in a field it may have."""
        if not _SHA256.match(sha256):
            return None
        async with self._core.store.read() as tx:
            peers = await tx.get_many(PeerRow, [(node_id,)], by=("node_id",))
            refs = await tx.find(AttachmentRef, {"sha256": sha256})
            copies = {c.id: c for c in await tx.get_many(Copy, [(r.copy,) for r in refs])}
            for ref in refs:
                copy = copies.get(ref.copy)
                if not peers or copy is None or copy.state != State.LIVE:
                    continue
                decision, _ = await self._sharing.ledger.decision_for(tx, Held.read(copy), peers[0].id)
                if decision.outcome is Outcome.SHARE and ref.field in decision.fields:
                    path = self.path(sha256)
                    return path if path.exists() else None
        return None

    async def fetch_missing(self, peer_id: int, line: Line) -> int:
        """Fetch the files of what a peer offers us, each from where it broke off; how many are whole now."""
        count = 0
        for value in await self._missing(peer_id):
            try:
                count += await self._fetch(line, value)
            except (Rejected, TransportError, FileNotFoundError):  # erased while it was on its way
                await self._drop_part(value.sha256)  # or else the next session goes on where this one stopped
        return count

    async def _drop_part(self, sha256: str) -> None:
        async with self._core.store.read() as tx:
            if not await tx.count(AttachmentRef, {"sha256": sha256}):
                self._part(sha256).unlink(missing_ok=True)

    async def _missing(self, peer_id: int) -> Sequence[Attachment]:
        async with self._core.store.read() as tx:
            refs = [r for r in await tx.find(AttachmentRef) if not self.path(r.sha256).exists()]
            if not refs:
                return []
            offers = {o.copy for o in await tx.find(Offer, {"peer": peer_id, "copy": [r.copy for r in refs]})}
            copies = {c.id: c for c in await tx.get_many(Copy, [(i,) for i in offers])}
        out = {}
        for ref in refs:
            copy = copies.get(ref.copy)
            if copy is not None and copy.state == State.LIVE:
                value = Held.read(copy).value(ref.field)
                if isinstance(value, dict):
                    out[ref.sha256] = Attachment.model_validate(value)
        return [a for a in out.values() if a.size <= self._max_bytes]

    async def _fetch(self, line: Line, value: Attachment) -> int:
        target = self.path(value.sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = self._part(value.sha256)
        # Whole pieces that are here; never all of them, since there would be nothing to ask for.
        have = min(_size_of(part), max(value.size - 1, 0))
        done = have // CHUNK * CHUNK
        async with line.download(f"/attachments/{value.sha256}", done) as stream:
            with part.open("r+b" if done else "wb") as file:
                file.truncate(done)
                file.seek(done)
                await _write_checked(file, stream, value, done)
                await asyncio.to_thread(_sync, file)
        if not await asyncio.to_thread(_is_whole, part, value):
            part.unlink(missing_ok=True)
            raise TransportError(f"the file {value.sha256[:12]} does not have the bytes that its record promises")
        part.replace(target)
        row = AttachmentRow(value.sha256, value.size, value.size, json.dumps(list(value.chunks)), value.media_type)
        async with self._core.store.write() as tx:
            if await tx.count(AttachmentRef, {"sha256": value.sha256}):
                await tx.put(replace(row))
            else:
                target.unlink(missing_ok=True)  # erased while it was on its way
        return 1


async def _write_checked(file: Any, stream: AsyncIterable[bytes], value: Attachment, done: int) -> None:
    """Write pieces whose hash is the promised one; the first wrong one ends it, what is before it stays."""
    number, piece, size = done // CHUNK, bytearray(), done
    async for data in stream:
        piece += data
        size += len(data)
        if size > value.size:
            raise TransportError("the peer sends more than the record promises")
        while len(piece) >= CHUNK:
            _check_piece(bytes(piece[:CHUNK]), value, number)
            await asyncio.to_thread(file.write, bytes(piece[:CHUNK]))
            del piece[:CHUNK]
            number += 1
    if piece or value.size == 0:
        _check_piece(bytes(piece), value, number)
        await asyncio.to_thread(file.write, bytes(piece))


def _check_piece(piece: bytes, value: Attachment, number: int) -> None:
    if number >= len(value.chunks) or hashlib.sha256(piece).hexdigest() != value.chunks[number]:
        raise TransportError(f"piece {number} of the file is not what its record promises")


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size_of(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _is_whole(part: Path, value: Attachment) -> bool:
    return _size_of(part) == value.size and _hash_file(part) == value.sha256


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _free_field(fields: dict[str, Any], sha256: str) -> str:
    for name, value in fields.items():
        if name.startswith("attachment:") and value.get("sha256") == sha256:
            return name
    return f"attachment:{sha256[:12]}"


def _view(rid: str, field: str, value: Attachment, *, complete: bool) -> AttachmentView:
    return AttachmentView(
        rid=rid, field=field, name=value.name, media_type=value.media_type, size=value.size, sha256=value.sha256,
        complete=complete,
    )  # fmt: skip
