"""The first stage beside the ranker: the share of the targets that is among the candidates, and what brings them."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from features.columns import Col
from features.errors import DataError
from serving.ranker import SOURCES
from training.evaluation.answers import blocks, requests_of
from training.evaluation.intervals import bootstrap, mean_by_cluster
from training.evaluation.judged import NUMBER, Judged
from training.evaluation.protocol import CandidateFunction, Contender, Protocol
from training.evaluation.report import entries, generator

_SHARES: Final = ("recall", "lost_without")


class _Found(NamedTuple):
    """What is told of the candidates of all contexts."""

    targets: pl.DataFrame
    """The targets with the ``sources`` that brought them, none where it is no candidate, and ``found`` as 0 or 1."""
    sizes: pl.DataFrame
    """``context`` and ``len``, the number of its candidates."""
    sizes_by_source: pl.DataFrame
    """``context``, ``source`` and ``len``, the number of candidates that it brought; empty where none is named."""


def judge_first_stage(contender: Contender, judged: Judged, protocol: Protocol) -> dict[str, dict[str, Any]]:
    """Return by task the ceiling ``{"candidates": mean number, "recall": {…}}`` of a contender that tells candidates.

    ``recall`` is the mean over requests of the share of their targets that are candidates: no order of these
    candidates has a larger recall. A request with fewer targets than another counts as much.

    Where the contender names the sources of its candidates, ``sources`` tells by source the mean number of candidates
    that it brought, the ``recall`` of these alone, and by how much the ceiling falls without them (``lost_without``):
    the share of targets that no other source brought. A source that brought nothing in a task is left out.
    """
    if contender.candidates is None or not len(judged.targets):
        return {}
    found = _found(contender.name, contender.candidates, judged, protocol)
    return {task: _task(task, found, judged, protocol) for task in found.targets[Col.TASK].unique().sort()}


def _found(name: str, candidates: CandidateFunction, judged: Judged, protocol: Protocol) -> _Found:
    contexts = judged.contexts.join(judged.targets.select("context").unique(), on="context", how="semi").sort("context")
    items = judged.items.select(Col.ITEM).with_row_index(NUMBER)
    wanted = judged.targets.select("context", NUMBER).unique().join(items, on=NUMBER, how="left", validate="m:1")
    hits, sizes, by_source = [], [], []
    for block in blocks(contexts, protocol.block):
        rows = _listed(name, candidates, block)
        sizes.append(rows.group_by("context").len())
        named = rows.select("context", pl.col(SOURCES).alias("source")).explode("source").drop_nulls("source")
        by_source.append(named.group_by("context", "source").len())
        hits.append(wanted.join(rows, on=["context", Col.ITEM], how="inner").select("context", NUMBER, SOURCES))
    targets = judged.targets.join(
        pl.concat(hits).with_columns(found=pl.lit(1.0)),
        on=["context", NUMBER],
        how="left",
        validate="m:1",
        maintain_order="left",
    ).with_columns(pl.col("found").fill_null(0.0))
    return _Found(targets, pl.concat(sizes), pl.concat(by_source))


def _listed(name: str, candidates: CandidateFunction, block: pl.DataFrame) -> pl.DataFrame:
    """Return ``context``, ``item_id`` and the list ``sources`` of each candidate of a block of contexts."""
    listed = candidates(requests_of(block))
    if listed.select(Col.REQUEST, Col.ITEM).is_duplicated().any():
        raise DataError(f"ranker {name!r} lists a candidate twice for a request. Mend the ranker.")
    if SOURCES not in listed.columns:
        listed = listed.with_columns(pl.lit(None, dtype=pl.List(pl.String)).alias(SOURCES))
    rows = listed.join(block.select(Col.REQUEST, "context"), on=Col.REQUEST, how="inner", validate="m:1")
    return rows.select("context", Col.ITEM, SOURCES)


def _task(task: str, found: _Found, judged: Judged, protocol: Protocol) -> dict[str, Any]:
    targets = found.targets.filter(pl.col(Col.TASK) == task)
    contexts = targets.select("request", "context").unique()
    by_source = contexts.join(found.sizes_by_source, on="context", how="inner")
    names = by_source["source"].unique().sort().to_list()
    brought = [pl.col(SOURCES).list.contains(name).fill_null(False) for name in names]
    shares = [share for of in brought for share in (of.mean(), (of & (pl.col(SOURCES).list.len() == 1)).mean())]
    columns = [pl.mean("found"), *(share.alias(str(place)) for place, share in enumerate(shares))]
    requests = targets.group_by("request").agg(columns).sort("request")
    cluster = judged.requests["cluster"].to_numpy()[requests["request"].to_numpy()]
    clusters, cluster = np.unique(cluster, return_inverse=True)
    sample = mean_by_cluster(cluster, requests.drop("request").to_numpy())
    random = generator(protocol.seed, f"first stage {task}")
    ceiling, *estimates = bootstrap([sample], len(clusters), protocol.resamples, random)[0]
    size = contexts.join(found.sizes, on="context", how="left", validate="m:1")["len"].sum() / len(contexts)
    of_source = dict(by_source.group_by("source").agg(pl.sum("len")).iter_rows())
    sources = {
        name: {"candidates": of_source[name] / len(contexts), **entries(_SHARES, estimates[2 * place :][:2])}
        for place, name in enumerate(names)
    }
    return {"candidates": size, **entries(["recall"], [ceiling])} | ({"sources": sources} if sources else {})
