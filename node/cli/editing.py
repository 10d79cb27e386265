"""A record as a text to edit: the facts and terms in TOML between `+++`, every text field under a heading of its own.

What is written is read back to the same draft; a field that is not in the text any more is left out of the record.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import typer
from pydantic import ValidationError

from governance.record import Draft
from node.cli.session import Failure
from node.errors import BadInput, NotNow
from node.imports.item import first_problem

_HEADING: Final = re.compile(r"^=== (\S+) ===[ \t]*$", re.MULTILINE)
_MARK: Final = re.compile(r"^\+\+\+[ \t]*$", re.MULTILINE)
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_INTRO: Final = (
    "# Change what you like and save; empty the file to stop. Terms: aud (audiences, all must admit), pur (purposes),\n"
    "# until (unix seconds). Text fields stand below, each under === name ===.\n"
)


def to_text(draft: Draft) -> str:
    """The form that is edited."""
    texts = {n: v for n, v in draft.fields.items() if isinstance(v, str) and ("\n" in v or len(v) > 60)}
    head: dict[str, Any] = {
        "kind": draft.kind,
        "lang": draft.lang,
        "direct": list(draft.direct),
        "terms": draft.terms,
        "fields": {n: v for n, v in draft.fields.items() if n not in texts},
        "field_terms": draft.field_terms,
        "contributors": [c.model_dump(mode="json", exclude_none=True) for c in draft.contributors],
    }
    lines = [f"{name} = {_toml(value)}" for name, value in head.items() if not _is_table(name)]
    for name in ("fields", "field_terms"):
        lines += ["", f"[{name}]", *(f"{_key(k)} = {_toml(v)}" for k, v in head[name].items())]
    body = "".join(f"\n=== {name} ===\n{text.rstrip()}\n" for name, text in texts.items())
    return f"+++\n{_INTRO}" + "\n".join(lines) + "\n+++\n" + body


def _is_table(name: str) -> bool:
    return name in ("fields", "field_terms")


def _key(name: str) -> str:
    return name if _BARE.match(name) else json.dumps(name, ensure_ascii=False)


def _toml(value: Any) -> str:
    """A JSON value in TOML; null, which TOML has not, is left out of tables."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items() if v is not None) + " }"
    inner = ",\n  ".join(_toml(v) for v in value)
    return f"[{inner}]" if len(inner) < 80 else f"[\n  {inner},\n]"


def from_text(text: str) -> Draft:
    """The draft in an edited form; `BadInput` says where it cannot be read."""
    parts = _MARK.split(text, 2)
    if len(parts) != 3 or parts[0].strip():
        raise BadInput("the form begins with +++, then TOML, then +++ again: `record edit --print` shows one")
    try:
        head = tomllib.loads(parts[1])
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"the head of the form is not TOML: {error}") from error
    fields = dict(head.pop("fields", {}))
    pieces = _HEADING.split(parts[2])
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in fields:
            raise BadInput(f"the field {name} stands twice in the form")
        fields[name] = body.strip("\n")
    if pieces[0].strip():
        raise BadInput(f"{pieces[0].strip()[:40]!r} stands under no === field ===")
    try:
        return Draft.model_validate({**head, "fields": fields}).checked()
    except ValidationError as error:
        raise BadInput(first_problem(error)) from error


def edited(draft: Draft, editor: str) -> Draft:
    """What comes back from the editor; asks again as long as the form cannot be read."""
    text = to_text(draft)
    while True:
        back = _edit(text, editor)
        if back is None or not back.strip():
            raise Failure("nothing was changed", NotNow.exit_code)
        try:
            return from_text(back)
        except ValueError as error:
            problem: Exception = error
        except BadInput as error:
            problem = error
        if not typer.confirm(f"{problem}. Edit again?", default=True, err=True):
            raise Failure("nothing was changed", NotNow.exit_code)
        text = back


def _edit(text: str, editor: str) -> str | None:
    """The text after the editor was closed; None where it failed. The file is private and removed after."""
    with tempfile.TemporaryDirectory(prefix="cw-") as folder:
        path = Path(folder) / "record.md"
        path.write_text(text, "utf-8")
        try:
            code = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode  # noqa: S603 - the user's own
        except OSError as error:
            message = f"the editor {editor!r} cannot be started: name one with --editor, or give --file"
            raise BadInput(message) from error
        return path.read_text("utf-8") if code == 0 else None
