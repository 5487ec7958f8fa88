"""What an unfinished export has done so far: one line of JSON for a block, added when its parts are on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from serving.atomic import write_text

NAME: Final = "_unfinished.jsonl"


class Part(NamedTuple):
    """A finished Parquet file of an export."""

    path: str
    """Relative to the folder of the export, with forward slashes."""
    rows: int
    sha256: str


@dataclass(frozen=True)
class Block:
    """A run of requests that is answered and on disk."""

    block: int
    """Number of the block, from 0."""
    requests: int
    """Requests of the block."""
    without_items: int
    """Requests of the block for which there is nothing to serve."""
    parts: list[Part]
    """One, or one per task that the block holds."""


class Journal:
    """The journal of the export in ``folder``: identity first, then a line per block."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def start(self, identity: Mapping[str, Any]) -> None:
        """Begin anew for the export that ``identity`` describes."""
        write_text(self.path, json.dumps(identity, ensure_ascii=False) + "\n")

    def add(self, block: Block) -> None:
        """Add a block, for good: when this returns, it is on disk."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(block), ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> tuple[dict[str, Any], list[Block]] | None:
        """Return identity and blocks, or None without a journal; a last line that was cut off by a kill is dropped."""
        if not self.path.is_file():
            return None
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        blocks = [Block(**{**line, "parts": [Part(*part) for part in line["parts"]]}) for line in whole[1:]]
        return whole[0], blocks

    def rewrite(self, identity: Mapping[str, Any], blocks: list[Block]) -> None:
        """Replace the journal by one that tells of ``blocks`` alone."""
        lines = [dict(identity), *(asdict(block) for block in blocks)]
        write_text(self.path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))

    def remove(self) -> None:
        """Remove the journal, once the manifest says that all is done."""
        self.path.unlink(missing_ok=True)
