"""The oracle of a simulated world: for each request the items that are best by the true parameters of the world.

It is no ranker. A ranker answers what it is told of a request, so that requests which agree in that share an answer;
the oracle knows the request itself, and may answer two such requests differently. It is listed apart.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from features.columns import Col
from features.errors import DataError
from features.schema import INTEGER, NUMBER, TEXT, Field
from features.tables import conform
from training.evaluation.judged import CONTEXT, Judged, candidates_only, seen_pairs
from training.evaluation.judged import NUMBER as ITEM_NUMBER
from training.evaluation.protocol import Contender, Protocol, RankFunction
from training.evaluation.served import Outcome, Progress, serve

FOLDER: Final = Path("truth") / "oracle"
"""Where a data folder keeps its oracle, as Parquet parts; it is no table, and no part of the data hash."""
FIELDS: Final = (
    Field(Col.REQUEST, TEXT, required=True),
    Field(Col.RANK, INTEGER, required=True),
    Field(Col.ITEM, TEXT, required=True),
    Field(Col.SCORE, NUMBER, required=True),
)
logger = logging.getLogger(__name__)


def _silent(name: str, done: int, total: int) -> None:
    """Show no progress."""


def read_oracle(data: Path, judged: Judged, protocol: Protocol, progress: Progress = _silent) -> Outcome | None:
    """Return what the oracle of the data folder ``data`` comes to, or None where there is none.

    An oracle that names unknown items, or that does not rank every judged request with a target, is left out with a
    warning: its figures would not be those of the same requests as a ranker's.

    Raises:
        DataError: a file of the oracle cannot be read or lacks a column, or a list of it is broken.
    """
    folder = data / FOLDER
    if not folder.is_dir():
        return None
    asked = judged.requests.join(judged.targets.select("request").unique(), on="request", how="semi")
    lists = _read_lists(folder, asked, judged)
    why = _unknown_items(lists) or _not_ranked(lists, asked)
    if why:
        logger.warning("%s: left out of the evaluation, because %s", folder, why)
        return None
    return oracle_outcome(lists.drop(Col.ITEM), judged, protocol, progress)


def oracle_outcome(lists: pl.DataFrame, judged: Judged, protocol: Protocol, progress: Progress = _silent) -> Outcome:
    """Judge ``lists`` (``request``, ``number``, ``rank``, ``score``) as served, under the same filters as any ranker.

    Here each request is a context of its own, so the ranks are found request by request.
    """
    return serve(Contender("oracle", _ranks(lists, judged, protocol)), _each_alone(judged), protocol, progress)


def _each_alone(judged: Judged) -> Judged:
    requests = judged.requests.with_columns(context="request")
    contexts = requests.select("context", pl.col("request").cast(pl.String).alias(Col.REQUEST), *CONTEXT)
    return replace(judged, requests=requests, contexts=contexts, targets=judged.targets.with_columns(context="request"))


def _ranks(lists: pl.DataFrame, judged: Judged, protocol: Protocol) -> RankFunction:
    """Return the function that serves ``lists``, filtered, ranked anew and cut, to requests named by their row."""
    items = judged.items.select(Col.ITEM, Col.COUNTRIES).with_row_index(ITEM_NUMBER)
    seen = seen_pairs(judged.history)

    def rank(requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        numbered = requests.with_columns(pl.col(Col.REQUEST).cast(lists.schema["request"]).alias("request"))
        rows = lists.join(numbered, on="request", how="inner", validate="m:1").join(
            items, on=ITEM_NUMBER, how="left", validate="m:1"
        )
        kept = candidates_only(rows, seen, protocol).sort("request", Col.RANK, Col.ITEM)
        place = pl.int_range(1, pl.len() + 1).over("request")
        return kept.with_columns(place.alias(Col.RANK)).filter(pl.col(Col.RANK) <= depth)

    return rank


def _read_lists(folder: Path, asked: pl.DataFrame, judged: Judged) -> pl.DataFrame:
    """Return the lists of the requests ``asked``: ``request``, ``number`` (null for an unknown item) and the fields."""
    named = asked.select("request", Col.REQUEST).drop_nulls().lazy()
    numbers = judged.items.lazy().select(Col.ITEM).with_row_index(ITEM_NUMBER)
    empty = pl.LazyFrame(schema={field.name: field.kind.dtype for field in FIELDS})
    parts = [_part(path) for path in sorted(folder.glob("*.parquet"))]
    return (
        pl.concat([empty, *parts])
        .join(named, on=Col.REQUEST, how="inner", validate="m:1")
        .drop(Col.REQUEST)
        .join(numbers, on=Col.ITEM, how="left", validate="m:1")
        .collect()
    )


def _part(path: Path) -> pl.LazyFrame:
    try:
        columns = [field.name for field in FIELDS]
        return conform(pl.scan_parquet(path, hive_partitioning=False, glob=False), FIELDS, str(path)).select(columns)
    except (PolarsError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: cannot be read as Parquet ({reason}). Simulate the data again.") from error


def _unknown_items(lists: pl.DataFrame) -> str:
    """Say how many rows name items that are not in the catalogue; empty where none does."""
    unknown = lists.filter(pl.col(ITEM_NUMBER).is_null())
    if unknown.is_empty():
        return ""
    return (
        f"{len(unknown):,} of its {len(lists):,} rows for the judged requests name items that are not in items, "
        f"e.g. {unknown[Col.ITEM][0]!r}"
    )


def _not_ranked(lists: pl.DataFrame, asked: pl.DataFrame) -> str:
    """Say how many of the requests ``asked`` have no list, with the tasks that they are of; empty where all have."""
    without = asked.join(lists.select("request").unique(), on="request", how="anti")
    if without.is_empty():
        return ""
    counts = without[Col.TASK].value_counts(name="count").sort("count", Col.TASK, descending=[True, False])
    tasks = ", ".join(f"{task} {count:,}" for task, count in counts.rows())
    return f"it has no list for {len(without):,} of the {len(asked):,} judged requests that have a target ({tasks})"
