"""What a missing field costs: the same requests once more, with one of the things that they tell hidden."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.columns import Col
from training.evaluation.answers import blocks, read_ranking, requests_of
from training.evaluation.intervals import Estimate, bootstrap, mean_by_cluster
from training.evaluation.judged import CONTEXT, NUMBER, Judged, candidates_only, seen_pairs
from training.evaluation.metrics import RequestMetrics, ranking_metrics
from training.evaluation.protocol import Contender, Protocol, RankFunction
from training.evaluation.report import generator
from training.evaluation.served import Outcome

FIELDS: Final = {"query": Col.QUERY, "user": Col.USER, "country": Col.COUNTRY, "source_item": Col.SOURCE_ITEM}
"""What can be hidden of a request, beside the history of its user. With the user, the history is hidden as well."""
HISTORY: Final = "history"
METRICS: Final = ("ndcg_at_10", "recall_at_20")
CUTOFFS: Final = (10, 20)
DEPTH: Final = 200
"""Items that are asked for, at least: who hides the user, the source or the country cannot rule out what these do, so
that is done afterwards."""


def judge_hidden(
    contender: Contender, outcome: Outcome, judged: Judged, protocol: Protocol
) -> dict[str, dict[str, Any]]:
    """Return by task and hidden field ``{"requests": n, "metrics": {metric: {told, hidden, difference, low, high}}}``.

    Of each task at most ``protocol.hidden`` requests with a target are asked again, drawn by the seed; a field counts
    on those of them that have it. What may be served stays as it was: the seen items, the source item and the country
    are ruled out by what the request told.

    Args:
        contender: whose lists are judged.
        outcome: of the same contender, told everything.
        judged: what is judged.
        protocol: how it is judged.
    """
    cutoffs = [k for k in CUTOFFS if k <= protocol.depth]
    if not cutoffs or not protocol.hidden or not len(judged.targets):
        return {}
    sample = _sample(judged, contender.tasks or tuple(judged.tasks), protocol)
    nodes: dict[str, dict[str, Any]] = {}
    for field in (*FIELDS, HISTORY):
        rank = contender.without_history if field == HISTORY else contender.rank
        asked = _having(sample, field, judged)
        if rank is None or not len(asked):
            continue
        targets = _targets(asked, outcome, judged)
        places = _places(contender.name, rank, field, asked, judged, protocol)
        rows = targets.join(places, on=["context", NUMBER], how="left", validate="m:1", maintain_order="left")
        for (task,), part in rows.group_by([Col.TASK], maintain_order=True):
            nodes.setdefault(str(task), {})[field] = _node(str(task), field, part, cutoffs, judged, protocol)
    return nodes


def _sample(judged: Judged, tasks: tuple[str, ...], protocol: Protocol) -> pl.DataFrame:
    """Return ``request`` and the columns of its context of the requests that are asked again."""
    requests = judged.requests.join(judged.targets.select("request").unique(), on="request", how="semi")
    requests = requests.filter(pl.col(Col.TASK).is_in(tasks)).sort("request").select("request", "context", *CONTEXT)
    draw = generator(protocol.seed, "hidden").permutation(len(requests))
    place = pl.Series("draw", draw).to_frame().with_columns(requests[Col.TASK])
    kept = place.select(pl.col("draw").rank("ordinal").over(Col.TASK) <= protocol.hidden).to_series()
    return requests.filter(kept)


def _having(requests: pl.DataFrame, field: str, judged: Judged) -> pl.DataFrame:
    """Return those of ``requests`` that have what is to be hidden."""
    if field != HISTORY:
        return requests.filter(pl.col(FIELDS[field]).is_not_null())
    return requests.join(judged.history.select(Col.USER).drop_nulls().unique(), on=Col.USER, how="semi")


def _targets(requests: pl.DataFrame, outcome: Outcome, judged: Judged) -> pl.DataFrame:
    """Return the targets of ``requests``, with the rank at which each was served when all was ``told``."""
    rows = judged.targets.with_columns(told=pl.Series(outcome.target_rank))
    return rows.join(requests.select("request"), on="request", how="semi", maintain_order="left")


def _places(
    name: str, rank: RankFunction, field: str, requests: pl.DataFrame, judged: Judged, protocol: Protocol
) -> pl.DataFrame:
    """Return ``context``, ``number`` and ``hidden``, the rank at which an item is served when ``field`` is hidden."""
    contexts = requests.select("context", *CONTEXT).unique("context").sort("context")
    column = pl.lit(None, dtype=pl.String).alias(FIELDS[field]) if field in FIELDS else pl.col(Col.USER)
    hidden = contexts.with_columns(column)
    asked = hidden.select(CONTEXT).unique(maintain_order=True).with_row_index("asked")
    asked_of = contexts.select("context").with_columns(
        hidden.join(asked, on=CONTEXT, how="left", nulls_equal=True, validate="m:1", maintain_order="left")["asked"]
    )
    depth = _depth(contexts, judged, protocol) if field == "user" else DEPTH
    answers = _answers(name, rank, depth, asked.rename({"asked": "context"}), judged, protocol)
    rows = (
        asked_of.join(contexts, on="context", how="left", validate="1:1")
        .join(answers.rename({"context": "asked"}), on="asked", how="inner")
        .join(
            judged.items.select(Col.ITEM, Col.COUNTRIES).with_row_index(NUMBER), on=NUMBER, how="left", validate="m:1"
        )
    )
    kept = candidates_only(rows, seen_pairs(judged.history), protocol).sort("context", Col.RANK)
    place = pl.int_range(1, pl.len() + 1).over("context")
    return kept.select("context", NUMBER, place.cast(pl.Int64).alias("hidden"))


def _depth(contexts: pl.DataFrame, judged: Judged, protocol: Protocol) -> int:
    """Return how many items are asked for without the user: enough are left when the seen ones are ruled out."""
    personal = contexts.filter(pl.col(Col.TASK).is_in(protocol.exclude_seen)).select(Col.USER).unique()
    counts = seen_pairs(judged.history).join(personal, on=Col.USER, how="semi").group_by(Col.USER).len()
    most = counts["len"].max()
    return max(DEPTH, max(CUTOFFS) + most) if isinstance(most, int) else DEPTH


def _answers(
    name: str, rank: RankFunction, depth: int, asked: pl.DataFrame, judged: Judged, protocol: Protocol
) -> pl.DataFrame:
    """Return ``context``, ``number`` and ``rank`` of what is served to the contexts ``asked``, block by block."""
    catalogue = judged.items.select(Col.ITEM).with_row_index(NUMBER)
    nothing_seen = pl.DataFrame(schema=dict.fromkeys((Col.USER, Col.TASK, Col.ITEM), pl.String))
    asked = asked.with_columns(pl.col("context").cast(pl.String).alias(Col.REQUEST))
    parts = []
    for block in blocks(asked, protocol.block):
        served = read_ranking(name, rank(requests_of(block), depth), block, catalogue, nothing_seen, depth)
        parts.append(
            pl.DataFrame(
                {"context": served.context, NUMBER: served.item, Col.RANK: served.rank},
                schema={"context": pl.UInt32, NUMBER: pl.UInt32, Col.RANK: pl.Int64},
            )
        )
    return pl.concat(parts)


def _node(
    task: str, field: str, targets: pl.DataFrame, cutoffs: list[int], judged: Judged, protocol: Protocol
) -> dict[str, Any]:
    told, hidden = (_metrics(targets, column, cutoffs) for column in ("told", "hidden"))
    names = [name for name in METRICS if name in told.names]
    columns = [told.names.index(name) for name in names]
    clusters, cluster = np.unique(judged.requests["cluster"].to_numpy()[told.request], return_inverse=True)
    sample = mean_by_cluster(cluster, (hidden.values - told.values)[:, columns])
    random = generator(protocol.seed, f"hidden {task} {field}")
    differences = bootstrap([sample], len(clusters), protocol.resamples, random)[0]
    means = (part.values[:, columns].mean(axis=0) for part in (told, hidden))
    return {
        "requests": len(told.request),
        "metrics": {name: _entry(*figures) for name, *figures in zip(names, *means, differences, strict=True)},
    }


def _metrics(targets: pl.DataFrame, column: str, cutoffs: list[int]) -> RequestMetrics:
    rank: NDArray[np.int64] = targets[column].fill_null(0).to_numpy().astype(np.int64)
    return ranking_metrics(targets["request"].to_numpy().astype(np.int64), targets[Col.LABEL].to_numpy(), rank, cutoffs)


def _entry(told: float, hidden: float, difference: Estimate) -> dict[str, float]:
    return {
        "told": float(told),
        "hidden": float(hidden),
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
    }
