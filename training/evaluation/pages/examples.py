"""Single requests that were served well, and badly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from training.evaluation.pages.cards import answer, card, cards, request_facts
from training.evaluation.pages.markup import Html, element, joined, soft
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.wording import metric_name

_HEADINGS: Final = {"good": "Served well", "bad": "Served badly"}
_NOTE: Final = "The best and the worst of a sample: they show what can happen, not what happens as a rule."


def examples(reading: Reading, task: str) -> Html:
    """Return the examples of a task: what was asked, what was engaged with, and what the judged ranker served."""
    found = reading.evaluation.get("examples", {}).get(task, [])
    parts: list[Html] = []
    for kind, heading in _HEADINGS.items():
        made = [_card(example) for example in found if example["kind"] == kind]
        if made:
            parts += [element("h4", heading), cards(made)]
    return joined([element("h3", "Single requests"), soft(_NOTE), *parts] if parts else [])


def _card(example: Mapping[str, Any]) -> Html:
    request = example["request"]
    told = request_facts(request, request.get("source_title"))
    told |= {metric_name(name): f"{value:.3f}" for name, value in example.items() if name.startswith("ndcg_at_")}
    told["engaged with"] = "; ".join(map(_target, example["targets"]))
    return card(told, map(_served, example["served"]))


def _target(target: Mapping[str, Any]) -> str:
    place = "not served" if target["rank"] is None else f"rank {target['rank']}"
    return f"{target['title'] or target['item_id']} ({place})"


def _served(row: Mapping[str, Any]) -> Html:
    title, score = row["title"] or row["item_id"], f"score {row['score']:.3g}".replace("-", "−")
    return answer(title, f"engaged with · {score}", kind="target") if row["target"] else answer(title, score)
