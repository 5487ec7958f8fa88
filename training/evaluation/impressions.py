"""Scores of what was shown, against what was engaged: order within a request, and calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import rankdata

from features.columns import Col
from training.evaluation.answers import PROBABILITY, blocks, requests_of, scored_candidates
from training.evaluation.intervals import bootstrap, ratios, sum_by_cluster
from training.evaluation.judged import NUMBER, Judged
from training.evaluation.protocol import Contender, Protocol, ScoreFunction
from training.evaluation.report import entries, generator

BINS = 15
"""Bins of equal mass of the expected calibration error."""
_SMALLEST = 1e-7
"""Probabilities are kept this far from 0 and 1, so that one wrong certainty does not make the log loss infinite."""


def judge_impressions(contender: Contender, judged: Judged, protocol: Protocol) -> dict[str, dict[str, Any]]:
    """Return by task ``{"rows": n, "metrics": {...}}`` of the rows shown in requests that hold a zero.

    Where a score means a probability, ``calibration`` tells of each bin of equal mass its mean ``probability``, the
    ``rate`` of engagement and its ``rows``.
    """
    if contender.score is None or not len(judged.shown):
        return {}
    rows = _scored(contender, contender.score, judged, protocol)
    return {
        str(task): _task(part, str(task), protocol) for (task,), part in rows.group_by([Col.TASK], maintain_order=True)
    }


def _scored(contender: Contender, score: ScoreFunction, judged: Judged, protocol: Protocol) -> pl.DataFrame:
    """Return the shown rows with ``cluster``, ``label``, ``score`` and ``probability``, null where it means nothing."""
    catalogue = judged.items.select(Col.ITEM).with_row_index(NUMBER)
    shown = judged.shown.with_columns(pl.col("request").cast(pl.String).alias(Col.REQUEST))
    requests = judged.requests.join(shown.select("request").unique(), on="request", how="semi").sort("request")
    requests = requests.with_columns(pl.col("request").cast(pl.String).alias(Col.REQUEST))
    parts = []
    for block in blocks(requests, protocol.block):
        pairs = shown.join(block.select("request", "cluster"), on="request", how="inner", maintain_order="left")
        lists = pairs.group_by(Col.REQUEST, maintain_order=True).agg(pl.col(Col.ITEM).alias(Col.CANDIDATES))
        asked = requests_of(block).join(lists, on=Col.REQUEST, how="left", validate="1:1", maintain_order="left")
        answer = score(asked)
        parts.append(scored_candidates(contender.name, answer, block.drop("request"), pairs, catalogue))
    rows = pl.concat(parts)
    logit = rows[Col.SCORE].to_numpy().astype(np.float64)
    sigmoid = pl.Series(expit(logit)) if contender.logits else pl.repeat(None, len(rows), dtype=pl.Float64, eager=True)
    return rows.with_columns(pl.col(PROBABILITY).fill_null(sigmoid).cast(pl.Float64).alias("probability"))


def _task(rows: pl.DataFrame, task: str, protocol: Protocol) -> dict[str, Any]:
    clusters, cluster = np.unique(rows["cluster"].to_numpy(), return_inverse=True)
    engaged = (rows[Col.LABEL] > 0).to_numpy().astype(np.float64)  # (n,)
    samples = [
        sum_by_cluster(cluster, _auc_sums(rows["request"].to_numpy(), rows[Col.SCORE].to_numpy(), engaged), ratios)
    ]
    names = [["gauc"]]
    drawn = {}
    if not rows["probability"].has_nulls():
        probability = np.clip(rows["probability"].to_numpy(), _SMALLEST, 1 - _SMALLEST)
        samples.append(sum_by_cluster(cluster, _calibration_sums(probability, engaged), _ece))
        samples.append(sum_by_cluster(cluster, _entropy_sums(probability, engaged), _normalised_entropy))
        names += [["ece"], ["normalised_entropy"]]
        drawn["calibration"] = _reliability(probability, engaged)
    found = bootstrap(samples, len(clusters), protocol.resamples, generator(protocol.seed, task))
    metrics = {
        key: value for name, part in zip(names, found, strict=True) for key, value in entries(name, part).items()
    }
    return {"rows": len(rows), "metrics": metrics, **drawn}


def _auc_sums(
    request: NDArray[np.int64], score: NDArray[np.float32], engaged: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return on the first row of each request its AUC times its rows, and its rows (n, 2); zeros elsewhere.

    ``gauc`` is the mean AUC of the requests that hold both an engaged row and a zero, weighted by their rows (Zhu et
    al. 2017, with requests as groups); equal scores count half.
    """
    _, first, group = np.unique(request, return_index=True, return_inverse=True)
    rows = np.bincount(group).astype(np.float64)
    positives = np.bincount(group, weights=engaged)
    pairs = positives * (rows - positives)
    # ranks over all rows, made dense inside the groups by subtracting the ranks of the groups before
    order = rankdata(_by_group(group, score), method="average")
    offset = np.cumsum(rows) - rows
    rank_sum = np.bincount(group, weights=engaged * (order - offset[group]))
    with np.errstate(divide="ignore", invalid="ignore"):
        auc = (rank_sum - positives * (positives + 1) / 2) / pairs
    sums = np.zeros((len(request), 2))
    both = pairs > 0
    sums[first[both], 0] = (auc * rows)[both]
    sums[first[both], 1] = rows[both]
    return sums


def _by_group(group: NDArray[np.int64], score: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return numbers (n,) that order the rows by group, then by score, equal where both are equal."""
    _, level = np.unique(score, return_inverse=True)
    return np.asarray(group.astype(np.int64) * (int(level.max()) + 1) + level, dtype=np.int64)


def _calibration_sums(probability: NDArray[np.float64], engaged: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``probability - engaged`` in the column of the row's bin, and 1 in the last (n, BINS + 1).

    The bins stay the same in every resample.
    """
    sums = np.zeros((len(probability), BINS + 1))
    sums[np.arange(len(probability)), _bins(probability)] = probability - engaged
    sums[:, -1] = 1.0
    return sums


def _bins(probability: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin of each row (n,): bins hold equal numbers of rows, in the order of the probability."""
    edges = np.quantile(probability, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(edges, probability, side="left")


def _reliability(probability: NDArray[np.float64], engaged: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return what each bin that holds a row promised, and what came of it."""
    bins = _bins(probability)
    rows = np.bincount(bins, minlength=BINS)
    kept = rows > 0
    promised, found = (np.bincount(bins, weights=values, minlength=BINS) for values in (probability, engaged))
    return {
        "probability": (promised[kept] / rows[kept]).tolist(),
        "rate": (found[kept] / rows[kept]).tolist(),
        "rows": rows[kept].tolist(),
    }


def _ece(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the expected calibration error: the gaps of the bins, weighted by their rows (Naeini et al. 2015)."""
    gaps: NDArray[np.float64] = np.abs(sums[..., :-1]).sum(axis=-1, keepdims=True)
    return gaps / sums[..., -1:]


def _entropy_sums(probability: NDArray[np.float64], engaged: NDArray[np.float64]) -> NDArray[np.float64]:
    loss = -(engaged * np.log(probability) + (1 - engaged) * np.log1p(-probability))
    return np.column_stack([loss, engaged, np.ones(len(engaged))])  # (n, 3)


def _normalised_entropy(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log loss over that of the constant rate (He et al. 2014); NaN where all rows agree."""
    loss, engaged, rows = sums[..., 0], sums[..., 1], sums[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = engaged / rows
        entropy = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
        figure: NDArray[np.float64] = loss / rows / entropy
    return figure[..., None]
