"""``unicorn simulate``: a world from its knobs to a data folder with the truth beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from features.atomic import require_free, whole_folder
from features.columns import Col, Table
from features.simulate import frames
from features.simulate.block import Requests, World, make_block
from features.simulate.catalogue import make_catalogue
from features.simulate.frames import Ids
from features.simulate.gaps import Gaps
from features.simulate.knobs import WORLD, Knobs
from features.simulate.lexicon import load_lexicon
from features.simulate.oracle import DEPTH, oracle_ranking
from features.simulate.pages import TEMPERATURE
from features.simulate.parts import PartWriter, write_table
from features.simulate.people import make_people
from features.simulate.surfaces import SURFACES
from features.tables import TABLE_FILES

REQUESTS = "requests"
"""The table of what is asked after the log has ended."""
TRUTH = "truth"
"""The folder of what only the world knows."""
_OWN = frozenset({*TABLE_FILES, f"{REQUESTS}.parquet", TRUTH})
_JUDGED = 0.78
"""The oracle ranks the requests after this share of the rows: valid and test of the split by time, and a bit."""
_ORACLE_ROWS = 250_000
"""Rows at the end of the log whose requests the oracle ranks at most."""

Progress = Callable[[int, int], None]
"""Called with the rows that are there, and their number."""


def simulate(out: Path, knobs: Knobs, *, overwrite: bool = False, progress: Progress | None = None) -> None:
    """Write the world of ``knobs`` as a data folder at ``out``, which appears whole or not at all.

    The same knobs write the same bytes, on any number of threads. Memory does not grow with the number of events.

    Raises:
        DataError: ``out`` is in use.
    """
    require_free(out, overwrite, _OWN)
    world = make_world(knobs)
    ids = frames.make_ids(world)
    with whole_folder(out) as folder:
        truth = folder / TRUTH
        write_table(world.catalogue.table, folder / f"{Table.ITEMS}.parquet")
        write_table(world.people.table, folder / f"{Table.USERS}.parquet")
        write_table(frames.item_truth(world, ids), truth / "items.parquet")
        write_table(frames.user_truth(world, ids), truth / "users.parquet")
        asked = _write_log(world, ids, folder, progress)
        write_table(asked, folder / f"{REQUESTS}.parquet")
        (truth / "manifest.json").write_text(json.dumps(_manifest(knobs), indent=1) + "\n", encoding="utf-8")


def make_world(knobs: Knobs) -> World:
    """Return the world of ``knobs`` before anybody comes."""
    lexicon = load_lexicon()
    catalogue = make_catalogue(knobs, lexicon)
    return World(knobs, lexicon, catalogue, make_people(knobs, lexicon, catalogue))


def log(world: World) -> Iterator[tuple[Requests, Gaps, bool]]:
    """Yield the requests of the log, then those that come after it, with what their log leaves out and whether after.

    The log has exactly the rows that the knobs name: its last page is cut if need be.
    """
    left, after = world.knobs.events, world.knobs.requests
    block = 0
    while left or after:
        requests, gaps = make_block(world, block)
        block += 1
        ends = (requests.pages.item >= 0).sum(axis=1).cumsum()  # (R,)
        inside = int(np.searchsorted(ends, left)) + 1 if left else 0  # requests until the log is full
        if inside:
            part = requests.take(slice(inside))
            surplus = int(ends[min(inside, len(ends)) - 1]) - left
            if surplus > 0:
                shown = np.flatnonzero(part.pages.item[-1] >= 0)
                part.pages.item[-1, shown[len(shown) - surplus :]] = -1
            left -= int((part.pages.item >= 0).sum())
            yield part, gaps, False
        if not left and after:
            part = requests.take(slice(inside, inside + after))
            after -= len(part.day)
            yield part, gaps, True


def _write_log(world: World, ids: Ids, folder: Path, progress: Progress | None) -> pl.DataFrame:
    """Write events and truth in parts, and return the requests that come after the log."""
    total = world.knobs.events
    judged_from = max(_JUDGED * total, total - _ORACLE_ROWS)
    truth = folder / TRUTH
    asked: list[pl.DataFrame] = []
    count = rows = 0
    with (
        PartWriter(folder / Table.EVENTS) as events,
        PartWriter(truth / "shown") as shown,
        PartWriter(truth / "requests") as intents,
        PartWriter(truth / "oracle") as oracle,
    ):
        for requests, gaps, after in log(world):
            stated = frames.request_frame(requests, gaps, ids, count)
            count += len(stated)
            if after:
                asked.append(stated.drop(Col.TIMESTAMP))
                continue
            frame = frames.event_frame(requests, stated, ids)
            events.write(frame)
            shown.write(frames.truth_frame(world, requests, stated, ids))
            intents.write(frames.intent_frame(world, requests, stated, ids))
            first = rows + np.concatenate([[0], (requests.pages.item >= 0).sum(axis=1).cumsum()[:-1]])
            judged = np.flatnonzero(first >= judged_from)
            if len(judged):
                chosen = stated[Col.REQUEST].gather(judged)
                oracle.write(oracle_ranking(world, requests.take(judged), chosen, ids.items))
            rows += len(frame)
            if progress is not None:
                progress(rows, total)
    return pl.concat(asked) if asked else _no_requests(ids)


def _no_requests(ids: Ids) -> pl.DataFrame:
    """Return the table of requests without a row."""
    names = (Col.REQUEST, Col.TASK, Col.USER, Col.QUERY, Col.COUNTRY, Col.SOURCE_ITEM)
    return pl.DataFrame(schema=dict.fromkeys(names, ids.items.dtype))


def _manifest(knobs: Knobs) -> dict[str, Any]:
    """Return what describes the world: its version, its knobs, and the curves that are the same in all worlds."""
    return {
        "world": WORLD,
        "knobs": knobs.as_json(),
        "production": {"temperature": TEMPERATURE},
        "oracle": {"depth": DEPTH},
        "surfaces": {
            surface.name: {
                "page": surface.page,
                "threshold": surface.threshold,
                "examination": [round(value, 6) for value in surface.examination().tolist()],
            }
            for surface in SURFACES
            if surface.name in knobs.tasks
        },
        "labels": {"0": "shown", "1": "click", "2": "cart", "3": "purchase"},
    }
