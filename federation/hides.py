"""The word to hide: an origin asks holders not to show its copies for the time being, and says when that is over.

It travels in the feed as rosters do (docs/protocol.md, section 15), and can only ever make less visible.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from federation.documents import SignedDocument
from federation.jws import Typ
from federation.keys import DID_PREFIX
from governance.terms import is_circle_id

MAX_TARGET_CHARS: Final = 200  # a node id or a circle id takes about 120
_RECORD_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")


class HideScope(StrEnum):
    """What a hide covers of the records of its signer: one, those for a circle, all at one node, or all."""

    RECORD = "record"
    CIRCLE = "circle"
    PEER = "peer"
    ALL = "all"


class Hide(SignedDocument):
    """The origin asks to hide its copies for the time being, or to show them again; the higher `seq` counts.

    It reaches the signer's own records alone, whoever passes it on. `target` is a record id, a circle id, the one node
    that is asked, or empty for all.
    """

    typ = Typ.HIDE

    scope: HideScope
    target: Annotated[str, Field(max_length=MAX_TARGET_CHARS)] = ""
    seq: Annotated[int, Field(ge=1, le=2**53 - 1)]
    hidden: bool

    @model_validator(mode="after")
    def _fits(self) -> Self:
        fits = {
            HideScope.RECORD: _RECORD_ID.match(self.target) is not None,
            HideScope.CIRCLE: is_circle_id(self.target),
            HideScope.PEER: self.target.startswith(DID_PREFIX),
            HideScope.ALL: not self.target,
        }
        if not fits[self.scope]:
            raise ValueError(f"this is nothing that a hide of the scope {self.scope} can name")
        return self
