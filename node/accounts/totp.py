"""Time-based one-time codes (RFC 6238 over RFC 4226): pure, so that the RFC's own vectors test it.

What every authenticator app speaks: SHA-1, six digits, 30 seconds.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from typing import Final
from urllib.parse import quote, urlencode

SECRET_BYTES: Final = 20  # RFC 4226, section 4, R6: 160 bits
STEP_S: Final = 30  # RFC 6238, section 5.2
DIGITS: Final = 6
WINDOW: Final = 1  # steps before and after: a phone's clock and a slow typist (RFC 6238, section 6)


def code_at(secret: bytes, step: int, *, digits: int = DIGITS, algorithm: str = "sha1") -> str:
    """The code of one time step (RFC 4226, section 5.3)."""
    mac = hmac.new(secret, step.to_bytes(8, "big"), algorithm).digest()
    at = mac[-1] & 0xF
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}d}"


def accepted_step(secret: bytes, code: str, after: int, now: int) -> int | None:
    """The time step that a code is right for, None if for none: only steps after the last one that was accepted."""
    middle, given, found = now // STEP_S, code.encode("utf-8", "replace"), None
    for step in range(max(0, middle - WINDOW), middle + WINDOW + 1):  # all of them, whatever the first one says
        right = hmac.compare_digest(code_at(secret, step).encode(), given)
        if right and step > after and found is None:
            found = step
    return found


def letters(secret: bytes) -> str:
    """The secret for typing it into an app."""
    return b32encode(secret).decode()


def otpauth(secret: bytes, account: str, issuer: str) -> str:
    """The address that a QR code for an authenticator app holds (the key URI format)."""
    label = quote(f"{issuer}:{account}" if issuer else account, safe="")
    given = {"secret": letters(secret), "algorithm": "SHA1", "digits": DIGITS, "period": STEP_S}
    query = urlencode(given | ({"issuer": issuer} if issuer else {}), quote_via=quote)
    return f"otpauth://totp/{label}?{query}"
