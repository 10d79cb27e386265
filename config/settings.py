"""The settings of a node: typed, frozen, each with its default and what it is for.

Nothing below the wiring knows that settings exist; `config.load` makes them, `config.reference` writes them down.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import quote, unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from governance.kinds import KINDS
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
