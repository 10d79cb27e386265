"""What stewards decide together: the acts, how each is carried out, and the use cases around them (DESIGN 9)."""

from __future__ import annotations

from node.stewards import Pending

__all__ = ["Pending"]
