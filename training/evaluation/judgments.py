"""Graded NDCG over the judged items of each query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from features.columns import Col
from serving.order import tie_ranks
from training.evaluation import comparisons
from training.evaluation.answers import blocks, requests_of, scored_candidates
from training.evaluation.comparisons import Difference
from training.evaluation.intervals import bootstrap, mean_by_cluster
from training.evaluation.judged import NUMBER, Judged
from training.evaluation.metrics import RequestMetrics, place_in_group, ranking_metrics
from training.evaluation.protocol import Contender, Protocol, ScoreFunction
from training.evaluation.report import entries, generator

_REQUEST = (Col.QUERY, Col.USER, Col.COUNTRY)


def judge_judgments(
    runs: Mapping[str, Sequence[Contender]], judged: Judged, protocol: Protocol
) -> tuple[dict[str, dict[str, Any]], list[Difference]]:
    """Return ``{"requests": n, "metrics": {"ndcg_at_k": …}}`` of each ranker, and the first one's lead over the others.

    Judged are the queries with at least two distinct grades. The gain of an item is its relevance minus the smallest
    grade of the scale; an item judged twice for a request has the mean of its grades. Only judged items are ranked,
    those of equal score in the order of serving. ``runs`` are the rankers by name, one for each seed.
    """
    requests, pairs = _requests(judged, protocol.judgment_task)
    nothing: dict[str, dict[str, Any]] = {name: {"requests": 0, "metrics": {}} for name in runs}
    able = {name: found for name, found in runs.items() if _can_score(found[0], protocol)}
    if not able or not len(requests):
        return nothing, []
    tables = {name: _mean_table(found, judged, requests, pairs, protocol) for name, found in able.items()}
    first, *others = tables
    clusters, cluster = np.unique(requests["cluster"].to_numpy()[tables[first].request], return_inverse=True)
    samples = [mean_by_cluster(cluster, table.values) for table in tables.values()]
    metrics = protocol.compared(tables[first].names)
    pairwise = [comparisons.paired(tables[first], tables[name], metrics, cluster) for name in others]
    random = generator(protocol.seed, "judgments")
    found = iter(bootstrap([*samples, *pairwise], len(clusters), protocol.resamples, random))
    nodes = {
        name: {"requests": len(table.request), "metrics": entries(table.names, next(found))}
        for name, table in tables.items()
    }
    differences = [
        Difference("judgments", metric, first, name, estimate, p)
        for name, sample in zip(others, pairwise, strict=True)
        for metric, estimate, p in zip(
            metrics,
            next(found),
            comparisons.sign_flips(sample, protocol.resamples, random),
            strict=True,
        )
    ]
    return nothing | nodes, differences


def _can_score(contender: Contender, protocol: Protocol) -> bool:
    return contender.score is not None and protocol.judgment_task in (contender.tasks or (protocol.judgment_task,))


def _mean_table(
    runs: Sequence[Contender], judged: Judged, requests: pl.DataFrame, pairs: pl.DataFrame, protocol: Protocol
) -> RequestMetrics:
    tables = [_table(run, judged, requests, pairs, protocol) for run in runs]
    return tables[0]._replace(values=np.mean([table.values for table in tables], axis=0))


def _table(
    contender: Contender, judged: Judged, requests: pl.DataFrame, pairs: pl.DataFrame, protocol: Protocol
) -> RequestMetrics:
    """Return the NDCG of each request."""
    if contender.score is None:
        raise TypeError(f"{contender.name} does not score")
    rows = _scored(contender.name, contender.score, judged, requests, pairs, protocol.block)
    request = rows["request"].to_numpy().astype(np.int64)
    tie = tie_ranks(judged.items[Col.ITEM])[rows[NUMBER].to_numpy()]  # (n,)
    rank = place_in_group(request, -rows[Col.SCORE].cast(pl.Float32).to_numpy(), tie)  # (n,)
    gain = rows[Col.RELEVANCE].to_numpy() - judged.smallest_grade
    target = gain > 0
    found = ranking_metrics(request[target], gain[target], rank[target], protocol.k)
    chosen = [column for column, name in enumerate(found.names) if name.startswith("ndcg_at_")]
    return RequestMetrics(found.request, [found.names[column] for column in chosen], found.values[:, chosen])


def _requests(judged: Judged, task: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the requests that have at least two grades, and their judged items."""
    pairs = judged.judgments.group_by(*_REQUEST, Col.ITEM, NUMBER, maintain_order=True).agg(pl.mean(Col.RELEVANCE))
    pairs = pairs.filter(pl.n_unique(Col.RELEVANCE).over(_REQUEST) > 1)
    requests = pairs.select(_REQUEST).unique(maintain_order=True).with_row_index("request")
    requests = requests.with_columns(
        pl.col("request").cast(pl.String).alias(Col.REQUEST),
        pl.lit(task).alias(Col.TASK),
        pl.lit(None, dtype=pl.String).alias(Col.SOURCE_ITEM),
        pl.coalesce(pl.concat_str(pl.lit("user "), Col.USER), pl.concat_str(pl.lit("query "), Col.QUERY))
        .rank("dense")
        .alias("cluster"),
    )
    pairs = pairs.join(
        requests.select(*_REQUEST, "request", Col.REQUEST),
        on=_REQUEST,
        how="left",
        nulls_equal=True,
        validate="m:1",
        maintain_order="left",
    )
    return requests, pairs


def _scored(
    name: str, score: ScoreFunction, judged: Judged, requests: pl.DataFrame, pairs: pl.DataFrame, size: int
) -> pl.DataFrame:
    """Return the judged pairs with the score of each."""
    catalogue = judged.items.select(Col.ITEM).with_row_index(NUMBER)
    parts = []
    for block in blocks(requests, size):
        asked = pairs.join(block.select("request"), on="request", how="semi", maintain_order="left")
        lists = asked.group_by(Col.REQUEST, maintain_order=True).agg(pl.col(Col.ITEM).alias(Col.CANDIDATES))
        answer = score(
            requests_of(block).join(lists, on=Col.REQUEST, how="left", validate="1:1", maintain_order="left")
        )
        asked = asked.select("request", Col.REQUEST, Col.ITEM, NUMBER, Col.RELEVANCE)
        parts.append(scored_candidates(name, answer, block.drop("request"), asked, catalogue))
    return pl.concat(parts)
