"""The commands of this room: ``check``, ``import`` and ``simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from features.simulate.knobs import Knobs

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
    help="The data set: home-depot (Kaggle 2016), kuaisar (Kuaishou 2023), lastfm (HetRec 2011), movielens "
    "(ml-latest), online-retail (UCI, Online Retail II) or tokenrec (one set's folder: Beauty, LastFM or ML1M).",
    metavar="NAME",
    show_default=False,
)
RAW = typer.Option(help="The folder with the files as their makers distribute them.", metavar="RAW", show_default=False)
OUT = typer.Option(help="The data folder to write.", metavar="DATA", show_default=False)
SPLIT = typer.Option(help="A published split to take over; lastfm takes one.", metavar="FILE", show_default=False)
OVERWRITE = typer.Option("--overwrite", help="Replace the data folder that is there.")
QUIET_IMPORT = typer.Option("--quiet", help="Print nothing.")
KNOBS = Knobs()
"""The default world."""
SUMMED_UP = 20_000_000
"""Rows of a world that is summed up when it is written: to count more of them takes more memory than to write them."""
ITEMS = typer.Option(help="Items of the catalogue.")
USERS = typer.Option(help="Users with an account.")
EVENTS = typer.Option(help="Rows of the log: items shown, engaged with or not.")
SEED = typer.Option(help="The same seed and options write the same bytes.")
DAYS = typer.Option(help="Days that the log spans.")
SURFACES = typer.Option(help="The surfaces that users meet, with commas.", metavar="A,B")
DIVERGENCE = typer.Option(help="Share of an item's popularity that each task has for itself.", metavar="SHARE")
OVERLAP = typer.Option(help="Share of the searches for what interests the user anyway.", metavar="SHARE")
COLD = typer.Option(help="Share of the items that arrive in the last tenth of the log.", metavar="SHARE")
CLICKBAIT = typer.Option(help="Share of the items that draw clicks and disappoint.", metavar="SHARE")
DRIFT = typer.Option(help="Share of the interests and of the taste that change during the log.", metavar="SHARE")
REQUESTS = typer.Option(help="Rows of requests.parquet: what is asked after the log has ended.")


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


def simulate(
    out: Annotated[Path, OUT],
    items: Annotated[int, ITEMS] = KNOBS.items,
    users: Annotated[int, USERS] = KNOBS.users,
    events: Annotated[int, EVENTS] = KNOBS.events,
    seed: Annotated[int, SEED] = KNOBS.seed,
    days: Annotated[int, DAYS] = KNOBS.days,
    tasks: Annotated[str, SURFACES] = ",".join(KNOBS.tasks),
    divergence: Annotated[float, DIVERGENCE] = KNOBS.divergence,
    overlap: Annotated[float, OVERLAP] = KNOBS.overlap,
    cold: Annotated[float, COLD] = KNOBS.cold,
    clickbait: Annotated[float, CLICKBAIT] = KNOBS.clickbait,
    drift: Annotated[float, DRIFT] = KNOBS.drift,
    requests: Annotated[int, REQUESTS] = KNOBS.requests,
    overwrite: Annotated[bool, OVERWRITE] = False,
    quiet: Annotated[bool, QUIET_IMPORT] = False,
) -> None:
    """Write a simulated marketplace, whose truth is known, as a data folder.

    DATA/truth/ holds what only the world knows: relevance, quality, examination, probabilities, and an oracle.
    """
    from rich.console import Console

    from features.check import show_size
    from features.progress import progress_bar
    from features.simulate.world import simulate as write_world
    from features.summary import summarise
    from features.tables import open_data

    knobs = Knobs(
        items=items,
        users=users,
        events=events,
        seed=seed,
        days=days,
        tasks=_names(tasks) or (),
        divergence=divergence,
        overlap=overlap,
        cold=cold,
        clickbait=clickbait,
        drift=drift,
        requests=requests,
    )
    with progress_bar("events", quiet) as progress:
        write_world(out, knobs, overwrite=overwrite, progress=progress)
    if quiet:
        return
    if events <= SUMMED_UP:
        show_size(summarise(open_data(out)), Console(highlight=False))
    else:
        typer.echo(f"{out}: {events:,} rows of events. `unicorn check` says what they hold.")


def _names(tasks: str | None) -> tuple[str, ...] | None:
    """Return the names in ``a,b``; None where none are given."""
    names = tuple(name for part in (tasks or "").split(",") if (name := part.strip()))
    return names or None
