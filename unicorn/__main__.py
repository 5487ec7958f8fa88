"""The front door: finds the commands that the installed packages bring, and runs one.

A command is an entry point of the group ``unicorn.commands`` that names a typer function. The function may carry an
attribute ``context_settings`` (a dict, passed on to typer), e.g. to take a free tail of options. It returns None or an
exit code. The module that defines it should import little, because ``unicorn --help`` loads all of them.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer

GROUP = "unicorn.commands"
FAILED = 1
"""Exit code when the data or the run failed; 2, wrong usage, comes from the parser."""
INTERRUPTED = 130
QUIET_ENVIRONMENT = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""What makes third parties keep their chatter to themselves; values set by the user win."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("unicorn-ranker"))
        raise typer.Exit


VERSION = typer.Option("--version", help="Print the version and leave.", callback=_show_version, is_eager=True)
DEBUG = typer.Option("--debug", help="Show the traceback of a failure; may stand anywhere on the line.")


class _Formatter(logging.Formatter):
    """The message alone; what is more than information says its level first."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 (data or run failed), 2 (wrong usage) or 130."""
    words, debug = _take_debug(sys.argv[1:] if arguments is None else list(arguments))
    commands = _commands()
    _set_up_logs(commands, quiet="--quiet" in words, debug=debug)
    try:
        code = _build(commands, words)(words, prog_name="unicorn", standalone_mode=False)
    except typer.TyperException as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        return _fail(*_reason(error))
    if code == INTERRUPTED:  # what typer makes of Ctrl-C
        return _fail("interrupted", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _take_debug(words: list[str]) -> tuple[list[str], bool]:
    """Take ``--debug`` out of the words, wherever it stands before a ``--``."""
    end = words.index("--") if "--" in words else len(words)
    head = [word for word in words[:end] if word != "--debug"]
    return head + words[end:], len(head) < end


def _commands() -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def _build(commands: dict[str, EntryPoint], words: Sequence[str]) -> typer.Typer:
    """Make the app. Where the line names a command, its module alone is imported."""
    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback(help="One contextual ranker for search, recommendation and every other surface.")(_root)
    first = next((word for word in words if not word.startswith("-")), "")
    for name in [first] if first in commands else commands:
        function = _load(commands[name])
        app.command(name, context_settings=getattr(function, "context_settings", None))(function)
    return app


def _root(
    show_version: Annotated[bool, VERSION] = False,
    debug: Annotated[bool, DEBUG] = False,
) -> None:
    """Take the options that belong to no command; both have done their work by now."""


def _load(point: EntryPoint) -> Callable[..., Any]:
    """Return the command's function; one that cannot be imported fails when it is run, not when help is asked for."""
    try:
        function: Callable[..., Any] = point.load()
        return function
    except Exception as error:
        return _broken(point, error)


def _broken(point: EntryPoint, error: Exception) -> Callable[..., Any]:
    def command() -> None:
        raise RuntimeError(f"command {point.name!r} cannot be loaded from {point.value!r}: {error}") from error

    command.__doc__ = f"(cannot be loaded: {type(error).__name__})"
    command.context_settings = {"allow_extra_args": True, "ignore_unknown_options": True}  # type: ignore[attr-defined]
    return command


def _set_up_logs(commands: dict[str, EntryPoint], *, quiet: bool, debug: bool) -> None:
    """Send logs to standard error: ours from INFO on, those of others and Python's warnings from ERROR on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.INFO)  # some libraries ask for their own debugging
    handler.setFormatter(_Formatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING if debug else logging.ERROR)
    if debug:
        return
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for room in {"unicorn", *(point.module.split(".")[0] for point in commands.values())}:
        logging.getLogger(room).setLevel(logging.WARNING if quiet else logging.INFO)


def _usage(error: typer.TyperException) -> int:
    show = getattr(error, "show", None)
    if show is None:
        return _fail(error.format_message(), error.exit_code)
    show()
    return error.exit_code


def _reason(error: Exception) -> tuple[str, int]:
    """Return what to say, and the exit code. Value and OS errors speak for themselves, others name their type."""
    from argparse import ArgumentError

    message = str(error)
    if isinstance(error, ArgumentError):
        return message, 2
    speaks_for_itself = isinstance(error, ValueError | OSError) and message
    return (message if speaks_for_itself else f"{type(error).__name__}: {message}".rstrip(": ")), FAILED


def _fail(message: str, code: int) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
