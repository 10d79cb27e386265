"""The API's table for `docs/api.md`, from the operations themselves; a test keeps the page current."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel

from node.web.downloads import FileAnswer
from node.web.operations import Operation

BEGIN: Final = "<!-- operations: begin -->"
END: Final = "<!-- operations: end -->"


def table(operations: Iterable[Operation]) -> str:
    """A Markdown table, one row an operation."""
    rows = ["| | path under `/api/v1` | scope | takes | answers | |", "|---|---|---|---|---|---|"]
    rows += [f"| {o.method} | `{o.path}` | {o.scope} | {_takes(o)} | {_answers(o)} | {o.summary} |" for o in operations]
    return "\n".join(rows)


def with_table(page: str, operations: Iterable[Operation]) -> str:
    """The page with its table written anew."""
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n{table(operations)}\n{END}{rest.partition(END)[2]}"


def _takes(operation: Operation) -> str:
    query: type[BaseModel] | None = operation.query
    names = [f"`{name}`" for name in query.model_fields] if query else []
    body = operation.body.__name__ if operation.body else operation.raw_body
    return ", ".join(names) + (f"{'; ' if names else ''}body: {body}" if body else "")


def _answers(operation: Operation) -> str:
    answer: Any = operation.answer
    if answer is None:
        return "nothing (204)"
    if answer is str:
        return "text"
    if answer is FileAnswer:
        return "bytes"
    inner = getattr(answer, "__args__", ())
    name = f"list of {inner[0].__name__}" if inner else answer.__name__.replace("[", " of ").replace("]", "")
    return f"{name}, a line each" if operation.streams else str(name)
