"""Releases: records that a rule holds and stewards let go, read for the gate and carried along with their words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from governance.gate import TO_ALL
from node.copies import Held
from node.store.governing import ReleaseRow
from node.store.port import Reader, Writer
from node.store.rows import Copy, State

Releases = Mapping[tuple[str, str, int], frozenset[str]]


async def releases(reader: Reader) -> Releases:
    """To whom which version was let go: origin, record and version, to node ids or `TO_ALL`."""
    out: dict[tuple[str, str, int], frozenset[str]] = {}
    for row in await reader.find(ReleaseRow):
        key = (row.origin, row.rid, row.ver)
        out[key] = out.get(key, frozenset()) | {row.to or TO_ALL}
    return out


async def carry_releases(tx: Writer, changes: Iterable[tuple[Copy, Copy]]) -> None:
    """After new versions: where the words stayed the same (consent or terms changed) the release stays too."""
    pairs = {before.rid: (before, after) for before, after in changes}
    if not pairs:
        return
    for row in await tx.find(ReleaseRow, {"rid": list(pairs)}):
        before, after = pairs[row.rid]
        if (row.origin, row.ver) == (before.origin, before.ver) and _same_words(before, after):
            await tx.put(replace(row, ver=after.ver))


def _same_words(before: Copy, after: Copy) -> bool:
    live = before.state == State.LIVE and after.state == State.LIVE
    if not live or (before.kind, before.lang) != (after.kind, after.lang):
        return False
    return Held.read(before).values == Held.read(after).values
