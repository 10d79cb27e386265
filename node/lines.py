"""Lines to peers: which address to use, what is told of a failure, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from federation.client import JSON, Line, Rejected, Signer, TransportError
from federation.errors import PeerError
from federation.identity import KeyHistory
from node.errors import PeerTrouble


@dataclass
class Lines:
    """Opens lines with this node's signature."""

    http: aiohttp.ClientSession
    signer: Signer

    def to(self, peer: KeyHistory, urls: Sequence[str]) -> Line:
        """A line to a peer's first address; its node document is asked if none is given."""
        known = list(urls) or list(peer.current.urls)
        if not known:
            raise PeerTrouble(f"{peer.current.name} has no address: it has to open the line to us")
        return Line(self.http, known[0], self.signer, peer)

    async def ask(self, line: Line, method: str, path: str, body: bytes) -> bytes:
        """One request outside a session; every failure is `PeerTrouble` in words."""
        try:
            return await line.call(method, path, body, JSON if body else None)
        except (TransportError, Rejected, PeerError) as error:
            raise PeerTrouble(f"{line.peer.current.name}: {error}") from error
