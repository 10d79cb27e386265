"""What the tests of the readers share: a file's outcomes, split into items and problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from node.imports import ImportItem, ReadOptions, open_source
from node.views import ImportLine

CIRCLE_ID = "z6Mk" + "1" * 44 + ".river"
OPTIONS = ReadOptions(circles={"river": CIRCLE_ID}, language="en", kind="guide")


def outcomes(path: Path, options: ReadOptions = OPTIONS) -> tuple[list[ImportItem], list[ImportLine]]:
    """Items and problems of a source."""
    found = list(open_source(path, options))
    return [o for o in found if isinstance(o, ImportItem)], [o for o in found if isinstance(o, ImportLine)]


def write(path: Path, *documents: Any) -> Path:
    """A JSON Lines file; texts are written as they are."""
    lines = [d if isinstance(d, str) else json.dumps(d, ensure_ascii=False) for d in documents]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def corpus_document(**changes: Any) -> dict[str, Any]:
    """A document of the corpus form."""
    document = {
        "id": "6cf61d5fd01507ac51f0",
        "source_repo": "river/handbook",
        "source_path": "en/gauges.md",
        "licence": "CC0-1.0",
        "attribution": "River handbook",
        "language": "en",
        "kind": "guide",
        "title": "Painted gauges",
        "summary": None,
        "body_markdown": "Paint the pole.\n",
        "tags": ["flood", "early warning"],
        "translation_of": None,
        "date": None,
    }
    return document | changes


def library_record(**changes: Any) -> dict[str, Any]:
    """A record of the library form."""
    record = {
        "source_id": "bridge",
        "node": 1,
        "kind": "case_study",
        "language": "es",
        "title": "El puente",
        "sections": {"context": "Un barrio."},
        "quotes": [{"id": "q1", "text": "Miramos el pilar.", "by": "p1"}],
        "people": [{"id": "p1", "name": "Marleny", "role": "coordinadora"}],
        "places": [],
        "links": [{"rel": "related", "to": "list"}],
        "terms": {"aud": ["network"], "pur": ["learning"]},
        "field_terms": {"person:p1": {"aud": ["circle:river"], "pur": ["learning"], "until": "2027-06-30"}},
        "contributors": [
            {
                "subject": "w-1",
                "fields": ["quote:q1"],
                "grant": {"aud": ["node"], "pur": ["learning"], "how": "signed form", "given": "2024-05-11"},
            },
            {"subject": "w-2", "fields": ["*"], "grant": None},
        ],
    }
    return record | changes
