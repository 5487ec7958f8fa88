"""What a ranker answered, checked before it is judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from features.errors import DataError
from training.evaluation.judged import CONTEXT, NUMBER

PROBABILITY = "calibrated_probability"


class Served(NamedTuple):
    """Served lists of a block of contexts, ordered by context and rank. A = served items."""

    context: NDArray[np.int64]  # (A,)
    item: NDArray[np.int64]  # (A,) row of the catalogue
    rank: NDArray[np.int64]  # (A,) from 1
    score: NDArray[np.float32]  # (A,)


def read_ranking(
    name: str, answer: pl.DataFrame, contexts: pl.DataFrame, catalogue: pl.DataFrame, seen: pl.DataFrame, depth: int
) -> Served:
    """Return the lists that ranker ``name`` served for ``contexts``, or say what is wrong with them.

    Args:
        name: of the ranker, for the error.
        answer: what it returned.
        contexts: ``context``, ``request_id`` and the columns of ``CONTEXT`` of the requests that it was given.
        catalogue: ``item_id`` and ``number``.
        seen: ``user_id``, ``task``, ``item_id`` that are no candidates.
        depth: the items that it was asked for.
    """
    _require_columns(name, answer, (Col.REQUEST, Col.RANK, Col.ITEM, Col.SCORE))
    rows = _joined(name, answer.select(Col.REQUEST, Col.RANK, Col.ITEM, Col.SCORE), contexts, catalogue).sort(
        "context", Col.RANK
    )
    _refuse(name, rows.select("context", NUMBER).is_duplicated(), rows, "serves an item twice for a request")
    place = pl.int_range(1, pl.len() + 1).over("context")
    _refuse(name, rows.select(place != pl.col(Col.RANK)).to_series(), rows, "skips or repeats a rank")
    _refuse(name, rows[Col.RANK] > depth, rows, f"serves more than the {depth} items that it was asked for")
    _refuse(name, rows[Col.ITEM].eq_missing(rows[Col.SOURCE_ITEM]), rows, "serves the source item of a request")
    excluded = rows.join(seen, on=[Col.USER, Col.TASK, Col.ITEM], how="semi")
    _refuse(name, pl.repeat(True, len(excluded), eager=True), excluded, "serves an item that exclude_seen rules out")
    return Served(
        rows["context"].to_numpy().astype(np.int64),
        rows[NUMBER].to_numpy().astype(np.int64),
        rows[Col.RANK].to_numpy().astype(np.int64),
        rows[Col.SCORE].to_numpy().astype(np.float32),
    )


def scored_candidates(
    name: str, answer: pl.DataFrame, requests: pl.DataFrame, pairs: pl.DataFrame, catalogue: pl.DataFrame
) -> pl.DataFrame:
    """Return ``pairs`` (``request_id``, ``item_id``, …) with the score of each, in their order.

    A column ``calibrated_probability`` of the answer comes along; without one it is null.
    """
    _require_columns(name, answer, (Col.REQUEST, Col.ITEM, Col.SCORE))
    if PROBABILITY not in answer.columns:
        answer = answer.with_columns(pl.lit(None, dtype=pl.Float64).alias(PROBABILITY))
    answer = answer.select(Col.REQUEST, Col.ITEM, Col.SCORE, PROBABILITY)
    rows = _joined(name, answer, requests, catalogue)
    _refuse(name, rows.select(Col.REQUEST, Col.ITEM).is_duplicated(), rows, "scores a candidate twice")
    scored = pairs.join(answer, on=[Col.REQUEST, Col.ITEM], how="left", validate="m:1", maintain_order="left")
    _refuse(name, scored[Col.SCORE].is_null(), scored, "leaves a candidate without a score")
    return scored


def blocks(frame: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of ``frame`` in their order, ``size`` at a time."""
    for start in range(0, len(frame), size):
        yield frame.slice(start, size)


def requests_of(contexts: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that a ranker is given."""
    return contexts.select(Col.REQUEST, *CONTEXT)


def _joined(name: str, answer: pl.DataFrame, contexts: pl.DataFrame, catalogue: pl.DataFrame) -> pl.DataFrame:
    rows = answer.join(contexts, on=Col.REQUEST, how="left", validate="m:1").join(
        catalogue, on=Col.ITEM, how="left", validate="m:1"
    )
    _refuse(name, rows[Col.TASK].is_null(), rows, "answers a request that it was not given")
    _refuse(name, rows[NUMBER].is_null(), rows, "serves an item that is not in items")
    score = rows[Col.SCORE].cast(pl.Float32)
    _refuse(name, score.is_null() | ~score.is_finite(), rows, "gives a score that is not a finite number")
    return rows


def _require_columns(name: str, answer: pl.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in answer.columns]
    if missing:
        raise DataError(
            f"ranker {name!r}: its answer lacks {', '.join(missing)}; it has {', '.join(answer.columns)}. "
            "Return these columns."
        )


def _refuse(name: str, bad: pl.Series, rows: pl.DataFrame, what: str) -> None:
    if not bad.any():
        return
    example = rows.filter(bad).row(0, named=True)
    facts = ", ".join(
        f"{key} {example[key]!r}" for key in (*CONTEXT, Col.ITEM, Col.SCORE) if example.get(key) is not None
    )
    raise DataError(f"ranker {name!r} {what}: {bad.sum():,} of {len(rows):,} rows, e.g. {facts}. Mend the ranker.")
