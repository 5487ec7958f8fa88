"""An evaluation as tables on a terminal: per task, metrics by rankers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

SHOWN = (
    *("recall_at_10", "recall_at_20", "hit_at_20", "ndcg_at_10", "ndcg_at_20", "map_at_20", "mrr"),
    *("coverage_at_20", "novelty_at_20", "log_popularity_at_20", "gini_at_20"),
)
"""Metrics of the table, where they are judged; the file holds them all."""
SHOWN_IN_ROWS = ("ndcg_at_10", "ndcg_at_20", "recall_at_20", "hit_at_20", "mrr", "coverage_at_20", "novelty_at_20")
"""Metrics of the table of many rankers."""
SIDE_BY_SIDE = 3
"""Rankers that have columns of their own; more have rows."""
SHOWN_SHARES = ("ndcg_at_10", "recall_at_20")
"""Metrics of which the table tells the share of the distance from the best baseline to the oracle."""
ORACLE_COLUMN = "oracle (truth)"


def print_evaluation(evaluation: dict[str, Any], console: Console) -> None:
    """Print a table per task, one for graded judgments where there are any, the comparisons and the shares covered."""
    for table in evaluation_tables(evaluation):
        console.print(table)


def evaluation_tables(evaluation: dict[str, Any], metrics: Sequence[str] = SHOWN) -> Iterator[Table]:
    """Yield the tables of an evaluation as ``judge`` returns it."""
    rankers: dict[str, Any] = evaluation["rankers"]
    oracle: dict[str, Any] = evaluation.get("oracle", {"tasks": {}, "covered": {}})
    for task in dict.fromkeys(task for node in rankers.values() for task in node["tasks"]):
        nodes = {name: node["tasks"][task] for name, node in rankers.items() if task in node["tasks"]}
        if task in oracle["tasks"]:
            nodes[ORACLE_COLUMN] = oracle["tasks"][task]
        yield _metric_table(task, nodes, metrics) if len(nodes) <= SIDE_BY_SIDE else _ranker_table(task, nodes)
    judged = {name: node["judgments"] for name, node in rankers.items() if node["judgments"]["requests"]}
    if judged:
        names = list(dict.fromkeys(metric for node in judged.values() for metric in node["metrics"]))
        yield _metric_table("judgments", judged, names)
    if sources := _sources(next(iter(rankers.values()))):
        yield _source_table(sources)
    if evaluation["comparisons"]:
        yield _comparison_table(evaluation["comparisons"])
    if any(oracle["covered"].values()):
        yield _covered_table(oracle["covered"])


def _title(task: str, nodes: dict[str, Any]) -> str:
    first = next(iter(nodes.values()))
    without = first.get("requests_without_target")
    return f"{task}: {first['requests']:,} requests" + (f", {without:,} without a target" if without else "")


def _ranker_table(task: str, nodes: dict[str, Any]) -> Table:
    """Return a row for each ranker: so many do not fit side by side, nor do their intervals."""
    table = Table(title=_title(task, nodes), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("ranker")
    judged = [name for name in SHOWN_IN_ROWS if any(name in node["metrics"] for node in nodes.values())]
    for name in judged:
        table.add_column(name.replace("_at_", "\n@"), justify="right")
    for name, node in nodes.items():
        entries = (node["metrics"].get(metric) for metric in judged)
        table.add_row(name, *("–" if entry is None else f"{entry['value']:.3f}" for entry in entries))
    return table


def _metric_table(task: str, nodes: dict[str, Any], metrics: Sequence[str]) -> Table:
    first = next(iter(nodes.values()))
    table = Table(title=_title(task, nodes), title_justify="left")
    table.add_column("metric")
    for name in nodes:
        table.add_column(name, justify="right")
    for metric in metrics:
        if metric in first["metrics"]:
            table.add_row(metric, *(_of_seeds(node, metric) for node in nodes.values()))
    ceilings = [node["ceiling"]["recall"] if "ceiling" in node else None for node in nodes.values()]
    if any(ceilings):
        table.add_row("ceiling (recall)", *(figure(entry) for entry in ceilings))
    if "ties" in first:
        table.add_row("ties", *(f"{node['ties']:.3f}" for node in nodes.values()))
    return table


def _of_seeds(node: dict[str, Any], metric: str) -> str:
    """Return the figure, with the standard deviation over seeds where there are several."""
    seeds = node.get("seeds", {}).get(metric)
    return figure(node["metrics"].get(metric)) + (f" ±{seeds['spread']:.3f}" if seeds else "")


def figure(entry: dict[str, float] | None) -> str:
    """Return a value with its interval as rich prints it, or a dash where it is undefined."""
    if entry is None:
        return "–"
    interval = f" [{entry['low']:.3f}, {entry['high']:.3f}]" if "low" in entry else ""
    return f"{entry['value']:.3f}{interval}".replace("[", "\\[")  # rich reads brackets as markup


def _sources(ranker: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return by task what is told of the sources of candidates of a ranker."""
    ceilings = {task: node.get("ceiling", {}) for task, node in ranker["tasks"].items()}
    return {task: ceiling["sources"] for task, ceiling in ceilings.items() if "sources" in ceiling}


def _source_table(sources: dict[str, dict[str, Any]]) -> Table:
    """Return a row for each source of candidates, in the order of the most that it brings in any task."""
    title = "sources of candidates: share of the targets that each brings (and that no other brings)"
    table = Table(title=title, title_justify="left")
    for name in ("source", *sources):
        table.add_column(name, justify="left" if name == "source" else "right")
    most: dict[str, float] = {}
    for found in sources.values():
        for name, node in found.items():
            most[name] = max(most.get(name, 0.0), node["recall"]["value"])
    for name in sorted(most, key=lambda name: (-most[name], name)):
        table.add_row(name.replace("_", " "), *(_brought(found.get(name)) for found in sources.values()))
    return table


def _brought(node: dict[str, Any] | None) -> str:
    return f"{node['recall']['value']:.3f} ({node['lost_without']['value']:.3f})" if node else "–"


def _comparison_table(comparisons: list[dict[str, Any]]) -> Table:
    table = Table(title="differences, with p adjusted for their number (Holm)", title_justify="left")
    for name in ("task", "metric", "rankers"):
        table.add_column(name)
    table.add_column("difference", justify="right")
    table.add_column("p", justify="right")
    for row in comparisons:
        interval = f"{row['difference']:+.3f} \\[{row['low']:+.3f}, {row['high']:+.3f}]"
        table.add_row(row["task"], row["metric"], f"{row['a']} − {row['b']}", interval, f"{row['p_holm']:.4f}")
    return table


def _covered_table(covered: dict[str, Any]) -> Table:
    table = Table(title="share of the distance from the best baseline to the oracle", title_justify="left")
    for name in ("task", "metric", "best baseline"):
        table.add_column(name)
    table.add_column("share", justify="right")
    for task, shares in covered.items():
        for metric in SHOWN_SHARES:
            if metric in shares:
                table.add_row(task, metric, shares[metric]["best"], figure(shares[metric]))
    return table
