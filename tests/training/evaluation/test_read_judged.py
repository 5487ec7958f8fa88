from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from features.tables import open_data
from training.evaluation.judged import read_judged
from training.evaluation.protocol import Protocol


def test_reads_a_data_folder_with_only_the_required_columns(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": ["a", "b"]}).write_parquet(tmp_path / "items.parquet")
    pl.DataFrame(
        {"item_id": ["a", "b", "b"], "task": ["search"] * 3, "label": [1, 1, 1], "split": ["train", "test", "valid"]}
    ).write_parquet(tmp_path / "events.parquet")
    found = read_judged(open_data(tmp_path), Protocol())
    assert found.targets["number"].to_list() == [1]
    assert found.history["item_id"].to_list() == ["a", "b"]
    assert found.tasks == ["search"]


def test_rows_made_by_a_program_are_neither_judged_nor_history(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": ["a", "b"]}).write_parquet(tmp_path / "items.parquet")
    pl.DataFrame(
        {
            "item_id": ["a", "b", "a", "b"],
            "task": ["search"] * 4,
            "label": [1.0] * 4,
            "split": ["train", "train", "test", "test"],
            "source": ["log", "template", None, "llm:x"],
        }
    ).write_parquet(tmp_path / "events.parquet")
    found = read_judged(open_data(tmp_path), Protocol())
    assert found.history["item_id"].to_list() == ["a"]
    assert found.targets["number"].to_list() == [0]


def test_the_split_by_time_is_made_before_rows_are_left_out(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": ["a"]}).write_parquet(tmp_path / "items.parquet")
    times = [datetime(2024, 1, day) for day in range(1, 21)]
    pl.DataFrame(
        {"item_id": ["a"] * 20, "task": ["search"] * 20, "label": [0.0] * 9 + [1.0] * 11, "timestamp": times}
    ).write_parquet(tmp_path / "events.parquet")
    assert len(read_judged(open_data(tmp_path), Protocol()).targets) == 2
