"""What every command shares: the data folder, `--json`, `--debug`, and how an error becomes a sentence and a code.

`command` adds the shared options to a function's own and is the only way a command is registered; `shared_before`
takes them in front of the command too.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar, get_type_hints

import typer
from rich.console import Console

from config.load import DATA_VARIABLE, DEFAULT_DATA, data_folder
from config.settings import SettingsError
from governance.errors import GovernanceError
from node.errors import BadInput, NodeError, NotAllowed, NotFound, NotNow, PeerTrouble, StartError
from node.imports import SourceError
from node.stewards import Pending

F = TypeVar("F", bound=Callable[..., None])

EXIT_CODES: Final = {
    0: "done",
    NodeError.exit_code: "something went wrong here; `--debug` shows where",
    BadInput.exit_code: "a value or the usage is wrong",
    NotFound.exit_code: "no such thing, or none that may be seen",
    NotAllowed.exit_code: "not allowed, or not confirmed",
    NotNow.exit_code: "not possible in this state; something else comes first",
    PeerTrouble.exit_code: "a peer answered wrongly or not at all",
    StartError.exit_code: "the node cannot start: settings, data folder, port or database",
    130: "stopped by Ctrl-C",
}
EXIT_WORDS: Final = "Exit codes: " + "; ".join(f"{code} {words}" for code, words in EXIT_CODES.items()) + "."


VOTE_AS_YOURSELF: Final = (
    "Stewards vote as themselves: `commonweave proposal vote {pid} yes --token-file my.token`, where my.token is a "
    "file that holds the secret of a token.\n"
    "To make one: `commonweave token create my-laptop --account NAME --scope read --scope write --scope steward`. "
    "With --token-file a steward who is the only one needs no proposal."
)


class Failure(Exception):
    """An error that already has its words and its exit code."""

    def __init__(self, message: str, exit_code: int, kind: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command."""

    data: Path
    as_json: bool
    debug: bool
    token_file: Path | None = None


_CURRENT: ContextVar[Session] = ContextVar("session")

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help=f"Data folder. Otherwise {DATA_VARIABLE}, otherwise {DEFAULT_DATA} here.",
        rich_help_panel="Shared",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.", rich_help_panel="Shared")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the trace of an error.", rich_help_panel="Shared")]
TokenOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="File with a token of your account, to act as yourself and not as the local administrator.",
        rich_help_panel="Shared",
    ),
]
_SHARED: Final[dict[str, Any]] = {
    "data": DataOption, "as_json": JsonOption, "debug": DebugOption, "token_file": TokenOption,
}  # fmt: skip
_PATHS: Final = ("data", "token_file")


def session() -> Session:
    """The session of the command that runs."""
    return _CURRENT.get()


def acting_token() -> str:
    """The token to act under, empty for the local administrator."""
    now = _CURRENT.get(None)
    if now is None or now.token_file is None:
        return ""
    try:
        token = now.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{now.token_file} cannot be read: it has to hold the secret of a token") from error
    if not token.isascii() or not token or " " in token or "\n" in token:
        raise BadInput(f"{now.token_file} does not hold one token: write the secret that `token create` showed into it")
    return token


def shared_before(group: typer.Typer) -> None:
    """Take the shared options before the name of a command too: `commonweave --data X status`."""

    @group.callback()
    def given(
        context: typer.Context,
        data: DataOption = None,
        as_json: JsonOption = False,
        debug: DebugOption = False,
        token_file: TokenOption = None,
    ) -> None:
        for name, value in (("data", data), ("as_json", as_json), ("debug", debug), ("token_file", token_file)):
            if value:
                context.meta[f"commonweave.{name}"] = value


def _session(context: typer.Context, data: Path | None, as_json: bool, debug: bool, token_file: Path | None) -> Session:
    """What was given after the command's name, else before it."""
    before = {name: context.meta.get(f"commonweave.{name}") for name in _SHARED}
    return Session(
        data_folder(data or before["data"]),
        as_json or bool(before["as_json"]),
        debug or bool(before["debug"]),
        token_file or before["token_file"],
    )


def command(group: typer.Typer, name: str) -> Callable[[F], F]:
    """Register a function as a command of a group, with the shared options."""

    def register(function: F) -> F:
        hints = get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())

        @functools.wraps(function)
        def run(
            context: typer.Context,
            data: Path | None = None,
            as_json: bool = False,
            debug: bool = False,
            token_file: Path | None = None,
            **arguments: Any,
        ) -> None:
            with _running(_session(context, data, as_json, debug, token_file)):
                function(**arguments)

        shared = [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None if n in _PATHS else False, annotation=t)
            for n, t in _SHARED.items()
        ]
        typed = [p.replace(annotation=hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        first = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        vars(run)["__signature__"] = inspect.Signature([first, *typed, *shared])
        run.__annotations__ = {**{p.name: p.annotation for p in (first, *typed, *shared)}, "return": None}
        group.command(name)(run)
        return function

    return register


@contextmanager
def _running(now: Session) -> Iterator[None]:
    token = _CURRENT.set(now)
    try:
        yield
    except KeyboardInterrupt:
        _fail(now, "stopped", 130)
    except typer.Exit:
        raise
    except Failure as error:
        _fail(now, str(error), error.exit_code)
    except Pending as pending:
        _announce(now, pending)
    except NodeError as error:
        _fail(now, str(error), error.exit_code)
    except SettingsError as error:
        _fail(now, str(error), StartError.exit_code)
    except (GovernanceError, SourceError) as error:
        _fail(now, str(error), BadInput.exit_code)
    except BrokenPipeError:
        raise typer.Exit(0) from None  # `commonweave record list | head`
    except OSError as error:
        _fail(now, f"{error.strerror or error}: {error.filename or now.data}", NodeError.exit_code)
    except Exception as error:
        _fail(now, f"{type(error).__name__}: {error}. This is a mistake in the program; --debug shows where", 1)
    finally:
        _CURRENT.reset(token)


def _announce(now: Session, pending: Pending) -> None:
    """It became a proposal: no mistake, and not done either."""
    if now.as_json:
        typer.echo(pending.view.model_dump_json(indent=2))
    else:
        typer.echo(f"{pending} `commonweave proposal show {pending.view.pid}` shows what it would change.")
        if now.token_file is None:
            typer.echo(VOTE_AS_YOURSELF.format(pid=pending.view.pid))


def _fail(now: Session, message: str, code: int) -> NoReturn:
    err = Console(emoji=False, stderr=True, soft_wrap=True)
    if now.debug:
        err.print(traceback.format_exc(), markup=False, highlight=False)
    err.print(f"commonweave: {message}", style="red" if err.is_terminal else None, markup=False, highlight=False)
    raise typer.Exit(code)


def confirm(question: str, yes: bool) -> None:
    """Go on only with `--yes` or a yes at the terminal; without a terminal: refuse."""
    if yes:
        return
    stdin = typer.get_text_stream("stdin")
    if not stdin.isatty():
        raise Failure(f"{question} Nobody is there to say yes: give --yes to confirm", NotAllowed.exit_code)
    if not typer.confirm(question):
        raise Failure("nothing was done", NotAllowed.exit_code)
