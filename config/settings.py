"""The settings of a node: typed, frozen, each with its default and what it is for.

Nothing below the wiring knows that settings exist; `config.load` makes them, `config.reference` writes them down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import quote, unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from governance.kinds import KINDS
from governance.proposal import DAY_S, HOUR_S, Rules
from governance.record import is_language

MIB: Final = 1024 * 1024
MAX_RECORD_COPY_BYTES: Final = 4 * MIB  # DESIGN 5: a whole copy
MAX_PAGE_RECORDS: Final = 1_000  # what one manifest or receipt covers (docs/protocol.md)
MAX_PAGE_MIB: Final = 16  # half of what a receiver takes, since the last copy of a page may go beyond
_REGION: Final = r"^([A-Z]{2}(-[A-Z0-9]{1,3})?|[0-9]{3})$"
_OWN_URL: Final = re.compile(r"https?://[^/\s?#@]+\Z")
_DATABASE_URL: Final = re.compile(
    r"(?P<scheme>sqlite\+aiosqlite|postgresql\+asyncpg)://(?P<user>[^:@/]*)(?::(?P<word>[^@/]*))?(?P<at>@)?(?P<rest>.*)\Z"
)


class Secret(SecretStr):
    """A word that is never printed, logged or written; empty means that there is none."""

    def __bool__(self) -> bool:
        return bool(self.get_secret_value())


class SettingsError(ValueError):
    """A setting that cannot be used: the message names the key, the value, where it came from, and the remedy."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")  # noqa: TRY004 - what Pydantic reports
    return value


Count = Annotated[int, BeforeValidator(_no_bool)]


def _languages(value: tuple[str, ...]) -> tuple[str, ...]:
    for tag in value:
        if not is_language(tag):
            raise ValueError(f"{tag!r} is not a language tag: write one such as sw or pt-BR")
    return value


class Node(_Section):
    """Who this node is to its peers; written into the signed node document."""

    name: str = Field(default="", max_length=200, description="What people call the organisation.")
    regions: tuple[Annotated[str, Field(pattern=_REGION)], ...] = Field(
        default=(),
        max_length=64,
        description="Regions it works in: ISO 3166 (KE, BR-BA) or UN M49 (419).",
    )
    languages: tuple[str, ...] = Field(
        default=("en",), min_length=1, max_length=64, description="Languages it works in, first the usual one (BCP 47)."
    )
    contact: str = Field(default="", max_length=500, description="How partners reach a person here: mail or telephone.")

    @field_validator("languages")
    @classmethod
    def _tags(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _languages(value)


class Server(_Section):
    """Where the node answers."""

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 for all.")
    port: Count = Field(default=8080, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    own_urls: tuple[str, ...] = Field(
        default=(),
        max_length=16,
        description="Addresses by which peers reach this node (https://node.example); signed requests to others fail.",
    )
    behind_proxy: bool = Field(
        default=False, description="True if a proxy of yours stands before it and sets X-Forwarded-For and -Proto."
    )

    @field_validator("own_urls")
    @classmethod
    def _bare(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            if not _OWN_URL.match(url):
                raise ValueError(f"{url!r} is not a bare address: write https://name or https://name:port, no path")
        return value


class Database(_Section):
    """Where records, consent and the audit live."""

    url: str = Field(
        default="sqlite+aiosqlite:///DATA/commonweave.sqlite3",
        description="sqlite+aiosqlite:///FILE (DATA is the data folder) or postgresql+asyncpg://USER@HOST/NAME.",
    )

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        found = _DATABASE_URL.match(value)
        if not found:
            raise ValueError("start it with sqlite+aiosqlite:/// or postgresql+asyncpg://")
        if found["word"] and found["at"]:
            raise ValueError("a password does not belong in the address: set secrets.database_password instead")
        return value


class Search(_Section):
    """How records are found."""

    engine: Literal["auto", "tantivy", "whoosh"] = Field(
        default="auto", description="auto takes tantivy where it is installed, else whoosh (up to 10,000 records)."
    )
    folder: Path = Field(default=Path("index"), description="Folder of the index; it can be rebuilt at any time.")


class Policy(_Section):
    """Which rules are in force."""

    path: Path = Field(
        default=Path("trusted-partners"),
        description="File with the policy, or the name of one that comes with the node: trusted-partners, careful.",
    )


_KINDS_OF_PROPOSAL: Final = ("policy", "agreement", "circle", "record", "steward", "hold", "key")
_RULE: Final = re.compile(r"(?P<kind>[a-z]+(?:\.[a-z]+)?)(?P<rest>(?: +(?:quorum|waiting_h|open_days)=[a-z0-9]+)+)\Z")
MAX_STEWARDS: Final = 100  # far more than decide together anywhere
MAX_WAITING_H: Final = 24 * 90
MAX_OPEN_DAYS: Final = 366


def _quorum(value: object) -> object:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if text == "majority" or (isinstance(text, str) and text.isdecimal() and 1 <= int(text) <= MAX_STEWARDS):
        return text
    raise ValueError(f"write majority or a number from 1 to {MAX_STEWARDS}")


def _bounded(name: str, text: str, least: int, most: int) -> None:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ValueError(f"{name} is a number from {least} to {most}, not {text!r}")


def _rules(given: Mapping[str, str]) -> Rules:
    quorum = None if given["quorum"] == "majority" else int(given["quorum"])
    return Rules(quorum, int(given["waiting_h"]) * HOUR_S, int(given["open_days"]) * DAY_S)


_PER_KIND: Final = (
    'Kinds of proposal with rules of their own, such as "agreement quorum=3 waiting_h=48 open_days=30"; kinds: '
    f"{', '.join(_KINDS_OF_PROPOSAL)}, or one of them alone, such as agreement.end."
)


class Governance(_Section):
    """How stewards decide together."""

    quorum: Annotated[str, BeforeValidator(_quorum)] = Field(
        default="majority",
        description="How many stewards have to say yes: majority or a number. Never the proposer alone, unless there "
        "is one steward only.",
    )
    waiting_h: Count = Field(
        default=0, ge=0, le=MAX_WAITING_H, description="Hours from the last vote needed until it is carried out."
    )
    open_days: Count = Field(
        default=14, ge=1, le=MAX_OPEN_DAYS, description="Days after which a proposal lapses that was not approved."
    )
    per_kind: tuple[str, ...] = Field(
        default=("steward waiting_h=24", "key waiting_h=24"),
        max_length=64,
        description=_PER_KIND,
    )

    @field_validator("per_kind")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            found = _RULE.match(text)
            if not found or found["kind"].partition(".")[0] not in _KINDS_OF_PROPOSAL:
                raise ValueError(
                    f"{text!r}: begin with a kind ({', '.join(_KINDS_OF_PROPOSAL)}), "
                    "then quorum=, waiting_h=, open_days="
                )
            given = dict(part.split("=") for part in found["rest"].split())
            if "quorum" in given:
                _quorum(given["quorum"])
            _bounded("waiting_h", given.get("waiting_h", "0"), 0, MAX_WAITING_H)
            _bounded("open_days", given.get("open_days", "14"), 1, MAX_OPEN_DAYS)
        return value

    def rules(self) -> tuple[Rules, dict[str, Rules]]:
        """The default, and what each kind with rules of its own needs."""
        usual = {"quorum": self.quorum, "waiting_h": str(self.waiting_h), "open_days": str(self.open_days)}
        own: dict[str, Rules] = {}
        for text in self.per_kind:
            kind, *given = text.split()
            own[kind] = _rules(usual | dict(part.split("=") for part in given))
        return _rules(usual), own


class Sync(_Section):
    """When and how much is exchanged with peers."""

    interval_s: Count = Field(default=60, ge=1, le=604_800, description="Seconds between two syncs with a peer.")
    jitter: float = Field(default=0.2, ge=0, le=1, description="Part of the interval by which each sync is moved.")
    backoff_max_s: Count = Field(default=3_600, ge=1, le=604_800, description="Longest wait after failures, seconds.")
    timeout_s: Count = Field(default=30, ge=1, le=3_600, description="Seconds to wait for an answer.")
    page_records: Count = Field(default=500, ge=1, le=MAX_PAGE_RECORDS, description="Most records in one page.")
    page_bytes: Count = Field(
        default=4 * MIB,
        ge=MAX_RECORD_COPY_BYTES,
        le=MAX_PAGE_MIB * MIB,
        description="Most bytes in one page; at least one whole copy (4194304).",
    )


class Admission(_Section):
    """What is accepted from peers."""

    kinds: tuple[str, ...] = Field(default=(), description="Kinds of record taken in; empty takes all.")
    languages: tuple[str, ...] = Field(default=(), description="Languages taken in (pt takes pt-BR); empty takes all.")
    max_copy_bytes: Count = Field(
        default=MAX_RECORD_COPY_BYTES,
        ge=1_024,
        le=MAX_RECORD_COPY_BYTES,
        description="Largest copy of one record taken in, in bytes.",
    )
    budget_mib: Count = Field(default=2_048, ge=1, description="Most space that one peer's records may fill, in MiB.")

    @field_validator("kinds")
    @classmethod
    def _kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for kind in value:
            if kind not in KINDS:
                raise ValueError(f"unknown kind {kind!r}: use some of {', '.join(KINDS)}")
        return value

    @field_validator("languages")
    @classmethod
    def _tags(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _languages(value)


class Attachments(_Section):
    """Files beside records."""

    max_mib: Count = Field(default=200, ge=1, le=100_000, description="Largest file taken in, in MiB.")


class Limits(_Section):
    """How much one visitor or peer may ask for."""

    concurrent_syncs: Count = Field(default=4, ge=1, le=256, description="Peers that are synced with at the same time.")


class Log(_Section):
    """What the node tells its operator; never content of records."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least grave line written.")
    format: Literal["text", "json"] = Field(default="text", description="text for people, json for programs.")


class Secrets(_Section):
    """Words nobody else may know; better given by the environment than by a file."""

    database_password: Secret = Field(default=Secret(""), description="Password of the PostgreSQL user; empty: none.")


class Settings(_Section):
    """All settings of one node. `data` is its folder and no setting: it says where the settings are."""

    data: Path = Path()
    node: Node = Node()
    server: Server = Server()
    database: Database = Database()
    search: Search = Search()
    policy: Policy = Policy()
    governance: Governance = Governance()
    sync: Sync = Sync()
    admission: Admission = Admission()
    attachments: Attachments = Attachments()
    limits: Limits = Limits()
    log: Log = Log()
    secrets: Secrets = Secrets()

    def database_url(self) -> Secret:
        """The address with the password in it, for the one place that connects."""
        password = self.secrets.database_password.get_secret_value()
        found = _DATABASE_URL.match(self.database.url)
        if not password or not found or not found["at"]:
            return Secret(self.database.url)
        user = quote(unquote(found["user"]), safe="")
        return Secret(f"{found['scheme']}://{user}:{quote(password, safe='')}@{found['rest']}")
