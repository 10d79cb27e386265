"""What the documents say is what the code does: links, commands, settings, and every table of docs/protocol.md."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest
import typer
from aiohttp import web
from pydantic import BaseModel

from config.load import sections
from config.settings import Database
from federation.checkpoint import Head, sign_head
from federation.documents import Agreement, SignedDocument
from federation.errors import Code
from federation.jws import Typ
from federation.keys import SigningKey, node_id_of
from federation.messages import Ack, Circle, Drop, Hiding, Page, Put, Refused, Retract, Withdraw, write_ack, write_page
from federation.routes import Host, federation_routes
from federation.witness import Shown, write_shown
from governance.admission import NotAdmitted
from governance.kinds import KINDS
from governance.record import COMMON_FIELDS
from node.cli.reference import commands
from node.cli.root import app

ROOT: Final = Path(__file__).parents[2]
PROTOCOL: Final = ROOT / "docs" / "protocol.md"
OUTSIDE: Final = {".venv", "node_modules", ".git", "build", "demo-data"}
FEDERATION_PARTS: Final = (
    "encoding", "keys", "jws", "claims", "envelope", "documents", "identity", "httpsig", "messages", "effects",
    "exchange", "negentropy", "client", "routes", "words", "letters", "hides", "proofs",
    "merkle", "checkpoint", "transcript", "witness",
)  # fmt: skip
_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_FENCE: Final = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`[^`\n]*`")
_SETTING: Final = re.compile(r"COMMONWEAVE_([A-Z]+)__([A-Z_]+)")
_PATH: Final = re.compile(r"(?:governance|federation|search|config|node|tests|docs|scripts)/[\w./-]*")
_DOTTED: Final = re.compile(r"`([a-z]+)\.([a-z_]+)(?: = [^`]*)?`")


def documents() -> list[Path]:
    """Every Markdown file that is ours."""
    return [p for p in sorted(ROOT.rglob("*.md")) if not OUTSIDE.intersection(p.relative_to(ROOT).parts)]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- links ----------------------------------------------------------------------------------------------------------


def links(text: str) -> Iterator[str]:
    for match in _LINK.finditer(_CODE.sub("", _FENCE.sub("", text))):
        yield match[1] or match[2]


def anchors(path: Path) -> set[str]:
    """The fragments of a document's headings, as hosting sites make them."""
    heads = re.findall(r"^#+ +(.+?)\s*$", _FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", head)) for head in heads]
    return {text.strip().lower().replace(" ", "-") for text in plain}


def broken_links(path: Path) -> list[str]:
    broken = []
    for link in links(path.read_text("utf-8")):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        target, _, fragment = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        missing = not file.exists() or not file.is_relative_to(ROOT)
        if missing or (fragment and file.suffix == ".md" and fragment not in anchors(file)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_every_relative_link_leads_to_a_file_and_heading_of_the_project(path: Path) -> None:
    assert broken_links(path) == []


def test_a_link_to_a_file_that_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("See [this](missing.md), `[not](code.md)` and [that](https://example.org).\n")

    assert broken_links(page) == ["missing.md"]


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_every_file_of_the_project_that_a_document_names_exists(path: Path) -> None:
    named = {word.strip("`") for word in _CODE.findall(_FENCE.sub("", path.read_text("utf-8")))}
    files = {name for name in named if _PATH.fullmatch(name) and not re.search(r"/[A-Z]+/", name)}  # PACKAGE is any

    assert {name for name in files if not (ROOT / name).exists()} == set()


def test_the_index_of_decisions_lists_each_of_them() -> None:
    folder = ROOT / "docs" / "adr"
    decisions = {p.name for p in folder.glob("[0-9]*.md")}

    assert set(links((folder / "README.md").read_text("utf-8"))) == decisions


# --- commands -------------------------------------------------------------------------------------------------------


def command_lines(path: Path) -> list[str]:
    """The lines of code blocks that begin with the command, continued lines joined."""
    lines = []
    for block in _FENCE.finditer(path.read_text("utf-8")):
        for line in block[0].replace("\\\n", " ").splitlines():
            found = re.match(r"\s*(?:\$ )?(?:\.venv/bin/)?(commonweave\s.*)", line)
            if found:
                lines.append(found[1])
    return lines


def parse(line: str) -> None:
    """Parse a command line as the program would, without running it."""
    words = shlex.split(line, comments=True)[1:]
    command: Any = typer.main.get_command(app)
    context = command.make_context("commonweave", list(words), resilient_parsing=True)
    while getattr(command, "commands", None) is not None:
        name = words.pop(0) if words else ""
        assert name in command.commands, f"there is no command {name!r} in: {line}"
        command = command.commands[name]
        if getattr(command, "commands", None) is None:
            command.make_context(name, [w for w in words if w != "--help"], parent=context)


def walkthroughs() -> list[Path]:
    return [p for p in (ROOT / "README.md", ROOT / "docs" / "guide.md") if p.exists()]


@pytest.mark.parametrize("path", walkthroughs(), ids=name_of)
def test_every_command_in_a_walkthrough_exists_with_its_options(path: Path) -> None:
    lines = command_lines(path)

    assert lines
    for line in lines:
        parse(line)


@pytest.mark.parametrize("line", ["commonweave fly", "commonweave peer invite --wings 2", "commonweave explain"])
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises(Exception, match=r"fly|wings|RID|rid"):
        parse(line)


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_a_command_named_in_the_text_exists(path: Path) -> None:
    names = {name for name, _ in commands()}
    known = names | {" ".join(n.split()[:2]) for n in names}
    for span in _CODE.findall(_FENCE.sub("", path.read_text("utf-8"))):
        words = span.strip("`").split()
        if words[:1] == ["commonweave"] and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]):
            assert " ".join(words[:3]) in known or " ".join(words[:2]) in known, span


# --- settings -------------------------------------------------------------------------------------------------------


def settings() -> set[tuple[str, str]]:
    return {(section, name) for section, model in sections().items() for name in model.model_fields}


def test_every_database_address_in_a_document_is_one_that_the_settings_take() -> None:
    found = [
        (name_of(path), url)
        for path in [*documents(), ROOT / "config" / "example.toml", ROOT / "docker-compose.yml"]
        for url in re.findall(r"\b(?:sqlite|postgres)\w*(?:\+\w+)?:///?[\w./@:-]+", path.read_text("utf-8"))
        if "://" in url and not url.endswith("://")
    ]
    assert len(found) > 3
    for name, url in found:
        assert Database(url=url.rstrip(".")).url, name


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_every_setting_that_a_document_names_exists(path: Path) -> None:
    text = path.read_text("utf-8")
    named = {(section.lower(), name.lower()) for section, name in _SETTING.findall(text)}
    groups = {section for section, _ in settings()} - {"search", "node", "log", "policy"}  # words with other meanings
    files = {"py", "md", "toml", "json", "html", "lock"}
    named |= {(s, n) for s, n in _DOTTED.findall(text) if s in groups and n not in files}

    assert named <= settings()


# --- the protocol's tables ------------------------------------------------------------------------------------------


def section(title: str) -> str:
    """The text of a numbered section of the protocol."""
    found = re.search(rf"^## \d+\. {re.escape(title)}$(.*?)(?=^## |\Z)", PROTOCOL.read_text("utf-8"), re.M | re.S)
    assert found is not None, f"docs/protocol.md has no section {title!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of the first table in a text, without its head."""
    lines = [line for line in text.partition("\n\n")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def marked(kind: str) -> dict[str, list[list[str]]]:
    """The tables that follow a comment `<!-- kind: name -->`, by name."""
    parts = re.split(rf"<!-- {kind}: ([\w.]+) -->\n", PROTOCOL.read_text("utf-8"))
    return {name: rows(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def after(comment: str) -> list[list[str]]:
    return rows(PROTOCOL.read_text("utf-8").partition(f"<!-- {comment} -->\n")[2])


def spans(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def table_of(text: str) -> list[list[str]]:
    return rows(text[text.index("\n|") + 1 :])


def after_head(head: str) -> list[list[str]]:
    """The table whose first column has this head."""
    return rows(re.split(rf"^(?=\| {head} \|)", PROTOCOL.read_text("utf-8"), maxsplit=1, flags=re.MULTILINE)[1])


def test_the_protocol_names_every_code_and_no_other() -> None:
    assert sorted(spans(row[0])[0] for row in table_of(section("Codes"))) == sorted(Code)


def test_the_protocol_names_every_document_type_and_no_other() -> None:
    assert sorted(spans(row[0])[0] for row in table_of(section("Signed documents"))) == sorted(Typ)


def test_the_protocol_names_every_endpoint_with_its_method() -> None:
    named = {(row[0], spans(row[1])[0]) for row in table_of(section("Endpoints"))}

    routes: list[web.RouteDef] = federation_routes(cast(Host, None))

    assert named == {(route.method, route.path) for route in routes}


def test_the_protocol_names_every_problem_that_routes_answer() -> None:
    source = (ROOT / "federation" / "routes.py").read_text("utf-8")
    answered = set(re.findall(r'problem\((?:\d+|status), "([a-z-]+)"', source))
    named = {word for row in after_head("word") for word in spans(row[0])}

    assert answered
    assert answered == named


def limits_in_code() -> dict[str, int]:
    """Public constants of the protocol that bound something."""
    found: dict[str, int] = {}
    for part in FEDERATION_PARTS:
        module = importlib.import_module(f"federation.{part}")
        own = re.findall(r"^((?:MAX|MIN)_[A-Z_]+|SALT_BYTES): Final", inspect.getsource(module), re.MULTILINE)
        found.update({f"{part}.{name}": getattr(module, name) for name in own})
    return found


def test_the_protocol_has_every_limit_with_the_number_of_the_code() -> None:
    named = {spans(row[0])[0]: int(row[1]) for row in table_of(section("Limits"))}

    assert named == limits_in_code()


def test_every_module_of_the_protocol_is_searched_for_limits() -> None:
    modules = {p.stem for p in (ROOT / "federation").glob("*.py")} - {"__init__", "errors"}

    assert modules == set(FEDERATION_PARTS)


def model_named(name: str) -> type[BaseModel]:
    module, _, model = name.rpartition(".")
    return cast("type[BaseModel]", getattr(importlib.import_module(module), model))


@pytest.mark.parametrize(("name", "table"), marked("members").items(), ids=marked("members"))
def test_a_documents_members_are_those_of_the_code(name: str, table: list[list[str]]) -> None:
    fields = model_named(name).model_fields
    written = {info.alias or member for member, info in fields.items()}

    assert {word for row in table for word in spans(row[0])} == written


def test_every_signed_document_has_its_table() -> None:
    named = {model_named(name) for name in marked("members")}

    assert {*SignedDocument.__subclasses__(), Agreement} <= named


HASH: Final = bytes(32)
PAGE: Final = Page(
    1,
    (
        Put(1, "j", ("d",), (2,)),
        Retract(1, "o", "r", 1),
        Withdraw(1, "j"),
        Circle(1, "j"),
        Hiding(1, "j"),
        Drop(1, HASH),
    ),
    1,
    more=False,
    count=0,
    total=HASH,
    origins=(("h",),),
    manifest="m",
    node_head="n",
    mail=True,
    heard=1,
)
ACK: Final = Ack(1, 0, HASH, ("r",), (("h",),), (Refused("o", "r", 1, "c"),), ("j",), (HASH,), ("w",), ("l",))


def test_the_lines_of_a_page_and_an_acknowledgement_have_the_members_that_the_protocol_names() -> None:
    lines = [json.loads(line) for line in write_page(PAGE).splitlines()]
    written = {line["t"]: set(line) for line in lines} | {"ack": set(json.loads(write_ack(ACK)))}

    named = {name: {word for row in table for word in spans(row[0])} for name, table in marked("line").items()}

    assert named == written


def test_what_is_shown_of_an_audit_log_has_the_members_that_the_protocol_names() -> None:
    key = SigningKey.from_seed(HASH)
    note = sign_head(Head(node_id_of(key.public), 1, HASH), key)
    written = set(json.loads(write_shown(Shown(1, note, 1, (HASH,), (1, note.signatures[0]), "a"))))

    assert {word for row in after("shown") for word in spans(row[0])} == written


def test_the_protocol_names_every_reason_not_to_admit() -> None:
    named = {word for row in table_of(section("Taking a copy in")) for word in spans(row[0])}

    assert set(NotAdmitted) <= named


def test_the_protocol_names_every_common_field_and_every_kind_with_its_sections() -> None:
    common = {word for row in after("common fields") for word in spans(row[0])}
    kinds = {spans(row[0])[0]: set(spans(row[1])) for row in after("kinds")}

    assert common == set(COMMON_FIELDS)
    assert kinds.keys() == KINDS.keys()
    for kind, model in KINDS.items():
        assert set(model.model_fields) <= kinds[kind]
