"""The first stage beside the ranker: the share of the targets that is among the candidates at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from features.columns import Col
from features.errors import DataError
from training.evaluation.answers import blocks, requests_of
from training.evaluation.intervals import bootstrap, mean_by_cluster
from training.evaluation.judged import NUMBER, Judged
from training.evaluation.protocol import CandidateFunction, Contender, Protocol
from training.evaluation.report import entries, generator


def judge_first_stage(contender: Contender, judged: Judged, protocol: Protocol) -> dict[str, dict[str, Any]]:
    """Return by task the ceiling ``{"candidates": mean number, "recall": {…}}`` of a contender that tells candidates.

    ``recall`` is the mean over requests of the share of their targets that are candidates: no order of these
    candidates has a larger recall. A request with fewer targets than another counts as much.
    """
    if contender.candidates is None or not len(judged.targets):
        return {}
    targets, sizes = _found(contender.name, contender.candidates, judged, protocol)
    return {task: _task(task, targets, sizes, judged, protocol) for task in targets[Col.TASK].unique().sort()}


def _found(
    name: str, candidates: CandidateFunction, judged: Judged, protocol: Protocol
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the targets, each with whether it is ``found``, and the number of candidates of each context."""
    contexts = judged.contexts.join(judged.targets.select("context").unique(), on="context", how="semi").sort("context")
    items = judged.items.select(Col.ITEM).with_row_index(NUMBER)
    wanted = judged.targets.select("context", NUMBER).unique().join(items, on=NUMBER, how="left", validate="m:1")
    hits, sizes = [], []
    for block in blocks(contexts, protocol.block):
        listed = candidates(requests_of(block)).select(Col.REQUEST, Col.ITEM)
        rows = listed.join(block.select(Col.REQUEST, "context"), on=Col.REQUEST, how="inner", validate="m:1")
        if rows.is_duplicated().any():
            raise DataError(f"ranker {name!r} lists a candidate twice for a request. Mend the ranker.")
        sizes.append(rows.group_by("context").len())
        hits.append(wanted.join(rows, on=["context", Col.ITEM], how="semi").select("context", NUMBER))
    found = pl.concat(hits).with_columns(found=pl.lit(1.0))
    targets = judged.targets.join(
        found, on=["context", NUMBER], how="left", validate="m:1", maintain_order="left"
    ).with_columns(pl.col("found").fill_null(0.0))
    return targets, pl.concat(sizes)


def _task(task: str, targets: pl.DataFrame, sizes: pl.DataFrame, judged: Judged, protocol: Protocol) -> dict[str, Any]:
    requests = (
        targets.filter(pl.col(Col.TASK) == task)
        .group_by("request", "context")
        .agg(pl.mean("found"))
        .join(sizes, on="context", how="left", validate="m:1")
        .sort("request")
    )
    clusters, cluster = np.unique(
        judged.requests["cluster"].to_numpy()[requests["request"].to_numpy()], return_inverse=True
    )
    sample = mean_by_cluster(cluster, requests.select("found").to_numpy())
    random = generator(protocol.seed, f"first stage {task}")
    estimates = bootstrap([sample], len(clusters), protocol.resamples, random)
    mean_size = requests["len"].fill_null(0).cast(pl.Float64).to_numpy().mean()
    return {"candidates": float(mean_size), **entries(["recall"], estimates[0])}
