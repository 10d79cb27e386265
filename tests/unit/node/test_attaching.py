"""Files: checked piece by piece, resumed at whole pieces, named harmlessly, bounded to the byte (DESIGN 8)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from federation.client import Line, TransportError
from governance.record import Attachment
from node.attaching import CHUNK, MAX_NAME_CHARS, Attachments
from node.errors import BadInput, NotFound
from node.principal import LOCAL
from node.store.rows import AttachmentRef, AttachmentRow, Copy, DraftRow
from tests.world import World, WorldNode, terms

LIMIT = 3 * CHUNK
OCTETS = "application/octet-stream"


def content(size: int, seed: str = "file") -> bytes:
    """Bytes of which no two pieces are alike."""
    return hashlib.shake_256(seed.encode()).digest(size)


async def chunked(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@dataclass
class Serving:
    """A peer that serves one file, honestly or not; `breaks_after` bytes the line breaks."""

    data: bytes
    breaks_after: int | None = None
    asked: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def download(self, path: str, start: int) -> AsyncIterator[AsyncIterator[bytes]]:
        assert path.startswith("/attachments/")
        assert start == 0 or start < len(self.data), "nothing is left to ask for"
        self.asked.append(start)
        yield self._send(start)

    async def _send(self, start: int) -> AsyncIterator[bytes]:
        end = len(self.data) if self.breaks_after is None else self.breaks_after
        async for chunk in chunked(self.data[start:end]):
            yield chunk
        if self.breaks_after is not None:
            raise TransportError("the line broke")


def files(node: WorldNode, folder: Path) -> Attachments:
    """The use cases of a node, with a limit that tests can reach."""
    return Attachments(node.core, node.readings, node.library, node.sharing, folder / node.name, LIMIT)


def names_in(folder: Path) -> list[str]:
    """Every file below a folder."""
    return [p.name for p in folder.rglob("*") if p.is_file()]


@dataclass
class Sent:
    """Bao has heard of a record of ana's with a file, and does not have the file yet."""

    bao: WorldNode
    there: Attachments
    peer: int
    value: Attachment
    data: bytes
    rid: str

    @property
    def path(self) -> Path:
        return self.there.path(self.value.sha256)

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.value.sha256}.part")

    async def fetch(self, serving: Serving) -> int:
        return await self.there.fetch_missing(self.peer, cast(Line, serving))


async def send(world: World, folder: Path, data: bytes) -> Sent:
    ana, bao = world.nodes
    rid = await world.publish(ana)
    here = files(ana, folder)
    await here.attach(LOCAL, rid, "plan.pdf", OCTETS, chunked(data))
    await world.quiet()
    (held,) = (h for h in (await bao.live()).values())
    value = Attachment.model_validate(next(held.value(n) for n in held.texts if n.startswith("attachment:")))
    return Sent(bao, files(bao, folder), (await bao.peer(ana)).id, value, data, rid)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, LIMIT])
async def test_a_file_of_any_size_arrives_as_it_was(world: World, tmp_path: Path, size: int) -> None:
    sent = await send(world, tmp_path, content(size))
    assert len(sent.value.chunks) == max(1, -(-size // CHUNK))
    assert sent.value.chunks[0] == hashlib.sha256(sent.data[:CHUNK]).hexdigest()
    assert await sent.fetch(Serving(sent.data)) == 1
    assert sent.path.read_bytes() == sent.data
    assert not sent.part.exists()
    async with sent.bao.store.read() as tx:
        (row,) = await tx.find(AttachmentRow)
    assert (row.size, row.have) == (size, size)


async def test_a_broken_fetch_goes_on_at_the_last_whole_piece(world: World, tmp_path: Path) -> None:
    sent = await send(world, tmp_path, content(LIMIT))
    assert await sent.fetch(Serving(sent.data, breaks_after=2 * CHUNK + 7)) == 0
    again = Serving(sent.data)
    assert await sent.fetch(again) == 1
    assert again.asked == [2 * CHUNK]
    assert sent.path.read_bytes() == sent.data


async def test_a_file_that_was_whole_before_a_crash_is_finished(world: World, tmp_path: Path) -> None:
    sent = await send(world, tmp_path, content(2 * CHUNK))
    sent.part.parent.mkdir(parents=True)
    sent.part.write_bytes(sent.data)
    again = Serving(sent.data)
    assert await sent.fetch(again) == 1
    assert again.asked == [CHUNK]
    assert sent.path.read_bytes() == sent.data


@pytest.mark.parametrize("wrong", [0, 1, 2])
async def test_a_wrong_piece_ends_the_fetch_and_is_not_kept(world: World, tmp_path: Path, wrong: int) -> None:
    sent = await send(world, tmp_path, content(LIMIT))
    lie = bytearray(sent.data)
    lie[wrong * CHUNK + 5] ^= 1
    assert await sent.fetch(Serving(bytes(lie))) == 0
    assert sent.part.read_bytes() == sent.data[: wrong * CHUNK]
    assert not sent.path.exists()
    honest = Serving(sent.data)
    assert await sent.fetch(honest) == 1
    assert honest.asked == [wrong * CHUNK]


async def test_pieces_that_a_bad_disk_changed_are_fetched_anew(world: World, tmp_path: Path) -> None:
    sent = await send(world, tmp_path, content(LIMIT))
    await sent.fetch(Serving(sent.data, breaks_after=2 * CHUNK))
    sent.part.write_bytes(b"x" + sent.part.read_bytes()[1:])
    assert await sent.fetch(Serving(sent.data)) == 0
    assert not sent.part.exists()
    assert await sent.fetch(Serving(sent.data)) == 1
    assert sent.path.read_bytes() == sent.data


@pytest.mark.parametrize("change", [1, -1, CHUNK])
async def test_more_or_fewer_bytes_than_promised_are_no_file(world: World, tmp_path: Path, change: int) -> None:
    sent = await send(world, tmp_path, content(CHUNK + 10))
    other = sent.data + content(change, "more") if change > 0 else sent.data[:change]
    assert await sent.fetch(Serving(other)) == 0
    assert not sent.path.exists()
    assert not sent.part.exists() or sent.part.stat().st_size <= sent.value.size


async def test_a_file_that_is_erased_while_it_comes_does_not_stay(world: World, tmp_path: Path) -> None:
    sent = await send(world, tmp_path, content(10))

    class Late(Serving):
        async def _send(self, start: int) -> AsyncIterator[bytes]:
            async with sent.bao.store.write() as tx:
                await tx.delete(AttachmentRef, {"sha256": sent.value.sha256})
            yield self.data

    await sent.fetch(Late(sent.data))
    assert not sent.path.exists()


async def test_the_limit_is_to_the_byte_and_leaves_nothing_behind(world: World, tmp_path: Path) -> None:
    ana = world.nodes[0]
    here = files(ana, tmp_path)
    rid = await world.publish(ana)
    view = await here.attach(LOCAL, rid, "full.bin", OCTETS, chunked(content(LIMIT)))
    assert view.size == LIMIT
    with pytest.raises(BadInput, match="larger than 3 MiB"):
        await here.attach(LOCAL, rid, "more.bin", OCTETS, chunked(content(LIMIT + 1)))
    assert names_in(tmp_path) == [view.sha256]


async def test_a_larger_file_than_the_limit_is_not_fetched(world: World, tmp_path: Path) -> None:
    sent = await send(world, tmp_path, content(LIMIT))
    small = Attachments(
        sent.bao.core, sent.bao.readings, sent.bao.library, sent.bao.sharing, tmp_path / "small", LIMIT - 1
    )
    serving = Serving(sent.data)
    assert await small.fetch_missing(sent.peer, cast(Line, serving)) == 0
    assert serving.asked == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("C:\\windows\\x.exe", "C:_windows_x.exe"),
        ("a\x00b\nc\x7f.txt", "a_b_c_.txt"),
        ("plan\u202efdp.exe", "plan_fdp.exe"),
        ("  الخطة.pdf ", "الخطة.pdf"),
        ("x" * (MAX_NAME_CHARS + 1), "x" * MAX_NAME_CHARS),
    ],
)
async def test_a_name_is_only_a_name(world: World, tmp_path: Path, given: str, kept: str) -> None:
    ana = world.nodes[0]
    rid = await world.publish(ana)
    view = await files(ana, tmp_path).attach(LOCAL, rid, given, OCTETS, chunked(b"x"))
    assert view.name == kept
    assert names_in(tmp_path) == [view.sha256]


@pytest.mark.parametrize("name", ["", "   ", ".", "..", ". ."])
async def test_a_name_that_is_none_is_refused(world: World, tmp_path: Path, name: str) -> None:
    ana = world.nodes[0]
    rid = await world.publish(ana)
    with pytest.raises(BadInput, match="plain name"):
        await files(ana, tmp_path).attach(LOCAL, rid, name, OCTETS, chunked(b"x"))


@pytest.mark.parametrize("sha256", ["", "../secret", "a" * 63, "A" * 64, "a" * 64 + "/..", "g" * 64, "a" * 64 + "\n"])
async def test_nothing_but_a_hash_becomes_a_path(ana: WorldNode, bao: WorldNode, tmp_path: Path, sha256: str) -> None:
    here = files(ana, tmp_path)
    with pytest.raises(NotFound):
        here.path(sha256)
    assert await here.for_peer(bao.id, sha256) is None


async def test_only_who_may_have_the_field_is_served(world: World, tmp_path: Path) -> None:
    ana, bao = world.nodes
    here, rid = files(ana, tmp_path), await world.publish(ana)
    open_view = await here.attach(LOCAL, rid, "open.txt", OCTETS, chunked(b"open"))
    shut_view = await here.attach(LOCAL, rid, "shut.txt", OCTETS, chunked(b"shut"), terms=terms("node"))
    assert await here.for_peer(bao.id, open_view.sha256) == here.path(open_view.sha256)
    assert await here.for_peer(bao.id, shut_view.sha256) is None
    assert await here.for_peer(f"did:key:z6Mk{'a' * 44}", open_view.sha256) is None


async def test_of_two_origins_with_one_record_id_the_one_that_is_named_is_opened(world: World, tmp_path: Path) -> None:
    ana, bao = world.nodes
    sent = await send(world, tmp_path, b"from ana")
    mine = await world.publish(bao)
    own = await sent.there.attach(LOCAL, mine, "own.txt", OCTETS, chunked(b"from bao"))
    await _same_id(bao, mine, sent.rid)
    await sent.fetch(Serving(sent.data))
    for origin, data in ((ana.id, b"from ana"), (bao.id, b"from bao")):
        (listed,) = await sent.there.list(LOCAL, sent.rid, origin)
        _, path, _ = await sent.there.open(LOCAL, sent.rid, listed.field, origin)
        assert path.read_bytes() == data
        assert (await bao.tracing.explain(LOCAL, sent.rid, "member", origin)).outcome == "share"
    with pytest.raises(BadInput, match="fits more than one record"):
        await sent.there.open(LOCAL, sent.rid, own.field)


async def _same_id(node: WorldNode, old: str, new: str) -> None:
    """Gives an own record the id of another node's, as a hostile origin would."""
    async with node.store.write() as tx:
        for row in await tx.find(Copy, {"rid": old}):
            await tx.put(replace(row, rid=new))
        for draft in await tx.find(DraftRow, {"rid": old}):
            await tx.delete(DraftRow, {"rid": old})
            await tx.put(replace(draft, rid=new))
