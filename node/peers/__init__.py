"""Use cases around other nodes: meeting, agreeing, parting (DESIGN 7). Either side can stop alone, at once."""

from __future__ import annotations

from node.peers.agreeing import Agreeing
from node.peers.meeting import Meeting
from node.peers.parting import Parting


class Peers(Meeting, Agreeing, Parting):
    """All of them behind one door."""


__all__ = ["Peers"]
