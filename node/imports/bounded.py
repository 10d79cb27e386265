"""Lines of a file, plain or gzip, one at a time, never more in memory than the longest line allowed.

A file that unpacks to far more than it holds is stopped: it was made to fill this machine.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

MAX_LINE_BYTES: Final = 16 * 1024 * 1024  # an item may have 8 MiB; escapes such as \u0627 take up to three times more
MAX_UNPACKED_BYTES: Final = 4 * 1024**3  # about 1,000,000 records of 4 KB: more are brought in as several files
MAX_RATIO: Final = 100  # text packs 3 to 20 times; only made-up data packs 100 times
RATIO_FROM_BYTES: Final = 64 * 1024 * 1024  # below this even a bomb does no harm
_CHUNK_BYTES: Final = 1024 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"


class SourceError(ValueError):
    """The source as a whole cannot be read further; what was read before stands."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line by number from 1; `data` None where it was longer than allowed."""

    number: int
    data: bytes | None


def is_gzip(path: Path) -> bool:
    """True if the file begins as gzip does."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MAGIC


def read_lines(path: Path) -> Iterator[Line]:
    """The lines without their ends, unpacked where needed. `SourceError` on damage, bombs and unreadable files."""
    try:
        packed = is_gzip(path)
        packed_bytes = path.stat().st_size
        with gzip.open(path) if packed else path.open("rb") as file:
            stream = cast(IO[bytes], file)
            yield from split_lines(_guarded(stream, packed_bytes if packed else None))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path.name} is a damaged gzip file: copy or download it again") from error
    except OSError as error:
        raise SourceError(f"{path.name} cannot be read: {error.strerror or error}") from error


def _guarded(stream: IO[bytes], packed_bytes: int | None) -> Iterator[bytes]:
    total = 0
    while chunk := stream.read(_CHUNK_BYTES):
        total += len(chunk)
        if total > MAX_UNPACKED_BYTES:
            raise SourceError(f"the source is larger than {MAX_UNPACKED_BYTES:,} bytes: split it into several files")
        if packed_bytes is not None and total > max(RATIO_FROM_BYTES, MAX_RATIO * packed_bytes):
            raise SourceError(f"the file unpacks to more than {MAX_RATIO} times its size: stopped, this is not text")
        yield chunk


def split_lines(chunks: Iterator[bytes], max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """Lines of a stream of chunks; of a line that is too long only its number is kept."""
    number, held_bytes, too_long = 1, 0, False
    held: list[bytes] = []
    for chunk in chunks:
        pieces = chunk.split(b"\n")
        for at, piece in enumerate(pieces):
            held_bytes += len(piece)
            too_long = too_long or held_bytes > max_line_bytes
            if too_long:
                held = []
            elif piece:
                held.append(piece)
            if at < len(pieces) - 1:
                yield _line(number, held, too_long)
                number, held, held_bytes, too_long = number + 1, [], 0, False
    if held or too_long:
        yield _line(number, held, too_long)


def _line(number: int, held: list[bytes], too_long: bool) -> Line:
    return Line(number, None if too_long else b"".join(held).removesuffix(b"\r"))


def decode(data: bytes) -> str:
    """UTF-8, with or without the byte order mark; other encodings are named."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError("the text is UTF-16: save it as UTF-8 and import it again")
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        raise SourceError(
            f"byte 0x{byte:02x} at {error.start} is not UTF-8 (Windows-1252 or Latin-1?): save it as UTF-8"
        ) from error
