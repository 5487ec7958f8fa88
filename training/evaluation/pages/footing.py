"""What the figures stand on: the protocol, the data, the model, and the settings of the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from training.evaluation.pages.markup import Html, element, joined, listed, table
from training.evaluation.pages.reading import Reading
from training.evaluation.pages.wording import NOTHING

_TARGETS: Final = "The catalogue is ranked for each request, and its targets are what the user then engaged with."
_INTERVALS: Final = (
    "Intervals are 95 %, from resamples of users (of queries where there is no user, of requests where there is "
    "neither) that are the same for all rankers."
)
_COMPARISONS: Final = "p is of no difference, adjusted for the number of comparisons (Holm)."
_ORACLE_NOTE: Final = (
    "The oracle ranks each request by the true parameters of the simulated world. It is no baseline: it knows what no "
    "log tells. Engagement is chance even for it, so it stays below 1. A share of the way to it is below 0 where a "
    "baseline is ahead."
)


def footing(reading: Reading) -> Html:
    """Return the section on how it was judged."""
    evaluation = reading.evaluation
    facts = {name.replace("_", " "): _told(value) for name, value in evaluation["protocol"].items()}
    facts |= {"data": evaluation["data"]["hash"], "model": evaluation["model"]["id"]}
    notes = [_TARGETS] if reading.tasks else []
    notes.append(f"{_INTERVALS} {_COMPARISONS}" if evaluation.get("comparisons") else _INTERVALS)
    notes += [_ORACLE_NOTE] if "oracle" in evaluation else []
    return element(
        "section",
        element("h2", "How it was judged"),
        *(element("p", note) for note in notes),
        listed(facts),
        _settings(reading),
    )


def _settings(reading: Reading) -> Html:
    found: dict[str, Mapping[str, Any]] = {
        name: node["settings"] for name, node in reading.evaluation["rankers"].items() if node.get("settings")
    }
    if not found:
        return Html()
    tasks = list(dict.fromkeys(task for settings in found.values() for task in settings))
    rows = [[name, *(_told(settings.get(task)) for task in tasks)] for name, settings in found.items()]
    return joined([element("h3", "Settings of the baselines"), table(["ranker", *tasks], rows, "words")])


def _told(value: Any) -> str:
    """Return a setting in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_told(part)}" for name, part in value.items()) or NOTHING
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value)) or "none"
    return NOTHING if value is None or value == "" else str(value)
