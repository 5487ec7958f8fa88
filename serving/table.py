"""One ranking for a person's eyes, and the same for a program's."""

from __future__ import annotations

import sys
from typing import TextIO

import polars as pl

from features.columns import Col


def ranking(answer: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Return rank, item_id, title, category and score of an answer, in its order; unknown titles are empty."""
    facts = items.select(Col.ITEM, Col.TITLE, Col.CATEGORY)
    joined = answer.join(facts, on=Col.ITEM, how="left", validate="m:1", maintain_order="left")
    texts = pl.col(Col.TITLE, Col.CATEGORY).cast(pl.String).fill_null("").str.replace_all(r"\s+", " ")
    return joined.select(Col.RANK, Col.ITEM, texts, Col.SCORE)


def print_ranking(rows: pl.DataFrame, file: TextIO | None = None) -> None:
    """Print the rows of ``ranking``: a table on a terminal, else tab-separated lines under a header."""
    file = sys.stdout if file is None else file
    if file.isatty():
        _print_table(rows, file)
        return
    print("\t".join(rows.columns), file=file)
    for *texts, score in rows.iter_rows():
        print("\t".join(map(str, texts)), f"{score:.9g}", sep="\t", file=file)  # nine digits tell every float32 apart


def _print_table(rows: pl.DataFrame, file: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold")
    for name in rows.columns:
        table.add_column(name, justify="right" if name in (Col.RANK, Col.SCORE) else "left")
    for place, item, title, category, score in rows.iter_rows():
        table.add_row(str(place), Text(item), Text(title), Text(category), f"{score:.4f}")  # Text: no markup in titles
    Console(file=file).print(table)
