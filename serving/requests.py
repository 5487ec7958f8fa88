"""One shape for every request, whether it comes from a file, a frame, a list of dicts, HTTP or MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from features.columns import Col
from features.errors import DataError

SCHEMA: Final[dict[str, pl.DataType]] = {
    Col.REQUEST: pl.String(),
    Col.TASK: pl.String(),
    Col.USER: pl.String(),
    Col.QUERY: pl.String(),
    Col.COUNTRY: pl.String(),
    Col.SOURCE_ITEM: pl.String(),
    Col.CANDIDATES: pl.List(pl.String()),
}
"""Columns of a request, in their order."""

CONTEXT: Final = (Col.USER, Col.QUERY, Col.COUNTRY, Col.SOURCE_ITEM)
"""What a request may leave out."""

Requests = pl.DataFrame | pl.LazyFrame | Sequence[Mapping[str, Any]]


def as_requests(requests: Requests, tasks: Sequence[str], need_candidates: bool = False) -> pl.DataFrame:
    """Return ``requests`` with the columns of ``SCHEMA``, rows in the given order.

    Columns that are missing come as nulls, others are left out. Without request ids, they are made up as "0", "1", ….
    Context that is an empty text counts as missing. A candidate that is named twice is ranked once, but scored as
    often as it is named.

    Args:
        requests: a frame, or a list of dicts.
        tasks: the tasks of the run.
        need_candidates: every request must name its candidates, as ``score`` needs.

    Raises:
        DataError: a column has the wrong type, a task is unknown, or an id is missing or given twice.
    """
    frame = _conform(_as_frame(requests))
    if frame[Col.REQUEST].null_count() == frame.height:
        frame = frame.with_columns(pl.int_range(pl.len()).cast(pl.String).alias(Col.REQUEST))
    check_ids(frame.lazy())
    check_tasks(frame.lazy(), tasks)
    _check_candidates(frame, need_candidates)
    if not need_candidates:
        frame = frame.with_columns(pl.col(Col.CANDIDATES).list.unique(maintain_order=True))
    return frame.with_columns(_blank_to_null(column) for column in CONTEXT)


def check_top_k(top_k: int) -> int:
    """Return ``top_k``; anything but a whole number from 1 on is an error."""
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise DataError(f"top_k is {top_k!r}; it must be a whole number, at least 1.")
    return top_k


def check_ids(requests: pl.LazyFrame) -> None:
    """Refuse request ids that are missing or given twice; reads that column alone."""
    ids = pl.col(Col.REQUEST)
    rows, missing, different = (
        requests.select(rows=pl.len(), missing=ids.null_count(), different=ids.n_unique()).collect().row(0)
    )
    if missing:
        raise DataError(
            f"requests: {missing:,} of {rows:,} rows have no request_id. Give every row one, or none at all."
        )
    if different < rows:
        twice = requests.filter(ids.is_duplicated()).select(ids.min()).collect().item()
        raise DataError(f"requests: request_id {twice!r} is given more than once. Make request ids unique.")


def check_tasks(requests: pl.LazyFrame, tasks: Sequence[str]) -> None:
    """Refuse requests without a task, or with one that the run does not know."""
    known = ", ".join(tasks)
    wrong = pl.col(Col.TASK).is_null() | ~pl.col(Col.TASK).is_in(list(tasks))
    found = requests.filter(wrong).group_by(Col.TASK).len().sort(Col.TASK).collect()
    for task, rows in found.head(1).iter_rows():
        problem = "no task" if task is None else f"the unknown task {task!r}"
        raise DataError(f"requests: {rows:,} rows have {problem}. This run knows {known}.")


def conform_lazy(requests: pl.LazyFrame) -> pl.LazyFrame:
    """Return ``requests`` with the columns of ``SCHEMA``; a column of another type is an error."""
    have = requests.collect_schema()
    if Col.TASK not in have:
        raise DataError("requests: there is no column task, which says for which surface each request is. Add it.")
    return requests.select(_conformed(name, have.get(name)) for name in SCHEMA)


def _conform(frame: pl.DataFrame) -> pl.DataFrame:
    return conform_lazy(frame.lazy()).collect(engine="in-memory")  # the in-memory engine keeps the order of rows


def _conformed(name: str, have: pl.DataType | None) -> pl.Expr:
    want = SCHEMA[name]
    if have is None:
        return pl.lit(None, dtype=want).alias(name)
    if not _fits(have, want):
        raise DataError(f"requests: column {name} is {have}, it must be {_spoken(want)}. Cast it; ids are strings.")
    return pl.col(name).cast(want)


def _fits(have: pl.DataType, want: pl.DataType) -> bool:
    """Whether a cast from ``have`` to ``want`` changes no value."""
    if isinstance(want, pl.List):
        if isinstance(have, pl.List | pl.Array):
            return _fits(have.inner, want.inner)  # type: ignore[arg-type]
        return have == pl.Null
    return have in (pl.String, pl.Null) or isinstance(have, pl.Categorical | pl.Enum)


def _spoken(kind: pl.DataType) -> str:
    return "a list of strings" if isinstance(kind, pl.List) else "strings"


def _as_frame(requests: Requests) -> pl.DataFrame:
    if isinstance(requests, pl.DataFrame):
        return requests
    if isinstance(requests, pl.LazyFrame):  # lazy queries do not promise the order of rows, so number them
        number = "__row"
        return requests.with_row_index(number).collect().sort(number).drop(number)
    return _from_dicts(requests)


def _from_dicts(requests: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    for place, request in enumerate(requests):
        if not isinstance(request, Mapping):
            raise DataError(f"requests: entry {place} is {type(request).__name__}, it must be a dict.")
    columns = {name: [request.get(name) for request in requests] for name in SCHEMA}
    return pl.DataFrame([_column(name, values) for name, values in columns.items()])


def _column(name: str, values: list[Any]) -> pl.Series:
    """Return a column; what is not of its type is an error, for polars would make a list of a lone string."""
    kind = SCHEMA[name]
    odd = next((value for value in values if not _is_value(value, kind)), None)
    if odd is not None:
        raise DataError(f"requests: {name} {odd!r} is {type(odd).__name__}, it must be {_spoken(kind)}.")
    return pl.Series(name, values, dtype=kind)


def _is_value(value: Any, kind: pl.DataType) -> bool:
    if value is None:
        return True
    if isinstance(kind, pl.List):
        return isinstance(value, list | tuple) and all(entry is None or isinstance(entry, str) for entry in value)
    return isinstance(value, str)


def _check_candidates(frame: pl.DataFrame, needed: bool) -> None:
    candidates = pl.col(Col.CANDIDATES)
    holes = frame.filter(candidates.list.eval(pl.element().is_null()).list.any())
    if holes.height:
        raise DataError(f"requests: request {holes[Col.REQUEST][0]!r} names a null among its candidates. Leave it out.")
    lacking = frame.filter(candidates.is_null()) if needed else frame.head(0)
    if lacking.height:
        raise DataError(
            f"requests: {lacking.height:,} of {frame.height:,} requests name no candidates to score, "
            f"e.g. {lacking[Col.REQUEST][0]!r}. Add candidates, or rank the catalogue."
        )


def _blank_to_null(column: str) -> pl.Expr:
    return pl.when(pl.col(column).str.strip_chars() != "").then(pl.col(column)).alias(column)
