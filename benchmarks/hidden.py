"""What a hidden query or user costs a run, beside what is popular: ``python benchmarks/hidden.py RUN DATA``.

On the embedded marketplace, search without its query must lose more than half of its NDCG, and recommendation without
its user must come down to near popularity: what is learned there comes from the fields, not from the surface alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from features.columns import Col
from features.tables import open_data
from serving.ranker import Ranker
from training.evaluate import known_before
from training.evaluation.baselines.registry import baseline_contenders
from training.evaluation.judge import judge
from training.evaluation.judged import read_judged
from training.evaluation.protocol import Contender, Protocol

FIELDS = (Col.QUERY, Col.USER)
METRIC = "ndcg_at_10"


def without(ranker: Ranker, field: str, exclude_seen: Sequence[str]) -> Contender:
    """Return ``ranker`` as it answers when nobody states ``field``."""

    def rank(requests: pl.DataFrame, depth: int) -> pl.DataFrame:
        return ranker.rank(requests.with_columns(pl.lit(None, dtype=pl.String).alias(field)), depth, exclude_seen)

    return Contender(f"without {field}", rank)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print NDCG@10 of each task, with all fields, without each, and by popularity."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run folder")
    parser.add_argument("data", type=Path, help="the data folder that is judged")
    options = parser.parse_args(arguments)
    ranker = Ranker.load(options.run)
    # Seen items stay candidates, so that all contenders choose from the same items whether or not they know the user.
    protocol = Protocol(exclude_seen=(), resamples=200, refit="valid" in ranker.facts.fitted_on)
    folder = open_data(options.data)
    judged = read_judged(folder, protocol)
    knowing = ranker.knowing(known_before(folder, protocol))
    whole = Contender("unicorn", lambda requests, depth: knowing.rank(requests, depth, ()))
    hidden = [without(knowing, field, ()) for field in FIELDS]
    popular = baseline_contenders(["popularity"], judged, protocol)
    rankers = judge([whole, *hidden, *popular], judged, protocol)["rankers"]
    print(f"{METRIC:<24}" + "".join(f"{task:>16}" for task in judged.tasks))
    for name, node in rankers.items():
        values = [node["tasks"][task]["metrics"][METRIC]["value"] for task in judged.tasks]
        print(f"{name:<24}" + "".join(f"{value:>16.4f}" for value in values))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
