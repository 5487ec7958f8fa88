"""What a feature block is: fitted on some rows, read for requests, and told of their candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from features.arrays import padded
from features.blocks.log import Log, World
from features.blocks.numbers import Dense
from features.blocks.reading import Found, Reading
from features.catalogue import Catalogue


@dataclass(frozen=True)
class Block(ABC):
    """A group of features. A subclass is a frozen dataclass of what it has learned: arrays and CSR matrices."""

    name: ClassVar[str]
    """The switch of the block in ``features.use``."""
    columns: ClassVar[tuple[str, ...]]
    """Context × candidate features."""
    sources: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Names of evidence that brings candidates, each with the setting of ``serving.candidates`` that says how many."""

    by_item: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = ()
    """What of the learned has items along an axis, each with these axes."""

    @classmethod
    @abstractmethod
    def fit(cls, log: Log, world: World) -> Self:
        """Learn from the rows of ``log``, and from no other row."""

    @abstractmethod
    def read(self, reading: Reading) -> dict[str, Dense]:
        """Return evidence by name, (B, N + 1) for the whole catalogue; zeros where a request lacks what it is about.

        What only the block itself reads again may be of another width.
        """

    @abstractmethod
    def features(self, found: Found) -> tuple[Dense, ...]:
        """Return the features (B, L) in the order of ``columns``."""

    def extended(self, catalogue: Catalogue) -> Self:
        """Return the block for a ``catalogue`` with more items behind those of the fit; of these it knows nothing."""
        grown: dict[str, Any] = {name: padded(getattr(self, name), axes, catalogue.rows) for name, axes in self.by_item}
        return replace(self, **grown)

    @classmethod
    def learned(cls) -> tuple[str, ...]:
        """Return the names of what is learned."""
        return tuple(part.name for part in fields(cls))

    def arrays(self) -> dict[str, Any]:
        """Return what was learned, by name."""
        return {name: getattr(self, name) for name in self.learned()}
