"""Who plays: three organisations of different regions, and which part of the library each one brings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from node.imports.bounded import read_lines

CIRCLE: Final = "river"


@dataclass(frozen=True, slots=True)
class Organisation:
    """One node of the demonstration; `member` is who gets an account there."""

    number: int
    name: str
    regions: tuple[str, ...]
    languages: tuple[str, ...]
    policy: str
    member: str
    query: tuple[str, str]

    @property
    def port(self) -> int:
        """Where it listens."""
        return 8080 + self.number

    @property
    def url(self) -> str:
        """How the others reach it."""
        return f"http://127.0.0.1:{self.port}"


CAST: Final = (
    Organisation(
        number=1,
        name="Red del Río",
        regions=("CO", "BR"),
        languages=("es", "pt", "en"),
        policy="trusted-partners",
        member="lucia",
        query=("Swahili", "mafuriko"),
    ),
    Organisation(
        number=2,
        name="Mtandao wa Jamii",
        regions=("KE", "CD"),
        languages=("sw", "fr", "en"),
        policy="trusted-partners",
        member="amina",
        query=("Arabic", "الفيضانات"),
    ),
    Organisation(
        number=3,
        name="Saath Collective",
        regions=("IN", "ID"),
        languages=("hi", "ar", "zh", "id", "en"),
        policy="careful",
        member="meera",
        query=("Spanish", "inundación"),
    ),
)


def split_library(folder: Path) -> list[Path]:
    """The sample library as one file for each organisation."""
    parts: list[list[str]] = [[] for _ in CAST]
    text = (files("node.demo") / "library.jsonl").read_text("utf-8")
    for line in text.splitlines():
        parts[json.loads(line)["node"] - 1].append(line)
    return [_write(folder / f"sample-library-{n}.jsonl", part) for n, part in enumerate(parts, 1)]


def split_corpus(corpus: Path, folder: Path) -> list[Path]:
    """The corpus as one file for each organisation: whole repositories, about a third of the documents each."""
    sizes = Counter(str(document.get("source_repo")) for document, _ in _documents(corpus))
    owner: dict[str, int] = {}
    load = [0] * len(CAST)
    for repo, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        owner[repo] = load.index(min(load))
        load[owner[repo]] += size
    paths = [folder / f"corpus-{n}.jsonl" for n in range(1, len(CAST) + 1)]
    open_files = [path.open("wb") for path in paths]
    try:
        for document, line in _documents(corpus):
            open_files[owner[str(document.get("source_repo"))]].write(line + b"\n")
    finally:
        for file in open_files:
            file.close()
    return paths


def _documents(corpus: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    for line in read_lines(corpus):
        if line.data and line.data.strip():
            yield json.loads(line.data), line.data


def _write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
