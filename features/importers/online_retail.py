"""Online Retail II (Chen, UCI): invoices of a British gift wholesaler, with country, price and time, and no queries.

An invoice is a request: each item on it is one ``recommendation`` row with label 1, also where the item stands on
several lines; their ``quantity`` is added up in an extra column. The time of the rows is the earliest on the invoice,
so that a split by time never tears one. It is the shop's own clock, read as UTC. What is no purchase of a product by a
known customer is left out: lines without a customer, cancellations (invoices that begin with C), quantities of 0 or
less, and codes of postage, fees and corrections.

The country is stated on every row as an ISO 3166 code; names without one, such as ``Channel Islands``, become null.
The country of a user is the one on most of the customer's invoices, those of the test period included: an account
has a country.

``title`` (the most frequent description, white space made single) and ``price`` (the median of the prices above 0, in
pounds) describe the catalogue and are taken over all sales, those of the test period included: a shop knows the name
and the price of what it sells. Nothing else is written to the items. The day of an item's first sale is no
``created_at``, since for an item that is new in the test period a test row would decide it; and the items are in order
of their codes, as the order of the file is that of first sales.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from features.columns import Col, Table
from features.errors import DataError
from features.importers.country_names import to_code
from features.importers.online_retail_files import PRICE, QUANTITY, read_lines

RECOMMENDATION: Final = "recommendation"
NO_PRODUCTS: Final = (
    "ADJUST",
    "ADJUST2",
    "BANK CHARGES",
    "C2",
    "D",
    "DOT",
    "M",
    "POST",
    "TEST001",
    "TEST002",
)
"""Stock codes of postage, discounts, manual entries, fees, corrections and tests."""
_CANCELLED = "C"


def read_online_retail(raw: Path, split: Path | None = None) -> dict[str, pl.DataFrame]:
    """Return the tables of the lines in the folder ``raw``; ``online_retail_files`` says what may lie there."""
    if split is not None:
        raise DataError(f"{split}: online-retail has times and is split by them, so it takes no --split. Leave it out.")
    sales = _sales(read_lines(raw))
    events = _events(sales)
    return {Table.ITEMS: _items(sales), Table.USERS: _users(events), Table.EVENTS: events}


def _sales(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines that are purchases, with the country as a code and the time of the invoice as a whole."""
    product = ~pl.col(Col.ITEM).str.to_uppercase().is_in(NO_PRODUCTS)
    bought = ~pl.col(Col.REQUEST).str.to_uppercase().str.starts_with(_CANCELLED) & (pl.col(QUANTITY) > 0)
    return lines.with_columns(
        pl.col(Col.TIMESTAMP).min().over(Col.REQUEST),
        to_code(lines[Col.COUNTRY]),
        pl.col(Col.TITLE).str.replace_all(r"\s+", " ").str.strip_chars(),
    ).filter(pl.col(Col.USER).is_not_null() & bought & product)


def _events(sales: pl.DataFrame) -> pl.DataFrame:
    """Return a row per invoice and item, in the order of the lines."""
    keys = (Col.USER, Col.ITEM, Col.COUNTRY, Col.TIMESTAMP, Col.REQUEST)
    return sales.group_by(keys, maintain_order=True).agg(
        pl.lit(RECOMMENDATION).alias(Col.TASK),
        pl.lit(1.0, dtype=pl.Float32).alias(Col.LABEL),
        pl.col(QUANTITY).sum(),
    )


def _items(sales: pl.DataFrame) -> pl.DataFrame:
    priced = pl.col(PRICE).filter(pl.col(PRICE).is_finite() & (pl.col(PRICE) > 0))
    prices = sales.group_by(Col.ITEM).agg(priced.median()).sort(Col.ITEM)
    titles = _most_frequent(sales.filter(pl.col(Col.TITLE) != ""), Col.ITEM, Col.TITLE)
    items = prices.join(titles, on=Col.ITEM, how="left", validate="1:1", maintain_order="left")
    return items.select(Col.ITEM, Col.TITLE, PRICE)


def _users(events: pl.DataFrame) -> pl.DataFrame:
    """Return each customer with the country of most invoices; null where none has a code."""
    invoices = events.unique(Col.REQUEST, keep="first", maintain_order=True).drop_nulls(Col.COUNTRY)
    customers = events.select(pl.col(Col.USER).unique(maintain_order=True))
    home = _most_frequent(invoices, Col.USER, Col.COUNTRY)
    return customers.join(home, on=Col.USER, how="left", validate="1:1", maintain_order="left")


def _most_frequent(rows: pl.DataFrame, key: str, value: str) -> pl.DataFrame:
    """Return the most frequent ``value`` of each ``key``, of equally frequent ones the first in the rows."""
    counts = rows.group_by(key, value, maintain_order=True).len()
    frequent = counts.sort("len", descending=True, maintain_order=True)
    return frequent.unique(key, keep="first", maintain_order=True).select(key, value)
