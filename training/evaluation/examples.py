"""Requests that were answered well and badly, with titles, for a reader to look at."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from features.columns import Col
from training.evaluation.answers import requests_of
from training.evaluation.judged import CONTEXT, NUMBER, Judged
from training.evaluation.metrics import ranking_metrics
from training.evaluation.protocol import Contender, Protocol
from training.evaluation.report import generator
from training.evaluation.served import Outcome

METRIC: Final = "ndcg_at_10"
LENGTH: Final = 10
"""Items of a list that are shown."""
EACH: Final = 3
"""Good ones and bad ones of a task."""
LOOKED_AT: Final = 200
"""Requests of a task, drawn by the seed, of which the best and the worst are shown."""


def examples(
    contender: Contender, outcome: Outcome, judged: Judged, protocol: Protocol
) -> dict[str, list[dict[str, Any]]]:
    """Return by task the requests that the ``contender``, of that ``outcome``, answers best and worst in ``METRIC``.

    They are the extremes of a sample, as found: the good ones show what the ranker can do, not what it does as a rule.
    """
    chosen = _choose(contender.tasks or tuple(judged.tasks), outcome, judged, protocol)
    if not len(chosen):
        return {}
    contexts = judged.contexts.join(chosen.select("context").unique(), on="context", how="semi").sort("context")
    served = contender.rank(requests_of(contexts), protocol.depth).join(  # as deep as they were judged
        contexts.select(Col.REQUEST, "context"), on=Col.REQUEST, how="left", validate="m:1"
    )
    served = served.filter(pl.col(Col.RANK) <= LENGTH)
    lists = served.select("context", Col.RANK, Col.ITEM, Col.SCORE).sort("context", Col.RANK)
    titles = dict(judged.items.select(Col.ITEM, Col.TITLE).rows())
    targets = judged.targets.with_columns(served=pl.Series(outcome.target_rank)).join(
        judged.items.select(Col.ITEM).with_row_index(NUMBER), on=NUMBER, how="left", validate="m:1"
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in chosen.iter_rows(named=True):
        own = targets.filter(pl.col("request") == row["request"])
        shown = lists.filter(pl.col("context") == row["context"])
        found.setdefault(row[Col.TASK], []).append(_example(row, own, shown, titles))
    return found


def _choose(tasks: tuple[str, ...], outcome: Outcome, judged: Judged, protocol: Protocol) -> pl.DataFrame:
    """Return ``request``, the columns of its context, ``METRIC`` and ``kind`` of the requests that are shown."""
    table = ranking_metrics(
        judged.targets["request"].to_numpy().astype(np.int64),
        judged.targets[Col.LABEL].to_numpy(),
        outcome.target_rank,
        (LENGTH,),
    )
    value = pl.DataFrame({"request": table.request, METRIC: table.values[:, table.names.index(METRIC)]})
    rows = value.with_columns(pl.col("request").cast(judged.requests.schema["request"])).join(
        judged.requests.select("request", "context", *CONTEXT), on="request", how="left", validate="1:1"
    )
    rows = rows.filter(pl.col(Col.TASK).is_in(tasks))
    draw = generator(protocol.seed, "examples").permutation(len(rows))
    rows = rows.with_columns(pl.Series("draw", draw)).filter(pl.col("draw").rank("ordinal").over(Col.TASK) <= LOOKED_AT)
    rows = rows.unique("context", keep="first", maintain_order=True).sort(Col.TASK, METRIC, "draw")
    worst = pl.int_range(pl.len()).over(Col.TASK)
    best = pl.int_range(pl.len() - 1, -1, -1).over(Col.TASK)
    good = rows.filter(best < EACH, pl.col(METRIC) > 0).with_columns(kind=pl.lit("good"))
    bad = rows.filter(worst < EACH).join(good, on="request", how="anti").with_columns(kind=pl.lit("bad"))
    return pl.concat([good.reverse(), bad]).sort(Col.TASK, maintain_order=True)


def _example(
    row: dict[str, Any], targets: pl.DataFrame, served: pl.DataFrame, titles: dict[str, str | None]
) -> dict[str, Any]:
    wanted = set(targets[Col.ITEM])
    request = {name: row[name] for name in CONTEXT if row[name] is not None}
    if source := request.get(Col.SOURCE_ITEM):
        request["source_title"] = titles.get(source)
    return {
        "kind": row["kind"],
        METRIC: row[METRIC],
        "request": request,
        "targets": [
            {Col.ITEM: item, Col.TITLE: titles[item], Col.RANK: rank or None}
            for item, rank in targets.select(Col.ITEM, "served").rows()
        ],
        "served": [
            {Col.RANK: rank, Col.ITEM: item, Col.TITLE: titles[item], Col.SCORE: score, "target": item in wanted}
            for rank, item, score in served.select(Col.RANK, Col.ITEM, Col.SCORE).rows()
        ],
    }
