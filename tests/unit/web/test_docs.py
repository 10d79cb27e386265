"""docs/api.md says what the operations are. Write the table anew with `python -m tests.unit.web.test_docs`."""

from __future__ import annotations

from pathlib import Path

from node.web.reference import with_table
from node.web.server import OPERATIONS

PAGE = Path(__file__).parents[3] / "docs" / "api.md"


def test_the_table_in_the_docs_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == with_table(text, OPERATIONS)
    assert all(f"`{o.path}`" in text for o in OPERATIONS)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), OPERATIONS), encoding="utf-8")
