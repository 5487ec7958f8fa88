"""What a request left out, and what the model has never met, in words for a person."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from features.columns import Col
from features.queries import normal_queries
from features.store import Features
from features.vocabulary import MISSING, UNKNOWN


class Gaps(NamedTuple):
    """What is missing in a request."""

    imputed: dict[str, str]
    """What stood in for each field that was left out: query, source_item_id, country, user_id or history."""
    unknown: list[str]
    """Fields with a value that the model has never met, of which it knows what any value would tell."""


def gaps(features: Features, requests: pl.DataFrame) -> list[Gaps]:
    """Return what is missing in each of ``requests``, as ``as_requests`` returns them."""
    rows, _, title_row = features.read_requests(requests)
    filled, flags = features.imputer.apply(rows, features.history, title_row)
    last = features.history.window(rows.owner, rows.end, 1, rows.hide)[:, 0]
    ids, titles = (
        pl.concat([pl.Series([None], dtype=pl.String), features.catalogue.frame.get_column(name)])
        for name in (Col.ITEM, Col.TITLE)
    )
    countries, users = features.known.countries, features.known.users
    queries = features.known.queries.rows(normal_queries(requests.get_column(Col.QUERY)))
    sources = requests.get_column(Col.SOURCE_ITEM).is_not_null().to_numpy()
    found = []
    for at in range(requests.height):
        item = int(rows.source[at] if rows.source[at] != MISSING else last[at])
        country = int(filled.country[at])
        stands_in = {
            Col.QUERY: f"title of {ids[item]}: {titles[item]}" if filled.query[at] != MISSING else "none",
            Col.SOURCE_ITEM: f"the last item, {ids[int(filled.source[at])]}" if filled.source[at] else "none",
            Col.COUNTRY: f"home, {countries.values[country - countries.first]}" if country > UNKNOWN else "unknown",
            Col.USER: "the typical user of the country" if filled.user[at] >= users.size else "anonymous",
            "history": "none",
        }
        never_met = {
            Col.QUERY: queries[at] == UNKNOWN,
            Col.SOURCE_ITEM: sources[at] and rows.source[at] == MISSING,
            Col.COUNTRY: rows.country[at] == UNKNOWN,
            Col.USER: rows.user[at] == UNKNOWN,
        }
        absent = dict(zip(stands_in, flags[at], strict=True))
        absent[Col.SOURCE_ITEM] = absent[Col.SOURCE_ITEM] and not never_met[Col.SOURCE_ITEM]
        found.append(
            Gaps(
                {name: words for name, words in stands_in.items() if absent[name]},
                [name for name, mark in never_met.items() if mark],
            )
        )
    return found
