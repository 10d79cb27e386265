"""Readers of what organisations have: JSON Lines, Markdown, CSV. Pure but for reading the path they are given."""

from node.imports.bounded import SourceError
from node.imports.item import GrantSpec, ImportItem, LinkRef, Outcome, ReadOptions, Unreadable, check_item, content_hash
from node.imports.source import open_source, source_name

__all__ = [
    "GrantSpec",
    "ImportItem",
    "LinkRef",
    "Outcome",
    "ReadOptions",
    "SourceError",
    "Unreadable",
    "check_item",
    "content_hash",
    "open_source",
    "source_name",
]
