"""``unicorn diagnose``: reads a data folder, prints what it says about joining its tasks, and writes it."""

from __future__ import annotations

import json as json_format
from pathlib import Path

from rich.console import Console

from features.errors import DataError
from features.progress import progress_bar
from features.rules import require_valid
from features.tables import data_hash, open_data
from serving import exclusion
from serving.atomic import write_text
from training.diagnose.diagnosis import diagnose_tasks
from training.diagnose.rows import read_engaged, task_names
from training.diagnose.table import print_diagnosis


def diagnose(
    data: Path, exclude_seen: str | None, json: Path | None, seed: int, *, quiet: bool = False
) -> dict[str, object]:
    """Diagnose the data folder ``data``, print the tables, write the JSON, and return it.

    ``exclude_seen`` is that of ``unicorn evaluate``, for the prediction is of what that would find.

    Raises:
        DataError: the tables break a rule, or there is nothing to join.
    """
    if json is not None and json.is_dir():
        raise DataError(f"{json}: is a folder. Name a file as --json.")
    folder = open_data(data)
    require_valid(folder, task_names(folder))
    with progress_bar("diagnosis", quiet) as progress:
        engaged = read_engaged(folder, seed)
        excluded = exclusion.parse(exclude_seen, engaged.tasks)
        diagnosis = diagnose_tasks(engaged, excluded, seed, progress)
    if not quiet:
        print_diagnosis(diagnosis, Console(highlight=False))
    found = {"data": {"hash": data_hash(folder)}, **diagnosis.as_json()}
    if json is not None:
        write_text(json, json_format.dumps(found, indent=1, allow_nan=False) + "\n")
    return found
