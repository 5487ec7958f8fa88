"""Batch scoring: requests in, Parquet parts and a manifest out, block by block.

A part appears whole or not at all. The folder holds a journal while it is unfinished and ``_manifest.json`` when it is
complete, so that a killed export goes on where it stopped, and ends with the same bytes as one that was never killed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import polars as pl

from features.columns import Col
from features.errors import DataError
from serving.atomic import remove_partials, replacing, write_text
from serving.exclusion import check as check_exclusion
from serving.journal import Block, Journal, Part
from serving.manifest import file_hash
from serving.request_file import RequestFile, open_requests
from serving.requests import as_requests, check_top_k

MANIFEST: Final = "_manifest.json"
FORMAT: Final = 1
PROBABILITY: Final = "calibrated_probability"
SCHEMA: Final[dict[str, pl.DataType]] = {
    Col.REQUEST: pl.String(),
    Col.TASK: pl.String(),
    Col.RANK: pl.UInt32(),
    Col.ITEM: pl.String(),
    Col.SCORE: pl.Float32(),
}
"""Columns of a part; ``calibrated_probability`` follows where the ranker gives one."""

DIFFERENT: Final = {
    "model": "another model",
    "data": "other data",
    "request_file": "other requests",
    "settings": "other settings",
}
"""How to say in what an unfinished export differs from the one that is asked for."""

logger = logging.getLogger(__name__)


class Ranks(Protocol):
    """What an export needs of a ranker; ``serving.Ranker`` is one."""

    @property
    def model_id(self) -> str:
        """Names the fitted model."""

    @property
    def data_hash(self) -> str:
        """Names the data it was fitted on."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks it knows."""

    def rank(self, requests: pl.DataFrame, top_k: int, exclude_seen: Sequence[str] | None = None) -> pl.DataFrame:
        """Return request_id, task, rank, item_id and score in the order of the requests."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """What decides the bytes of an export, beside the model and the requests."""

    top_k: int
    """Most items per request."""
    exclude_seen: tuple[str, ...]
    """Tasks for which items that the user has engaged with are no candidates."""
    block_size: int = 4096
    """Requests that are answered together, and whose answers share a part."""
    partition_by: Literal["task"] | None = None
    """``task`` writes a folder ``task=NAME`` per task."""
    engine: Literal["local"] = "local"
    """Where the blocks are ranked."""

    def __post_init__(self) -> None:
        check_top_k(self.top_k)
        if self.block_size < 1:
            raise DataError(f"block-size is {self.block_size}; it must be at least 1.")


def export(
    ranker: Ranks,
    requests: Path,
    out: Path,
    settings: ExportSettings,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Answer all requests of a file and return the manifest of ``out``.

    Args:
        ranker: the fitted model.
        requests: a Parquet file, or a folder of them.
        out: new, empty, or unfinished by an export of the same model, requests and settings.
        settings: how many items, which are excluded, and how the answers are cut into parts.
        overwrite: replace what another export left in ``out``.
        progress: called with the requests that are answered, and all of them, after each block.

    Raises:
        DataError: a request is wrong, or ``out`` is in use.
    """
    check_exclusion(settings.exclude_seen, ranker.tasks)
    source = open_requests(requests, ranker.tasks)
    identity = _identity(ranker, source, settings)
    journal = Journal(out)
    blocks = {block.block: block for block in _claim(out, journal, identity, overwrite)}
    progress(sum(block.requests for block in blocks.values()), source.rows)
    for number in range(max(1, -(-source.rows // settings.block_size))):  # no request at all still makes one part
        if number not in blocks:
            blocks[number] = _answer(ranker, source, number, out, settings)
            journal.add(blocks[number])
        progress(min(source.rows, (number + 1) * settings.block_size), source.rows)
    manifest = _summarise(identity, [blocks[number] for number in sorted(blocks)])
    write_text(out / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    journal.remove()
    return manifest


def _identity(ranker: Ranks, source: RequestFile, settings: ExportSettings) -> dict[str, Any]:
    """Return what has to agree for an unfinished export to be the same one."""
    return {
        "model": {"id": ranker.model_id},
        "data": {"hash": ranker.data_hash},
        "request_file": {"sha256": source.sha256},
        "settings": json.loads(json.dumps(asdict(settings))),  # as it reads back: tuples are lists
    }


def _claim(out: Path, journal: Journal, identity: dict[str, Any], overwrite: bool) -> list[Block]:
    """Make ``out`` ours and return the blocks that are already done, or refuse."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: a file is in the way. Give --out a folder.")
    out.mkdir(parents=True, exist_ok=True)
    before = journal.read()
    complete = (out / MANIFEST).is_file()
    if before is None and not complete:
        _refuse_strangers(out)
    elif complete and not overwrite:
        raise DataError(f"{out}: holds a complete export. Pass --overwrite to replace it, or another --out.")
    elif before is not None and not complete and before[0] == identity:
        return _resume(out, journal, identity, before[1])
    elif not overwrite and before is not None:
        differs = next((name for name in identity if before[0].get(name) != identity[name]), "settings")
        raise DataError(
            f"{out}: holds an unfinished export of {DIFFERENT[differs]}. "
            "Pass --overwrite to replace it, or another --out."
        )
    journal.start(identity)  # first the journal, then the removals: a kill in between leaves an unfinished export
    (out / MANIFEST).unlink(missing_ok=True)
    _remove_parts(out, keep=set())
    return []


def _refuse_strangers(out: Path) -> None:
    stranger = next((path.name for path in sorted(out.iterdir()) if not path.name.startswith(".")), None)
    if stranger is not None:
        raise DataError(f"{out}: holds {stranger!r}, which is no export of this program. Give an --out of its own.")


def _resume(out: Path, journal: Journal, identity: dict[str, Any], blocks: list[Block]) -> list[Block]:
    """Return the blocks whose parts are on disk as they were written; whatever else lies there is removed."""
    sound = [block for block in blocks if all(_is_sound(out, part) for part in block.parts)]
    _remove_parts(out, keep={part.path for block in sound for part in block.parts})
    journal.rewrite(identity, sound)
    logger.info("%s: %d finished blocks found, going on from there", out, len(sound))
    return sound


def _is_sound(out: Path, part: Part) -> bool:
    return (out / part.path).is_file() and file_hash(out / part.path) == part.sha256


def _remove_parts(out: Path, keep: set[str]) -> None:
    remove_partials(out)
    for pattern in ("part-*.parquet", "task=*/part-*.parquet"):
        for path in out.glob(pattern):
            if path.relative_to(out).as_posix() not in keep:
                path.unlink()
    for folder in out.glob("task=*"):
        if not any(folder.iterdir()):
            folder.rmdir()


def _answer(ranker: Ranks, source: RequestFile, number: int, out: Path, settings: ExportSettings) -> Block:
    requests = as_requests(source.block(number * settings.block_size, settings.block_size), ranker.tasks)
    if requests.height:
        answer = ranker.rank(requests, settings.top_k, settings.exclude_seen)
        answer = answer.select(*SCHEMA, *([PROBABILITY] if PROBABILITY in answer.columns else [])).cast(
            pl.Schema(SCHEMA)
        )
    else:
        answer = pl.DataFrame(schema=SCHEMA)
    parts = [_write_part(out, path, rows) for path, rows in _cut(answer, f"part-{number:06d}.parquet", settings)]
    return Block(number, requests.height, requests.height - answer[Col.REQUEST].n_unique(), parts)


def _cut(answer: pl.DataFrame, name: str, settings: ExportSettings) -> list[tuple[str, pl.DataFrame]]:
    """Return the parts of a block with their names; the column task stays in the files, too."""
    if settings.partition_by is None or not answer.height:
        return [(name, answer)]
    groups = answer.partition_by(Col.TASK, as_dict=True, maintain_order=True)
    return [(f"{Col.TASK}={task}/{name}", rows) for (task,), rows in sorted(groups.items())]


def _write_part(out: Path, path: str, rows: pl.DataFrame) -> Part:
    target = out / path
    target.parent.mkdir(exist_ok=True)
    with replacing(target) as temporary:
        rows.write_parquet(temporary, compression="zstd", statistics=True)
    return Part(path, rows.height, file_hash(target))


def _summarise(identity: dict[str, Any], blocks: list[Block]) -> dict[str, Any]:
    parts = [part for block in blocks for part in block.parts]
    return {
        "format": FORMAT,
        "rows": sum(part.rows for part in parts),
        "requests": sum(block.requests for block in blocks),
        "requests_without_items": sum(block.without_items for block in blocks),
        **identity,
        "parts": [part._asdict() for part in parts],
    }
