"""What the web side is told by the wiring; nothing here reads settings itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_JSON_BYTES: Final = 8 * 1024 * 1024  # a draft of 4 MiB (DESIGN 5) with room for JSON escapes
MAX_FORM_BYTES: Final = 16 * 1024  # a name, a password and a token
MAX_UPLOAD_BYTES: Final = 512 * 1024 * 1024  # a training video; the setting can narrow it on a small disk
BODY_TIMEOUT_S: Final = 600  # a whole draft over a line of 10 KB/s


@dataclass(frozen=True, slots=True)
class WebOptions:
    """`public_url` is the node's own address without a final slash; empty means: as the request was addressed.

    `behind_proxy` lets X-Forwarded-For, -Proto and -Host count; without a proxy in front a caller could set them.
    """

    public_url: str = ""
    behind_proxy: bool = False
    open_metrics: bool = False
    max_upload_bytes: int = MAX_UPLOAD_BYTES
