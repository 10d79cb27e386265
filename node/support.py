"""What holds a received copy up: which peers offer each field, and over how many lines it came from its origin.

Two holders that offer a copy to one another must not keep it alive after its origin has taken it back. So every field
carries the number of lines it has crossed, a copy is never offered to the one peer that it came from, and a support
that only runs in a circle counts itself up to the limit and falls.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from node.store.rows import Offer

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
