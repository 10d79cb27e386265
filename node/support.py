"""What holds a received copy up: which peers offer each field, and over how many lines it came from its origin.

Two holders that offer a copy to one another must not keep it alive after its origin has taken it back. So every field
carries the number of lines it has crossed, a copy is never offered to the one peer that it came from, and a support
that only runs in a circle counts itself up to the limit and falls.

An offer counts by the id of the copy as its peer sent it. A field that has ended by our clock, and not yet by the
peer's, is not held all the same, and is not missed either: else both would exchange it in each session until its end.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Final

from node.copies import Held
from node.fingerprint import Fingerprint
from node.store.port import Store, Writer
from node.store.rows import Copy, Meta, Offer, PeerRow, State

MAX_HOPS: Final = 8  # lines between an origin and its farthest holder; a circle without an origin ends after as many


def hops_of(offer: Offer) -> dict[str, int]:
    """How many lines each field of an offer has crossed."""
    return dict(zip(offer.fields.split(","), map(int, offer.hops.split(",")), strict=True))


def onward(offers: Iterable[Offer], to: int | None, passing: Container[int]) -> dict[str, int]:
    """The fields that may be offered to a peer, each with the lines it will have crossed there.

    Only what peers offer that are not `to` itself and whose agreement allows passing on (`passing`) counts.
    """
    out: dict[str, int] = {}
    for offer in offers:
        if offer.peer == to or offer.peer not in passing:
            continue
        for name, hops in hops_of(offer).items():
            if hops < MAX_HOPS:
                out[name] = min(out.get(name, MAX_HOPS), hops + 1)
    return out


ENDED_AT: Final = "offers.ended_at"  # the latest second at which we left out, or gave up, an ended field of an offer
BATCH: Final = 500


async def note_ended(tx: Writer, now: int) -> None:
    """Remember that by our clock a field has ended: if the clock is set back, it may not have."""
    kept = await tx.get(Meta, ENDED_AT)
    if kept is None or int(kept.value) < now:
        await tx.put(Meta(ENDED_AT, str(now)))


async def count_as_held(store: Store, now: int) -> None:
    """After our clock was set back: what we left out is missed again, so that the next session brings it.

    What we did not tell others, because it had ended by our clock, is decided anew.
    """
    async with store.read() as tx:
        kept = await tx.get(Meta, ENDED_AT)
        if kept is None or int(kept.value) <= now:
            return
        peers = [p.id for p in await tx.find(PeerRow)]
    for peer in peers:
        after: int | None = 0
        while after is not None:
            async with store.write() as tx:
                after = await _count_batch(tx, peer, after)
    async with store.write() as tx:
        await tx.put_many([replace(p, decided_under="") for p in await tx.find(PeerRow)])
        await tx.delete(Meta, {"name": ENDED_AT})


async def _count_batch(tx: Writer, peer: int, after: int) -> int | None:
    """Some offers of a peer under the ids of what is held of them; where to go on."""
    offers = await tx.find(Offer, {"peer": peer}, above=("copy", after), order="copy", limit=BATCH)
    row = await tx.get(PeerRow, peer)
    if not offers or row is None:
        return None
    held = {c.id: Held.read(c) for c in await tx.get_many(Copy, [(o.copy,) for o in offers]) if c.state == State.LIVE}
    counted = {o: held[o.copy].copy_id(o.fields.split(",")) for o in offers if o.copy in held}
    short = [o for o, copy_id in counted.items() if o.copy_id != copy_id]
    total = Fingerprint.of(row.offer_count, row.offer_sum)
    total.remove(*[o.copy_id for o in short])
    total.add(*[counted[o] for o in short])
    await tx.put_many([replace(o, copy_id=counted[o]) for o in short])
    if short:
        await tx.put(replace(row, offer_count=total.count, offer_sum=total.bytes))
    return offers[-1].copy
