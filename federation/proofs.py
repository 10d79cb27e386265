"""What a node gives a contributor to keep: a consent receipt under its own signature, so that it can be proved later.

The receipt is JSON-LD after the DPV guide to ISO/IEC TS 27560 (`governance.consent_receipt`); here it is only signed.
It travels with no message between nodes.
"""

from __future__ import annotations

from typing import Any

from federation.documents import SignedDocument
from federation.jws import Typ


class ConsentProof(SignedDocument):
    """The node (`iss`) states what a contributor permitted or took back, as it stood at `iat`."""

    typ = Typ.CONSENT

    receipt: dict[str, Any]
