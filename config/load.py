"""Reads the settings once: defaults, then the data folder's file, then the environment, then the command line.

The only place that reads the environment. A wrong setting stops the start with its key, value, source and remedy.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.settings import Settings, SettingsError
from governance.toml_lines import line_at, lines_of, syntax_problem

FILE_NAME: Final = "commonweave.toml"
PREFIX: Final = "COMMONWEAVE_"
DATA_VARIABLE: Final = "COMMONWEAVE_DATA"
DEFAULT_DATA: Final = Path("commonweave-data")
MAX_FILE_BYTES: Final = 256 * 1024  # far more than every setting with every comment

_SECRET_NAME: Final = re.compile(r"secret|password|token|passphrase|private", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(r"(://[^:@/\s]*:)[^@]*@")

Key = tuple[str, ...]


@dataclass(slots=True)
class _Gathered:
    """Values of all sources, the later one winning, and where each came from."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[Key, str] = field(default_factory=dict)

    def put(self, section: str, name: str, value: object, source: str) -> None:
        self.values.setdefault(section, {})[name] = value
        self.sources[(section, name)] = source


def data_folder(option: Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The data folder, absolute: the command line's, else `COMMONWEAVE_DATA`, else `commonweave-data` here."""
    given = (os.environ if environ is None else environ).get(DATA_VARIABLE)
    return (option or (Path(given) if given else DEFAULT_DATA)).expanduser().absolute()


def load(
    data: Path, overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """The settings of the node in `data`, paths absolute; `overrides` are the command line's, `{"server.port": 8081}`.

    Raises `SettingsError` for anything that is unknown, of the wrong form, or names a file that is not there.
    """
    gathered = _Gathered()
    _from_file(data / FILE_NAME, gathered)
    _from_environment(os.environ if environ is None else environ, gathered)
    for key, value in (overrides or {}).items():
        section, name = _setting(tuple(key.split(".")), value, "the command line")
        gathered.put(section, name, _typed(section, name, value, "the command line"), "the command line")
    try:
        settings = Settings.model_validate({**gathered.values, "data": data.absolute()})
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(e, gathered) for e in error.errors(include_url=False))) from None
    return _resolved(settings, gathered)


def packaged_policies() -> dict[str, Path]:
    """Name to file of each policy that comes with the node."""
    folder = Path(str(files("config") / "policies"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _from_file(path: Path, gathered: _Gathered) -> None:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}; mend its permissions or remove it") from None
    if len(raw) > MAX_FILE_BYTES:
        raise SettingsError(
            f"{path} is {len(raw)} bytes long, at most {MAX_FILE_BYTES} are read; is it the right file?"
        )
    try:
        text = raw.decode("utf-8-sig")
        tree = tomllib.loads(text)
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not TOML: {syntax_problem(error)}; mend the line named here") from None
    lines = lines_of(text)
    for section, table in tree.items():
        source = f"{path} line {line_at(lines, (section,))}"
        if not isinstance(table, dict):
            _setting((section, ""), table, source)
            raise SettingsError(
                f"{section} = {_shown((section,), table)} in {source}: it is a section; "
                f"write [{section}] above its settings"
            )
        _setting((section, ""), table, source)
        for name, value in table.items():
            source = f"{path} line {line_at(lines, (section, name))}"
            gathered.put(*_setting((section, name), value, source), value, source)


def _from_environment(environ: Mapping[str, str], gathered: _Gathered) -> None:
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable != DATA_VARIABLE:
            source = f"the environment ({variable})"
            key = tuple(part.lower() for part in variable.removeprefix(PREFIX).split("__"))
            section, name = _setting(key, environ[variable], source)
            gathered.put(section, name, _typed(section, name, environ[variable], source), source)


def sections() -> dict[str, type[BaseModel]]:
    """Name to model of each section, in the order of the documentation."""
    return {
        name: info.annotation
        for name, info in Settings.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
    }


def _setting(key: Key, value: object, source: str) -> tuple[str, str]:
    """Section and name of a key that exists; `("server", "")` asks for the section only."""
    known = {f"{section}.{name}" for section, model in sections().items() for name in model.model_fields}
    dotted = ".".join(key).rstrip(".")
    if dotted in known or (key[-1] == "" and dotted in sections()):
        return key[0], key[-1]
    candidates = sorted(sections()) if key[-1] == "" else sorted(known)
    near = get_close_matches(dotted, candidates, n=1, cutoff=0.6)
    near = near or [k for k in candidates if k.endswith("." + key[-1])] or get_close_matches(dotted, candidates, 1, 0.4)
    remedy = f"did you mean {near[0]}?" if near else f"the sections are {', '.join(sections())}"
    raise SettingsError(f"unknown setting {dotted} = {_shown(key, value)} in {source}; {remedy}")


def _typed(section: str, name: str, value: object, source: str) -> object:
    """A text of the environment or the command line as the setting's type: lists by commas or as TOML."""
    annotation = sections()[section].model_fields[name].annotation
    if not isinstance(value, str) or get_origin(annotation) is not tuple:
        return value
    if not value.lstrip().startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        remedy = 'write a, b or ["a", "b"]'
        raise SettingsError(f"{section}.{name} = {value!r} in {source} is not a list; {remedy}") from None


def _shown(key: Key, value: object) -> str:
    """A value for a message; a secret, or what could be one, is not shown."""
    if _SECRET_NAME.search(".".join(key)):
        return "(not shown)"
    return _URL_PASSWORD.sub(r"\1…@", repr(value))


def _explain(error: ErrorDetails, gathered: _Gathered) -> str:
    key = tuple(str(part) for part in error["loc"][:2])
    value: object = gathered.values.get(key[0], {}).get(key[-1]) if len(key) == 2 else None
    what = error["msg"].removeprefix("Value error, ")
    source = gathered.sources.get(key, "the defaults")
    told = f"{'.'.join(key)} = {_shown(key, value)} in {source} cannot be used: {what[:1].lower()}{what[1:]}"
    return f"{told}. What it is for: {sections()[key[0]].model_fields[key[1]].description}"


def _resolved(settings: Settings, gathered: _Gathered) -> Settings:
    """Paths made absolute: against the data folder, and a bare policy name against those that come with the node."""
    data = settings.data
    policy = _policy_file(settings, gathered.sources.get(("policy", "path"), "the defaults"))
    return settings.model_copy(
        update={
            "database": settings.database.model_copy(update={"url": _database_url(settings.database.url, data)}),
            "search": settings.search.model_copy(update={"folder": data / settings.search.folder}),
            "policy": settings.policy.model_copy(update={"path": policy}),
        }
    )


def _database_url(url: str, data: Path) -> str:
    scheme, marker, rest = url.partition(":///")
    if not scheme.startswith("sqlite") or not marker or rest.startswith((":memory:", "file:")):
        return url
    name, question, query = rest.removeprefix("DATA/").partition("?")
    return f"{scheme}:///{data / name}{question}{query}"  # an absolute name stays as it is


def _policy_file(settings: Settings, source: str) -> Path:
    path, packaged = settings.policy.path, packaged_policies()
    bare = len(path.parts) == 1 and not path.suffix
    if bare and path.name in packaged:
        return packaged[path.name]
    found = settings.data / path
    if found.is_file():
        return found
    if bare:
        near = get_close_matches(path.name, packaged, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"those that come with the node: {', '.join(packaged)}"
    else:
        remedy = f"put the file there, or use {' or '.join(packaged)}"
    raise SettingsError(f"policy.path = {str(path)!r} in {source}: there is no such policy; {remedy}")
