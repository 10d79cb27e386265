"""The tables of `docs/cli.md`, from the commands themselves: `python -m node.cli.reference` writes them anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from node.cli.root import app
from node.cli.session import EXIT_CODES

BEGIN: Final = "<!-- generated: begin (python -m node.cli.reference) -->"
END: Final = "<!-- generated: end -->"
SHARED: Final = ("--data", "--json", "--debug", "--help")
DOCUMENT: Final = Path("docs/cli.md")


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its whole name, with what Typer made of it."""
    yield from _below("commonweave", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for part, found in inner.items():
        yield from _below(f"{name} {part}", found)


def tables() -> str:
    """The commands, each with its options, and the exit codes, as Markdown."""
    blocks = [_block(name, command) for name, command in commands()]
    codes = ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    codes += [f"| {code} | {words} |" for code, words in EXIT_CODES.items()]
    return "\n\n".join([*blocks, "\n".join(codes)])


def _block(name: str, command: Any) -> str:
    own = [p for p in command.params if not set(p.opts) & set(SHARED)]
    arguments = [p for p in own if p.param_type_name == "argument"]
    usage = " ".join([name, *(_argument(p) for p in arguments)])
    lines = [f"### `{name}`", "", f"`{usage}`", "", str(command.help).strip()]
    if own:
        lines += ["", "| option | what it does |", "|---|---|", *(_row(p) for p in own)]
    return "\n".join(lines)


def _argument(parameter: Any) -> str:
    shown = str(parameter.metavar or parameter.name.upper())
    return shown if parameter.required else f"[{shown}]"


def _row(parameter: Any) -> str:
    options = [*parameter.opts, *parameter.secondary_opts]
    name = _argument(parameter) if parameter.param_type_name == "argument" else ", ".join(options)
    words = (parameter.help or "").replace("|", "\\|")
    default = parameter.default
    shown = default not in (None, "", False, [], ()) and not callable(default) and not isinstance(default, bool)
    needed = " Required." if parameter.required and parameter.param_type_name == "option" else ""
    return f"| `{name}` | {words}{needed}{f' Default: {default}.' if shown else ''} |"


def written_into(text: str) -> str:
    """A document with the tables between its marks made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(written_into(DOCUMENT.read_text("utf-8")), "utf-8")
