"""Named columns of the catalogue as raw quality signals, one function a kind."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.catalogue import category_levels
from features.columns import Col
from features.errors import DataError
from features.quality_settings import COUNT, FRESHNESS, PRICE, RATING, Signal

Values = NDArray[np.float64]

_DAY_US: Final = 86_400_000_000
_LARGEST: Final = float(np.finfo(np.float32).max)
_HALF_LIFE_SHARE: Final = 0.25
"""Half-life of freshness where none is given, as a share of the time that the fitted events span."""
_ENOUGH_PRICES: Final = 5
"""Priced items that a level of the category needs for a position among them to mean something."""


def named_signal(items: pl.DataFrame, signal: Signal, end: float, span: float, fitted: int | None = None) -> Values:
    """Return the raw values (N,) of a named signal, larger is better, NaN where not known.

    Args:
        items: the catalogue (N rows).
        signal: what is wanted.
        end: time of the last fitted event in days since 1970, NaN without times.
        span: days between the first fitted event and the last, NaN without times.
        fitted: rows that means, positions and the latest date come from, the first ones; None = all.

    Raises:
        DataError: a column is absent or of a wrong type, or holds values that the kind cannot have.
    """
    values = _raw(items, signal, end, span, slice(fitted))
    return -values if signal.direction == "down" else values


def _raw(items: pl.DataFrame, signal: Signal, end: float, span: float, fitted: slice) -> Values:
    if signal.kind == FRESHNESS:
        return freshness(_dates(items, signal.column), end, span, signal.half_life, fitted)
    values = _numbers(items, signal.column)
    if signal.kind == COUNT:
        return np.log1p(_no_negative(items, signal.column, values))
    if signal.kind == PRICE:
        return _price_position(items.get_column(Col.CATEGORY), values, fitted)
    if signal.by is None:
        return values
    counts = _no_negative(items, signal.by, _numbers(items, signal.by))
    if signal.kind == RATING:
        return _shrunk_rating(values, counts, signal.strength, fitted)
    engaged = _no_negative(items, signal.column, values)
    way_out = f"Count in {signal.column!r} only what {signal.by!r} counts"
    _refuse(items, engaged > counts, signal.column, values, f"at most items.{signal.by}", way_out)
    return shrunk_rate(engaged, counts, signal.strength, fitted)


def shrunk_rate(engaged: Values, shown: Values, prior: float, fitted: slice = slice(None)) -> Values:
    """Return the engaged share of what was shown, as if the mean share (``fitted``) had been seen ``prior`` times."""
    known = np.zeros(len(shown), dtype=bool)
    known[fitted] = (np.isfinite(engaged) & np.isfinite(shown))[fitted]
    total = shown[known].sum(dtype=np.float64)
    if not total > 0:
        return np.full(len(shown), np.nan)
    mean = engaged[known].sum(dtype=np.float64) / total
    return _ratio(engaged + mean * prior, shown + prior)


def _shrunk_rating(rating: Values, ratings: Values, prior: float, fitted: slice) -> Values:
    """Return mean ratings as if ``prior`` ratings more had said what the items that have some are rated on average.

    The average is over items and not over ratings: of an item with few ratings, items tell more than the few among
    them that everybody rates.
    """
    rated = np.zeros(len(rating), dtype=bool)
    rated[fitted] = (np.isfinite(rating) & (ratings > 0))[fitted]
    if not rated.any():
        return np.full(len(rating), np.nan)
    return _ratio(ratings * rating + prior * rating[rated].mean(), ratings + prior)


def _ratio(part: Values, whole: Values) -> Values:
    """Return ``part / whole``, NaN where there is nothing to divide by."""
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))


def freshness(
    column: pl.Series, end: float, span: float, half_life: float | None = None, fitted: slice = slice(None)
) -> Values:
    """Return 1 for a date at the last event or later, halved with each half-life before it.

    Args:
        column: dates or times (N,).
        end: time of the last fitted event in days since 1970; NaN = the latest ``fitted`` of ``column`` stands in.
        span: days that the fitted events span.
        half_life: in days; None = a quarter of ``span``, at least a day, and nothing is known where that is no time.
        fitted: rows whose latest date may stand in.
    """
    day = column.dt.epoch("us").cast(pl.Float64).fill_null(float("nan")).to_numpy() / _DAY_US
    if half_life is None:
        if not span > 0:  # NaN without times
            return np.full(len(day), np.nan)
        half_life = max(span * _HALF_LIFE_SHARE, 1.0)
    last = end if np.isfinite(end) else np.fmax.reduce(day[fitted], initial=-np.inf)
    return np.asarray(np.exp2(-np.maximum(last - day, 0.0) / half_life))


def _price_position(category: pl.Series, price: Values, fitted: slice) -> Values:
    """Return the position of each price among the priced items of its category, in [-1, 1]; ties share theirs.

    The category is the deepest level of the path with enough priced items; the whole catalogue where there is none. An
    item beyond the ``fitted`` ones is set among these alone, and among no other that came later.
    """
    paths = pl.DataFrame({"path": category.drop_nulls().unique()})
    paths = paths.with_columns(level=category_levels(paths["path"]))
    levels = (
        pl.DataFrame({"item": np.arange(len(price)), "path": category, "price": price})
        .filter(pl.col("price").is_finite())
        .join(paths, on="path", how="left", validate="m:1")
        .with_columns(level=pl.concat_list(pl.lit(""), "level").fill_null([""]))  # the catalogue leads every path
        .explode("level")
    )
    among = len(price[fitted])
    later, levels = levels.filter(pl.col("item") >= among), levels.filter(pl.col("item") < among)
    rank, count = pl.col("price").rank("average").over("level"), pl.len().over("level")
    placed = levels.select("item", "level", position=(2 * rank - 1) / count - 1, count=count)
    wide = placed.filter((pl.col("count") >= _ENOUGH_PRICES) | (pl.col("level") == ""))
    deepest = wide.group_by("item").agg(pl.col("position").sort_by(pl.col("level").str.len_bytes()).last())
    positions = np.full(len(price), np.nan)
    positions[deepest["item"].to_numpy()] = deepest["position"].to_numpy()
    prices = {level: np.sort(part["price"].to_numpy()) for (level,), part in levels.group_by("level")}
    nothing = np.zeros(0)
    for item, level, own in later.sort(pl.col("level").str.len_bytes()).select("item", "level", "price").iter_rows():
        others = prices.get(level, nothing)
        if len(others) + 1 >= _ENOUGH_PRICES or not level:
            less, no_more = np.searchsorted(others, own, "left"), np.searchsorted(others, own, "right")
            positions[item] = (less + no_more + 1) / (len(others) + 1) - 1  # deeper levels come later
    return positions


def _column(items: pl.DataFrame, name: str, empty: type[pl.DataType]) -> pl.Series:
    """Return a column, one of nothing (which has no type of its own) as of the type ``empty``."""
    if name not in items.columns:
        raise DataError(f"features.quality: items has no column {name!r}. It has {', '.join(items.columns)}.")
    column = items.get_column(name)
    return column.cast(empty) if column.dtype == pl.Null else column


def _dates(items: pl.DataFrame, name: str) -> pl.Series:
    column = _column(items, name, pl.Date)
    if not isinstance(column.dtype, pl.Date | pl.Datetime):
        raise DataError(f"features.quality: items.{name} is {column.dtype}, it must be Date or Datetime. Cast it.")
    return column


def _numbers(items: pl.DataFrame, name: str) -> Values:
    """Return a numeric column (N,), NaN where it is null."""
    column = _column(items, name, pl.Float64)
    if not column.dtype.is_numeric():
        raise DataError(f"features.quality: items.{name} is {column.dtype}, it must be a number. Cast it.")
    known = column.is_not_null().to_numpy()
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    wrong = known & ~(np.abs(values) <= _LARGEST)
    _refuse(items, wrong, name, values, "finite in 32 bits", "Mend them, or leave what is not known null")
    return values


def _no_negative(items: pl.DataFrame, name: str, values: Values) -> Values:
    _refuse(items, values < 0, name, values, "0 or more", "Mend them, or leave what is not known null")
    return values


def _refuse(items: pl.DataFrame, wrong: NDArray[np.bool_], name: str, values: Values, limit: str, way_out: str) -> None:
    at = np.flatnonzero(wrong)
    if len(at):
        raise DataError(
            f"items.{name}: {len(at):,} of {items.height:,} values are not {limit}, "
            f"e.g. {values[at[0]]:g} of item {items[Col.ITEM][int(at[0])]!r}. {way_out}."
        )
