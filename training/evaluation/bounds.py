"""What metrics must agree on: with one target a request, hit rate and NDCG bound each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

_SLACK = 1e-9
"""Sums of the same numbers in another order differ by less."""


def require_consistent(ranker: str, node: Mapping[str, Any]) -> None:
    """Refuse figures of a task or slice that cannot come from the same lists.

    Where each request has one target, a hit between the cut-offs a and b adds at most ``1 / log2(a + 2)`` to the NDCG
    of its request, and at least ``1 / log2(b + 1)``: so NDCG@5 lies between HR@1 + 0.387 (HR@5 - HR@1) and
    HR@1 + 0.631 (HR@5 - HR@1). Figures of more targets a request are not bound so, and pass.

    Raises:
        ArithmeticError: they contradict each other, which is a defect of the program.
    """
    if not node["requests"] or node.get("targets") != node["requests"]:
        return
    metrics = {name: entry["value"] for name, entry in node["metrics"].items()}
    steps = sorted(int(name.removeprefix("hit_at_")) for name in metrics if name.startswith("hit_at_"))
    for a, b in pairwise([0, *steps]):
        hits = metrics[f"hit_at_{b}"] - metrics.get(f"hit_at_{a}", 0.0)
        before, found = metrics.get(f"ndcg_at_{a}", 0.0), metrics[f"ndcg_at_{b}"]
        low, high = before + hits / math.log2(b + 1), before + hits / math.log2(a + 2)
        if not low - _SLACK <= found <= high + _SLACK:
            raise ArithmeticError(
                f"{ranker}: ndcg_at_{b} is {found:.6f}, and with hit_at_{b} {metrics[f'hit_at_{b}']:.6f} it must lie "
                f"between {low:.6f} and {high:.6f}. This is a defect of the judge, not of the ranker."
            )
