"""Choosing an engine: by name, or by what this machine can run, with a sentence about its limits to say at start."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from search.engine import SearchEngine
from search.errors import EngineUnavailable

EngineName = Literal["auto", "tantivy", "whoosh", "memory"]

TANTIVY_LIMITS: Final = "Search runs on Tantivy: measured to 100,000 records."
WHOOSH_LIMITS: Final = (
    "Search runs on Whoosh, in pure Python: good to about 10,000 records, where one search in twenty takes 0.7 seconds"
    " or more."
)
MEMORY_LIMITS: Final = "Search runs in memory: for tests; it starts empty and looks at every record."


@dataclass(frozen=True, slots=True)
class OpenedEngine:
    """An engine, which one it is, and what to say about it at start."""

    engine: SearchEngine
    name: str
    limits: str


def open_engine(name: EngineName, folder: Path) -> OpenedEngine:
    """The engine of that name over its folder; `auto` takes Tantivy where it can be imported, else Whoosh.

    Raises `IndexCorrupt` if the folder holds no whole index of this version, `EngineUnavailable` if the engine cannot
    run here.
    """
    if name == "memory":
        from search.memory_engine import MemoryEngine  # noqa: PLC0415 - engines are imported when chosen

        return OpenedEngine(MemoryEngine(), "memory", MEMORY_LIMITS)
    has_tantivy = find_spec("tantivy") is not None
    if name == "tantivy" and not has_tantivy:
        raise EngineUnavailable("search engine tantivy: no build of it for this machine; set the engine to whoosh")
    if name == "tantivy" or (name == "auto" and has_tantivy):
        from search.tantivy_engine import TantivyEngine  # noqa: PLC0415 - as above

        return OpenedEngine(TantivyEngine(folder / "tantivy"), "tantivy", TANTIVY_LIMITS)
    from search.whoosh_engine import WhooshEngine  # noqa: PLC0415 - as above

    return OpenedEngine(WhooshEngine(folder / "whoosh"), "whoosh", WHOOSH_LIMITS)
