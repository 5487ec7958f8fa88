"""Query texts as arrays: each distinct text once, row 0 for "no query"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from features.columns import Col
from features.config import TextConfig
from features.encoder import StaticEncoder
from features.text import NgramHasher, bag_of_words, normalise, split_words
from features.vocabulary import MISSING, Vocabulary


class QueryTable(NamedTuple):
    """Distinct texts of queries, and of titles that may stand in for one. R = texts + 1, row 0 = none."""

    known: NDArray[np.int64]
    """(R,) rows of the fitted query vocabulary; 0 = none, 1 = not in it."""
    tokens: NDArray[np.int32]
    """(R, T) hashed tokens, 0 = padding."""
    static: NDArray[np.float16]
    """(R, E) vectors distilled from the items' text encoder; half precision, the same wherever a query is read."""
    words: sparse.csr_matrix
    """(R, W) hashed words."""
    length: NDArray[np.float32]
    """(R,) words."""


def build_query_table(
    distinct: Vocabulary, queries: Vocabulary, text: TextConfig, buckets: int, static: StaticEncoder
) -> QueryTable:
    """Return the table of ``distinct`` texts in normal form, at their rows from 1 on.

    Args:
        distinct: the texts.
        queries: the fitted query vocabulary.
        text: settings of tokens.
        buckets: rows of the hashed word table.
        static: of the query vectors.
    """
    texts = distinct.values.to_list()
    split = split_words([None, *texts])
    return QueryTable(
        known=np.concatenate([[MISSING], queries.rows(distinct.values)]),
        tokens=NgramHasher(text.buckets).matrix(split, text.query_tokens),
        static=np.concatenate([np.zeros((1, static.width), dtype=np.float16), static.encode(texts).astype(np.float16)]),
        words=bag_of_words(split, buckets),
        length=split.length.astype(np.float32),
    )


def normal_queries(values: pl.Series) -> pl.Series:
    """Return texts in their normal form, null where nothing is left; each distinct text is normalised once."""
    distinct = values.unique().drop_nulls()
    forms = pl.Series([normalise(text) for text in distinct], dtype=pl.String)
    table = pl.DataFrame({"text": distinct, "form": forms.replace({"": None})}, schema_overrides={"text": pl.String})
    found = values.to_frame("text").join(table, on="text", how="left", validate="m:1", maintain_order="left")
    return found.get_column("form").alias(values.name)


def query_forms(events: pl.LazyFrame) -> pl.DataFrame:
    """Return the distinct queries of ``events``: ``query``, its normal ``form``, whether a row ``engaged`` with it.

    The form is null where nothing is left of a query.
    """
    engaged = (pl.col(Col.LABEL) > 0).any().alias("engaged")
    distinct = events.drop_nulls(Col.QUERY).group_by(Col.QUERY).agg(engaged).collect().sort(Col.QUERY)
    return distinct.with_columns(normal_queries(distinct.get_column(Col.QUERY)).alias("form"))


def text_vocabulary(
    queries: pl.Series, titles: pl.Series, titled: NDArray[np.int64]
) -> tuple[Vocabulary, NDArray[np.int64]]:
    """Return the vocabulary of texts that may be read as queries, and the row (N + 1,) of each item's title in it.

    Args:
        queries: in normal form.
        titles: of the catalogue, in the order of the item rows (N).
        titled: item rows whose titles may stand in for a query; the others have row 0.
    """
    titled = titled[titled != MISSING]
    normal = normal_queries(titles.gather(titled - 1))
    texts = Vocabulary.fit(pl.concat([queries.alias("text"), normal.alias("text")]), first=1)
    title_row = np.zeros(len(titles) + 1, dtype=np.int64)
    title_row[titled] = texts.rows(normal)
    return texts, title_row
