"""The commands of this room: ``check`` and ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA = typer.Argument(help="The data folder.", metavar="DATA", show_default=False)
JSON = typer.Option("--json", help="Write the report to this file as well.", metavar="FILE", show_default=False)
QUARANTINE = typer.Option(
    help="Write the offending rows with their reasons to DIR/quarantine/, and a data folder of the rest, which "
    "`unicorn fit` takes, to DIR/data/. Of rows that repeat an id the first stays; rows that name an item that is set "
    "aside go with it. DIR must be empty or new.",
    metavar="DIR",
    show_default=False,
)
TASKS_OPTION = typer.Option(
    help="The configured tasks, with commas; by default search,recommendation,similar,presearch.",
    metavar="A,B",
    show_default=False,
)
QUIET_CHECK = typer.Option("--quiet", help="Print what is wrong and nothing else.")
NAME = typer.Argument(
    help="The data set: lastfm (HetRec 2011) or movielens (ml-latest).", metavar="NAME", show_default=False
)
RAW = typer.Option(help="The folder with the files as their makers distribute them.", metavar="RAW", show_default=False)
OUT = typer.Option(help="The data folder to write.", metavar="DATA", show_default=False)
SPLIT = typer.Option(help="A published split to take over; lastfm takes one.", metavar="FILE", show_default=False)
OVERWRITE = typer.Option("--overwrite", help="Replace the data folder that is there.")
QUIET_IMPORT = typer.Option("--quiet", help="Print nothing.")


def check(
    data: Annotated[Path, DATA],
    json: Annotated[Path | None, JSON] = None,
    quarantine: Annotated[Path | None, QUARANTINE] = None,
    tasks: Annotated[str | None, TASKS_OPTION] = None,
    quiet: Annotated[bool, QUIET_CHECK] = False,
) -> None:
    """Validate the tables of a data folder, and print what it holds.

    Exits with 1 where a rule is broken, unless --quarantine leaves a data folder that keeps all of them.
    """
    from rich.console import Console

    from features.check import check_folder

    check_folder(data, Console(highlight=False), _names(tasks), json=json, quarantine=quarantine, quiet=quiet)


def import_data(
    name: Annotated[str, NAME],
    raw: Annotated[Path, RAW],
    out: Annotated[Path, OUT],
    split: Annotated[Path | None, SPLIT] = None,
    overwrite: Annotated[bool, OVERWRITE] = False,
    quiet: Annotated[bool, QUIET_IMPORT] = False,
) -> None:
    """Turn a public data set, as its makers distribute it, into a data folder."""
    from rich.console import Console

    from features.check import show_size
    from features.importers.registry import import_folder
    from features.summary import summarise

    folder = import_folder(name, raw, out, split, overwrite)
    if not quiet:
        show_size(summarise(folder), Console(highlight=False))


def _names(tasks: str | None) -> tuple[str, ...] | None:
    """Return the names in ``a,b``; None where none are given."""
    names = tuple(name for part in (tasks or "").split(",") if (name := part.strip()))
    return names or None
