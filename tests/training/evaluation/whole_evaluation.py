"""A made-up evaluation that says everything that an evaluation can say."""

from __future__ import annotations

from typing import Any

NASTY = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\"> & <b>co"
"""A title that would end a script, run one, load an image, and begin bold text."""
K = (1, 10, 20)


def entry(value: float) -> dict[str, float]:
    """Return a figure whose interval reaches 0.02 to either side."""
    return {"value": value, "low": round(value - 0.02, 3), "high": round(value + 0.02, 3)}


def metrics(value: float) -> dict[str, Any]:
    """Return metrics that are all ``value``, but for those of exposure."""
    names = [f"{kind}_at_{k}" for kind in ("recall", "hit", "ndcg", "map") for k in K]
    exposed = {"coverage_at_20": {"value": 0.5}, "novelty_at_20": entry(7.25), "log_popularity_at_20": entry(3.5)}
    return {name: entry(value) for name in [*names, "mrr"]} | exposed | {"gini_at_20": {"value": 0.75}}


def searched(value: float) -> dict[str, Any]:
    """Return what is said of a ranker in search: the slices are 0.1 above and below the whole."""
    parts = {"item:cold": -0.1, "item:head": 0.1, "missing:source_item_id": 0.0, "country:DE": 0.1}
    parts[f"country:{NASTY}"] = -0.1
    return {
        "requests": 1_200,
        "requests_without_target": 34,
        "ties": 0.0,
        "metrics": metrics(value),
        "curve": {"k": [1, 3, 10, 20], "recall": [0.1, 0.2, value, value], "ndcg": [0.1] * 4},
        "impressions": {"rows": 0, "metrics": {}},
        "slices": {name: {"requests": 40, "metrics": metrics(round(value + by, 3))} for name, by in parts.items()},
    }


def whole_evaluation() -> dict[str, Any]:
    """Return the evaluation: search says everything, in similar no request has a target."""
    empty = {"requests": 0, "requests_without_target": 2, "ties": 0.0, "metrics": {}, "slices": {}}
    empty["impressions"] = {"rows": 0, "metrics": {}}
    values = {"unicorn": 0.4, "popularity": 0.2, "bm25": 0.3}
    rankers: dict[str, Any] = {
        name: {"tasks": {"search": searched(value), "similar": empty}, "judgments": {"requests": 0, "metrics": {}}}
        for name, value in values.items()
    }
    ours = rankers["unicorn"]["tasks"]["search"]
    ours["ceiling"] = {
        "candidates": 812.3,
        "recall": entry(0.8),
        "sources": {
            "similar_queries": {"candidates": 49.6, "recall": entry(0.3), "lost_without": entry(0.02)},
            "space": {"candidates": 200.0, "recall": entry(0.7), "lost_without": entry(0.25)},
        },
    }
    ours["impressions"] = {
        "rows": 900,
        "metrics": {"gauc": entry(0.7), "ece": entry(0.05), "normalised_entropy": entry(0.9)},
        "calibration": {"probability": [0.1, 0.3, 0.6], "rate": [0.12, 0.25, 0.5], "rows": [300, 300, 300]},
    }
    rankers["bm25"]["tasks"]["search"]["impressions"] = {"rows": 900, "metrics": {"gauc": entry(0.6)}}
    cost = {"told": 0.4, "hidden": 0.15, "difference": -0.25, "low": -0.3, "high": -0.2}
    less = {"told": 0.4, "hidden": 0.41, "difference": 0.01, "low": -0.01, "high": 0.03}
    ours["hidden"] = {
        "query": {"requests": 1_200, "metrics": {"ndcg_at_10": cost}},
        "source_item": {"requests": 1, "metrics": {"ndcg_at_10": less}},
    }
    for name, value in (("unicorn", 0.93), ("bm25", 0.92)):
        rankers[name]["judgments"] = {"requests": 77, "metrics": {f"ndcg_at_{k}": entry(value) for k in K}}
    rankers["bm25"]["settings"] = {"search": {"k1": 1.5, "query_weight": 2}, "similar": {}}
    return {
        "protocol": {"split": "test", "candidates": "catalogue", "exclude_seen": [], "k": list(K), "seed": 7},
        "data": {"hash": "d1" * 32},
        "model": {"id": "e2" * 32},
        "rankers": rankers,
        "comparisons": [
            {"task": "search", "metric": metric, "a": "unicorn", "b": name, "p_holm": p}
            | {"difference": difference, "low": difference - 0.03, "high": difference + 0.03}
            for metric in ("ndcg_at_10", "recall_at_20")
            for name, difference, p in (("popularity", 0.2, 0.0004), ("bm25", 0.1, 0.024))
        ],
        "oracle": {
            "tasks": {"search": searched(0.9), "similar": empty},
            "covered": {"search": {"ndcg_at_10": {"best": "bm25"} | entry(0.17)}, "similar": {}},
        },
        "examples": {"search": [example("good"), example("bad")]},
    }


def example(kind: str) -> dict[str, Any]:
    """Return a request that was served well, or badly; its titles are nasty."""
    rank = 2 if kind == "good" else None
    return {
        "kind": kind,
        "ndcg_at_10": 0.631 if kind == "good" else 0.0,
        "request": {"task": "search", "query": f"{kind} {NASTY}", "source_item_id": "i9", "source_title": "a source"},
        "targets": [{"item_id": "i2", "title": NASTY, "rank": rank}, {"item_id": "i3", "title": None, "rank": rank}],
        "served": [
            {"rank": 1, "item_id": "i1", "title": None, "score": -1.25, "target": False},
            {"rank": 2, "item_id": "i2", "title": NASTY, "score": -2.5, "target": kind == "good"},
        ],
    }
