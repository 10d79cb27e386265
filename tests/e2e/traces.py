"""Looking for what should be gone: every form in which a text, a salt or a file can lie in a node's folder.

Stored blocks of the index are compressed, so it is asked through its own reader for words that only the text has.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from search.tantivy_part import schema

PIECE: Final = 24  # characters of a text that occur by no chance
SHIFTS: Final = range(3)  # base64 looks different at each of three offsets
WORD_FIELDS: Final = ("title", "body", "side", "words")


def forms_of_text(text: str) -> dict[str, bytes]:
    """A piece of the text as it is, as JSON with and without escapes, once more inside JSON, and in base64."""
    piece, name = text[:PIECE], repr(text[:12])
    written = [json.dumps(piece, ensure_ascii=a)[1:-1] for a in (True, False)]
    again = [json.dumps(w, ensure_ascii=False)[1:-1] for w in written]
    return {
        f"plain {name}": piece.encode(),
        f"utf-16 {name}": piece.encode("utf-16-le"),
        **{f"escaped {n} of {name}": w.encode() for n, w in enumerate((*written, *again))},
        **{f"base64 at {s} of {name}": _base64(piece.encode(), s) for s in SHIFTS},
        **{f"word {w} of {name}": w.encode() for w in (text.split(maxsplit=1)[0], text.rsplit(maxsplit=1)[-1])},
    }


def forms_of_disclosure(text: str) -> dict[str, bytes]:
    """The salt raw, in hex and as written, and the disclosure in the base64url of the compact form."""
    salt = json.loads(text)[0]
    raw = b64decode(salt + "==", altchars=b"-_")
    return {
        f"salt {salt}": salt.encode(),
        f"raw salt {salt}": raw,
        f"hex salt {salt}": raw.hex().encode(),
        f"base64url disclosure {salt}": urlsafe_b64encode(text.encode())[:40],
        **{f"base64 at {s} of salt {salt}": _base64(salt.encode(), s) for s in SHIFTS},
    }


def _base64(raw: bytes, shift: int) -> bytes:
    """What is the same in every base64 text that holds these bytes at this offset modulo three."""
    lead = b"\0" * shift
    encoded = urlsafe_b64encode(lead + raw)
    whole = (shift + len(raw)) // 3 * 4
    return encoded[4 if shift else 0 : whole]


def traces(folders: Iterable[Path], forms: Mapping[str, bytes]) -> set[str]:
    """Which forms lie in which files, in the bytes or in what zlib unpacks of them; file names count as bytes."""
    found = set()
    for file, data in _files(folders):
        for where in (data, file.encode(), *_unpacked(data)):
            found |= {f"{name} in {file}" for name, form in forms.items() if form in where}
    return found


def _files(folders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for folder in folders:
        for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
            try:
                if path.is_file():
                    yield str(path.name), path.read_bytes()
            except FileNotFoundError:  # a running node or server removes files of its own
                continue


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Every zlib or gzip stream that begins somewhere in the bytes."""
    for magic in (b"\x78\x01", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b"):
        at = data.find(magic)
        while at >= 0:
            with suppress(zlib.error):
                yield zlib.decompressobj(wbits=47).decompress(data[at:], 1 << 20)
            at = data.find(magic, at + 1)


def indexed(folder: Path, words: Iterable[str]) -> set[str]:
    """The words that a dictionary of the index still has, dead documents counted, and files that no reader knows."""
    import tantivy

    found = set()
    for part in sorted(p.parent for p in folder.rglob("meta.json")):
        searcher = tantivy.Index(schema(), str(part)).searcher()
        wanted = list(words)
        found |= {w for w in wanted if any(searcher.doc_freq(f, w) for f in WORD_FIELDS)}
        known = {s["segment_id"].replace("-", "") for s in json.loads((part / "meta.json").read_text())["segments"]}
        segments = {p.name.partition(".")[0] for p in part.iterdir() if len(p.name.partition(".")[0]) == 32}
        found |= {f"file of no segment: {name}" for name in segments - known}
    return found
