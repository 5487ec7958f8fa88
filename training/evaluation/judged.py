"""The judged split: its requests, their targets, what was shown, and what was known before."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from features.columns import Col
from features.errors import DataError
from features.split import with_split
from features.tables import DataFolder
from training.evaluation.protocol import Protocol

CONTEXT = (Col.TASK, Col.USER, Col.QUERY, Col.COUNTRY, Col.SOURCE_ITEM)
"""What a ranker is told of a request; requests that agree in it get the same answer."""
NUMBER = "number"
"""Row of an item in the catalogue."""
LOG = "log"
"""``source`` of a row that a user made."""
_ROW = "__judged_row"
_EVENT = (*CONTEXT, Col.ITEM, Col.LABEL, Col.TIMESTAMP, Col.ORDER, Col.REQUEST, Col.SPLIT)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Everything that an evaluation and its baselines read, in memory."""

    items: pl.DataFrame
    """The catalogue: ``item_id``, ``title``, ``text``, ``countries``; an item's row is its number."""
    contexts: pl.DataFrame
    """Distinct contexts: ``context`` (its row), ``request_id``, and the columns of ``CONTEXT``."""
    requests: pl.DataFrame
    """Every request of the split: ``request`` (its row), ``context``, ``cluster``, the columns of ``CONTEXT``, and the
    ``request_id`` of the events, null where they give none."""
    targets: pl.DataFrame
    """Candidates that were engaged: ``request``, ``context``, ``task``, ``number``, ``label``, ``timestamp``."""
    shown: pl.DataFrame
    """Rows of the requests that hold a zero: ``request``, ``context``, ``task``, ``item_id``, ``label``."""
    history: pl.DataFrame
    """Engagements in the splits before the judged one."""
    fitted: pl.DataFrame
    """Engagements in what rankers may be fitted on."""
    homes: pl.DataFrame
    """``user_id`` and home ``country`` of the users that have one."""
    judgments: pl.DataFrame
    """Graded judgments of the split, with their columns, or no row."""
    smallest_grade: float
    """The smallest relevance in the whole table; 0 without one."""

    @property
    def tasks(self) -> list[str]:
        """The tasks of the split's requests, in alphabetical order."""
        return sorted(self.requests[Col.TASK].unique().to_list())


def engagements(events: pl.DataFrame, splits: tuple[str, ...]) -> pl.DataFrame:
    """Return the rows of ``splits`` by which a user engaged; rows made by a program are none."""
    return events.filter(pl.col(Col.SPLIT).is_in(splits), pl.col(Col.LABEL) > 0)


def seen_pairs(history: pl.DataFrame) -> pl.DataFrame:
    """Return the distinct pairs ``user_id``, ``item_id`` of engagements by known users."""
    return history.select(Col.USER, Col.ITEM).drop_nulls().unique(maintain_order=True)


def read_judged(data: DataFolder, protocol: Protocol) -> Judged:
    """Return what ``protocol`` judges in a data folder."""
    known = pl.col(Col.SPLIT).is_in(protocol.earlier) & (pl.col(Col.LABEL) > 0)
    events = (
        with_split(data.events.with_row_index(_ROW))
        .filter(pl.col(Col.SOURCE) == LOG, known | (pl.col(Col.SPLIT) == protocol.split))
        .select(*_EVENT, _ROW)
        .collect()
        .sort(_ROW)  # a streamed query keeps no order, and a request's context is that of its first row
        .drop(_ROW)
    )
    items = data.items.select(Col.ITEM, Col.TITLE, Col.TEXT, Col.COUNTRIES).collect()
    users = None if data.users is None else data.users.select(Col.USER, Col.COUNTRY).collect()
    judgments = None if data.judgments is None else data.judgments.collect()
    return judged_split(items, events, protocol, users=users, judgments=judgments)


def judged_split(
    items: pl.DataFrame,
    events: pl.DataFrame,
    protocol: Protocol,
    *,
    users: pl.DataFrame | None = None,
    judgments: pl.DataFrame | None = None,
) -> Judged:
    """Return what ``protocol`` judges in frames that have the contract's columns, and ``split`` in ``events``."""
    requests, rows = _requests(events.filter(pl.col(Col.SPLIT) == protocol.split))
    contexts = requests.select("context", *CONTEXT).unique("context", maintain_order=True).sort("context")
    history = engagements(events, protocol.earlier)
    rows = rows.join(
        items.select(Col.ITEM, Col.COUNTRIES).with_row_index(NUMBER),
        on=Col.ITEM,
        how="left",
        validate="m:1",
        maintain_order="left",
    )
    _require_known_items(rows, Col.ITEM, "events")
    graded = _judgments(judgments, items, protocol.split)
    if not len(graded) and not (rows[Col.LABEL] > 0).any():
        raise DataError(
            f"events: split {protocol.split!r} has no row with label > 0, and no judgments. "
            "Add one of the two, or judge another split."
        )
    return Judged(
        items=items,
        contexts=contexts.with_columns(pl.col("context").cast(pl.String).alias(Col.REQUEST)),
        requests=requests,
        targets=candidates_only(rows.filter(pl.col(Col.LABEL) > 0), seen_pairs(history), protocol).select(
            "request", "context", Col.TASK, NUMBER, Col.LABEL, Col.TIMESTAMP
        ),
        shown=rows.filter((pl.col(Col.LABEL) == 0).any().over("request")).select(
            "request", "context", Col.TASK, Col.ITEM, Col.LABEL
        ),
        history=history,
        fitted=engagements(events, protocol.fitted),
        homes=_homes(users),
        judgments=graded,
        smallest_grade=_smallest_grade(judgments),
    )


def _requests(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the requests of ``rows``, and a row per request and item: the largest label, and when it came first."""
    own = pl.concat_str(pl.lit("row "), pl.int_range(pl.len()).cast(pl.String))
    rows = rows.with_columns(pl.coalesce(pl.concat_str(pl.lit("id "), Col.REQUEST), own).alias("key"))
    requests = rows.group_by("key", maintain_order=True).agg(pl.first(*CONTEXT, Col.REQUEST)).with_row_index("request")
    contexts = requests.select(CONTEXT).unique(maintain_order=True).with_row_index("context")
    requests = requests.join(
        contexts, on=CONTEXT, how="left", nulls_equal=True, validate="m:1", maintain_order="left"
    ).with_columns(_cluster().rank("dense").cast(pl.Int64).alias("cluster") - 1)
    pairs = rows.join(
        requests.select("key", "request", "context", *(pl.col(name).alias(f"own_{name}") for name in CONTEXT)),
        on="key",
        how="left",
        validate="m:1",
        maintain_order="left",
    )
    pairs = (
        pairs.select(
            "request",
            "context",
            *(pl.col(f"own_{name}").alias(name) for name in CONTEXT),  # the context of the request, not of the row
            *(Col.ITEM, Col.LABEL, Col.TIMESTAMP),
        )
        .group_by("request", Col.ITEM, maintain_order=True)
        .agg(pl.first("context", *CONTEXT, Col.TIMESTAMP), pl.max(Col.LABEL))
        .with_columns(pl.col(Col.LABEL).cast(pl.Float64))
    )
    return requests.drop("key"), pairs


def _cluster() -> pl.Expr:
    """What a request is resampled with: its user, else its query, else nothing but itself."""
    return pl.coalesce(
        pl.concat_str(pl.lit("user "), Col.USER),
        pl.concat_str(pl.lit("query "), Col.QUERY),
        pl.concat_str(pl.lit("request "), pl.int_range(pl.len()).cast(pl.String)),
    )


def candidates_only(rows: pl.DataFrame, seen: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Return the rows whose item a ranker may serve: not seen, not the source item, allowed in the stated country.

    Args:
        rows: ``item_id``, its ``countries``, and the columns of ``CONTEXT`` of the request that it is a candidate of.
        seen: ``user_id``, ``item_id`` of ``seen_pairs``.
        protocol: names the tasks in which what was seen is left out.
    """
    marked = rows.join(
        seen.with_columns(seen=pl.lit(True)), on=[Col.USER, Col.ITEM], how="left", validate="m:1", maintain_order="left"
    )
    excluded = pl.col("seen").fill_null(False) & pl.col(Col.TASK).is_in(protocol.exclude_seen)
    shown_there = pl.col(Col.COUNTRY).is_null() | pl.col(Col.COUNTRIES).list.contains(pl.col(Col.COUNTRY))
    return marked.filter(
        ~excluded, pl.col(Col.ITEM).ne_missing(pl.col(Col.SOURCE_ITEM)), shown_there.fill_null(True)
    ).drop("seen")


def _homes(users: pl.DataFrame | None) -> pl.DataFrame:
    if users is None:
        return pl.DataFrame(schema={Col.USER: pl.String, Col.COUNTRY: pl.String})
    return users.select(Col.USER, Col.COUNTRY).drop_nulls()


def _judgments(judgments: pl.DataFrame | None, items: pl.DataFrame, split: str) -> pl.DataFrame:
    """Return the judgments of ``split``; those without a split belong to whichever is judged."""
    names = (Col.QUERY, Col.USER, Col.COUNTRY, Col.ITEM)
    if judgments is None:
        return pl.DataFrame(schema={**dict.fromkeys(names, pl.String), Col.RELEVANCE: pl.Float64, NUMBER: pl.UInt32})
    missing = [name for name in (Col.USER, Col.COUNTRY, Col.SPLIT) if name not in judgments.columns]
    judgments = judgments.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)
    rows = judgments.filter(pl.col(Col.SPLIT).fill_null(split) == split).select(
        *names, pl.col(Col.RELEVANCE).cast(pl.Float64)
    )
    rows = rows.join(
        items.select(Col.ITEM).with_row_index(NUMBER), on=Col.ITEM, how="left", validate="m:1", maintain_order="left"
    )
    _require_known_items(rows, Col.ITEM, "judgments")
    return rows


def _smallest_grade(judgments: pl.DataFrame | None) -> float:
    smallest = None if judgments is None else judgments[Col.RELEVANCE].cast(pl.Float64).min()
    return float(smallest) if isinstance(smallest, float) else 0.0


def _require_known_items(rows: pl.DataFrame, column: str, table: str) -> None:
    unknown = rows.filter(pl.col(NUMBER).is_null())
    if len(unknown):
        raise DataError(
            f"{table}: {len(unknown):,} of {len(rows):,} judged rows name items that are not in items, "
            f"e.g. {unknown[column][0]!r}. Add the items, or drop the rows."
        )
