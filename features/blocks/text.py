"""How near the candidate's text is to the query, to the source item and to what the user engaged with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from features.blocks.base import Block
from features.blocks.log import Log, World
from features.blocks.numbers import Dense, cosines, unit
from features.blocks.reading import Found, Reading


@dataclass(frozen=True)
class TextBlock(Block):
    """Cosines of text vectors; nothing is learned of events."""

    name = "text"
    columns = ("text_cosine", "history_text", "source_text")

    @classmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Learn nothing."""
        return cls()

    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return the cosines of every item to the query, to the mean of the history and to the source item."""
        text = reading.known.catalogue.text
        return {
            "text": cosines(reading.query_vector, text),
            "history_text": cosines(unit(reading.past @ text), text),
            "source_text": cosines(text[reading.filled.source], text),
        }

    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the cosines."""
        return found.at("text"), found.at("history_text"), found.at("source_text")
