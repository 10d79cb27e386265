"""Handing out files whose names and types strangers chose: always as a download, never as a page of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aiohttp import web

# Types that a browser would run as a page if something stripped the other headers are handed out as mere bytes.
_PLAIN_TYPE: Final = re.compile(
    r"(?!.*(?:html|xml|svg|javascript|ecmascript))[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}\Z", re.I
)
MAX_NAME_CHARS: Final = 120  # file systems take 255 bytes; a letter can take four
_UNSAFE: Final = re.compile(
    r'[\x00-\x1f\x7f-\x9f"\\/:*?<>|;%\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]'
)


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """A file to hand out under a name; never shown in the browser."""

    path: Path
    name: str
    media_type: str


def file_response(file: FileAnswer) -> web.FileResponse:
    """A download: under its own name, never shown by the browser, with ranges."""
    kind = file.media_type if _PLAIN_TYPE.match(file.media_type) else "application/octet-stream"
    headers = {"Content-Type": kind, "Content-Disposition": disposition(file.name)}
    return web.FileResponse(file.path, headers=headers)


def disposition(name: str) -> str:
    """`Content-Disposition` for a name that a stranger chose: no header, path or direction mark gets through."""

    clean = _UNSAFE.sub("_", name).strip(" .")[-MAX_NAME_CHARS:].lstrip(" .") or "file"
    plain = clean.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(clean, safe='')}"
