"""What the served lists put before users: how much of the catalogue, how well known, how evenly."""

from __future__ import annotations

from training.evaluation.pages.markup import Html, element, joined, soft, table
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.wording import figure, metric_name

_KINDS = ("coverage", "novelty", "log_popularity", "gini")
_NOTE = (
    "Coverage is the share of the catalogue that is served to anyone. Novelty is the mean information of what is "
    "served, log2(users / users of the item), in bits; log popularity the mean of log(1 + users of the item). The Gini "
    "index is 0 where all items are served as often, and near 1 where one has all the places."
)


def exposure(reading: Reading, task: str) -> Html:
    """Return coverage, novelty, popularity and evenness of what each ranker serves."""
    metrics = [reading.nearest(kind, 20) for kind in _KINDS]
    names = [name for name in reading.rankers(task) if any(reading.entry(task, name, metric) for metric in metrics)]
    known = [metric for metric in metrics if any(reading.entry(task, name, metric) for name in names)]
    if not known:
        return Html()
    rows = [[name, *(figure(reading.entry(task, name, metric)) for metric in known)] for name in names]
    header = ["ranker", *map(metric_name, known)]
    return joined([element("h3", "Popularity, novelty and coverage"), soft(_NOTE), table(header, rows)])
