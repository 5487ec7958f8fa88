"""The evaluation in brief: per task one metric of everybody, and the share of the way to the oracle that is covered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.table import Table

from training.evaluation.table import ORACLE_COLUMN, figure

METRIC: Final = "ndcg_at_10"


def headline(evaluation: dict[str, Any]) -> Iterator[Table | str]:
    """Yield a table per task, and a line on the share covered where there is an oracle.

    A table has a row per baseline, then the ranker that is judged, then the oracle apart.
    """
    first, *baselines = evaluation["rankers"]
    oracle: dict[str, Any] = evaluation.get("oracle", {"tasks": {}, "covered": {}})
    for task in evaluation["rankers"][first]["tasks"]:
        node = evaluation["rankers"][first]["tasks"][task]
        table = Table(title=f"{task}: {node['requests']:,} requests", title_justify="left")
        table.add_column("ranker")
        table.add_column(METRIC, justify="right")
        table.add_column("unicorn − it", justify="right")
        for name in [*baselines, first]:
            entry = evaluation["rankers"][name]["tasks"][task]["metrics"].get(METRIC)
            table.add_row(name, figure(entry), difference(evaluation, task, name), end_section=name == first)
        if task in oracle["tasks"]:
            table.add_row(ORACLE_COLUMN, figure(oracle["tasks"][task]["metrics"].get(METRIC)), "")
        yield table
        if share := oracle["covered"].get(task, {}).get(METRIC):
            yield f"covered of the way from {share['best']} to the oracle: {figure(share)}\n"


def difference(evaluation: dict[str, Any], task: str, name: str) -> str:
    """Return by how much the first ranker is above ``name`` in the metric, with its interval; empty if not compared."""
    for row in evaluation["comparisons"]:
        if (row["task"], row["metric"], row["b"]) == (task, METRIC, name):
            return f"{row['difference']:+.3f} \\[{row['low']:+.3f}, {row['high']:+.3f}]"
    return ""
