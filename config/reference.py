"""Writes the settings down: the table of the documentation and the example file, both from the models."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from config.load import PREFIX, sections
from config.settings import Secret

BEGIN: Final = "<!-- settings: made from config/settings.py -->"
END: Final = "<!-- settings end -->"
_HEAD: Final = """\
# Every setting of a node with its default. Copy what you change into commonweave.toml in the data folder.
# The environment ({prefix}SECTION__NAME) wins over the file, the command line over both.
"""


def table() -> str:
    """Every setting as Markdown tables, one for each section."""
    out = []
    for section, model in sections().items():
        out.append(f"### `[{section}]`\n\n{model.__doc__}\n\n| setting | default | what it is for |\n|---|---|---|")
        for name, info in model.model_fields.items():
            out.append(f"| `{name}` | `{_toml(info.default)}` | {info.description}{_choices(info)} |")
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def example() -> str:
    """The example file: every setting, its comment, and its default."""
    out = [_HEAD.format(prefix=PREFIX)]
    for section, model in sections().items():
        out.append(f"# {model.__doc__}\n[{section}]")
        for name, info in model.model_fields.items():
            out += [f"# {line}" for line in wrap(f"{info.description}{_choices(info)}", 116)]
            out.append(f"{name} = {_toml(info.default)}")
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def refreshed(document: str) -> str:
    """A document with the tables between its two marks made anew."""
    before, _, rest = document.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case Secret():
            return '""'
        case str() | Path():
            return f'"{value}"'
    raise TypeError(f"no TOML form for {value!r}")


def _choices(info: FieldInfo) -> str:
    """The bounds of a number, in words."""
    least = next((m.ge for m in info.metadata if isinstance(m, Ge)), None)
    most = next((m.le for m in info.metadata if isinstance(m, Le)), None)
    if least is None:
        return ""
    return f" At least {least}." if most is None else f" From {least} to {most}."
