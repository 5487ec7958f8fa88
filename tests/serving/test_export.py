import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from features.errors import DataError
from serving.export import ExportSettings, export
from tests.serving.fake_ranker import FakeRanker

ROOT = Path(__file__).parents[2]
SETTINGS = {"top_k": 3, "exclude_seen": (), "block_size": 7, "partition_by": None}


def settings(**changes):
    return ExportSettings(**{**SETTINGS, **changes})


def write_requests(path, rows=30):
    pl.DataFrame(
        {
            "request_id": [f"r{n}" for n in range(rows)],
            "task": [["search", "recommendation"][n % 3 == 0] for n in range(rows)],
            "user_id": ["u" * (n % 5) for n in range(rows)],
            "country": ["ZZ" if n == 4 else None for n in range(rows)],
        }
    ).write_parquet(path)
    return path


@pytest.fixture
def requests(tmp_path):
    return write_requests(tmp_path / "requests.parquet")


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_all_requests_are_answered_in_their_order(requests, tmp_path):
    out = tmp_path / "new" / "out"
    manifest = export(FakeRanker(), requests, out, settings())
    rows = pl.concat([pl.read_parquet(out / part["path"]) for part in manifest["parts"]])
    assert rows.columns == ["request_id", "task", "rank", "item_id", "score"]
    assert rows.dtypes == [pl.String, pl.String, pl.UInt32, pl.String, pl.Float32]
    assert rows["request_id"].unique(maintain_order=True).to_list() == [f"r{n}" for n in range(30) if n != 4]
    assert rows.filter(request_id="r2")["item_id"].to_list() == ["i2", "i3", "i4"]
    assert rows.filter(request_id="r2")["rank"].to_list() == [1, 2, 3]


def test_the_manifest_counts_requests_without_items_and_hashes_the_parts(requests, tmp_path):
    manifest = export(FakeRanker(), requests, tmp_path / "out", settings())
    assert manifest == json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert (manifest["rows"], manifest["requests"], manifest["requests_without_items"]) == (29 * 3, 30, 1)
    assert manifest["model"] == {"id": "model-0"}
    assert manifest["data"] == {"hash": "data-0"}
    assert len(manifest["parts"]) == 5  # 30 requests in blocks of 7
    for part in manifest["parts"]:
        assert part["sha256"] == hashlib.sha256((tmp_path / "out" / part["path"]).read_bytes()).hexdigest()
    assert len(contents(tmp_path / "out")) == 6  # no journal, nothing temporary


def test_parts_by_task(requests, tmp_path):
    export(FakeRanker(), requests, tmp_path / "out", settings(partition_by="task"))
    search = pl.concat(pl.read_parquet(p, hive_partitioning=False) for p in (tmp_path / "out/task=search").iterdir())
    assert set(search["task"]) == {"search"}
    assert pl.scan_parquet(tmp_path / "out/**/*.parquet").select(pl.len()).collect().item() == 29 * 3


def test_the_same_export_gives_the_same_bytes(requests, tmp_path):
    for name in ("a", "b"):
        export(FakeRanker(), requests, tmp_path / name, settings())
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_the_ranker_gets_top_k_and_the_exclusion(requests, tmp_path):
    ranker = FakeRanker()
    export(ranker, requests, tmp_path / "out", settings(exclude_seen=("similar",)))
    assert {(top_k, exclude) for _, top_k, exclude in ranker.calls} == {(3, ("similar",))}


def test_requests_in_parts_and_without_ids(tmp_path):
    folder = tmp_path / "requests"
    folder.mkdir()
    for part in range(3):
        pl.DataFrame({"task": ["search"] * 5}).write_parquet(folder / f"part-{part}.parquet")
    export(FakeRanker(), folder, tmp_path / "out", settings(top_k=1))
    rows = pl.concat([pl.read_parquet(path) for path in sorted((tmp_path / "out").glob("*.parquet"))])
    assert rows["request_id"].to_list() == [str(n) for n in range(15)]


def test_no_request_at_all_is_an_empty_part(tmp_path):
    manifest = export(FakeRanker(), write_requests(tmp_path / "r.parquet", rows=0), tmp_path / "out", settings())
    assert (manifest["rows"], manifest["requests"], len(manifest["parts"])) == (0, 0, 1)
    assert pl.read_parquet(tmp_path / "out" / "part-000000.parquet").columns[0] == "request_id"


def test_progress_ends_at_the_number_of_requests(requests, tmp_path):
    seen = []
    export(FakeRanker(), requests, tmp_path / "out", settings(), progress=lambda *done: seen.append(done))
    assert seen == [(0, 30), (7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]


def test_a_complete_export_is_refused_without_overwrite(requests, tmp_path):
    out = tmp_path / "out"
    export(FakeRanker(), requests, out, settings())
    before = contents(out)
    with pytest.raises(DataError, match=r"out: holds a complete export. Pass --overwrite"):
        export(FakeRanker(), requests, out, settings())
    assert contents(out) == before


def test_overwrite_replaces_the_parts(requests, tmp_path):
    out = tmp_path / "out"
    export(FakeRanker(), requests, out, settings(partition_by="task"))
    manifest = export(FakeRanker("model-1"), requests, out, settings(block_size=100), overwrite=True)
    assert set(contents(out)) == {"_manifest.json", "part-000000.parquet"}
    assert manifest["model"]["id"] == "model-1"
    assert not (out / "task=search").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_strangers_is_never_touched(requests, tmp_path, overwrite):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("dear")
    with pytest.raises(DataError, match=r"holds 'thesis.tex', which is no export"):
        export(FakeRanker(), requests, out, settings(), overwrite=overwrite)
    assert contents(out) == {"thesis.tex": b"dear"}


def test_a_file_in_the_way_is_refused(requests, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(DataError, match="a file is in the way"):
        export(FakeRanker(), requests, tmp_path / "out", settings())


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("task", "levitation", "unknown task 'levitation'"), ("request_id", "r0", "'r0' is given more than once")],
)
def test_one_wrong_request_stops_the_export_before_it_starts(requests, tmp_path, column, value, message):
    last = pl.int_range(pl.len()) == pl.len() - 1
    wrong = pl.read_parquet(requests).with_columns(pl.when(last).then(pl.lit(value)).otherwise(column).alias(column))
    wrong.write_parquet(tmp_path / "wrong.parquet")
    with pytest.raises(DataError, match=message):
        export(FakeRanker(), tmp_path / "wrong.parquet", tmp_path / "out", settings())
    assert not (tmp_path / "out").exists()


def test_what_is_no_parquet_is_named(tmp_path):
    (tmp_path / "r.csv").write_text("task\nsearch\n")
    with pytest.raises(DataError, match=r"r.csv: cannot be read as Parquet"):
        export(FakeRanker(), tmp_path / "r.csv", tmp_path / "out", settings())
    with pytest.raises(DataError, match=r"nowhere: no such file of requests"):
        export(FakeRanker(), tmp_path / "nowhere", tmp_path / "out", settings())


POINTS = [
    "before anything",
    "while ranking",
    "before the rename of a part",
    "after the rename of a part",
    "before the journal",
    "within a line of the journal",
    "before the manifest",
]


def kill(requests, out, point):
    """Export in a process of its own, which is killed at ``point``."""
    words = [sys.executable, "-m", "tests.serving.kill_export", str(requests), str(out), point]
    done = subprocess.run(words, cwd=ROOT, timeout=60, env={**os.environ, "POLARS_MAX_THREADS": "1"})
    return done.returncode


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_export_is_resumed_to_the_same_bytes(requests, tmp_path, point):
    out = tmp_path / "out"
    assert kill(requests, out, point) == -signal.SIGKILL
    assert not (out / "_manifest.json").exists()
    export(FakeRanker(), requests, out, settings(partition_by="task"))
    export(FakeRanker(), requests, tmp_path / "whole", settings(partition_by="task"))
    assert contents(out) == contents(tmp_path / "whole")


@pytest.fixture
def unfinished(requests, tmp_path):
    out = tmp_path / "out"
    assert (
        kill(requests, out, "before the journal") == -signal.SIGKILL
    )  # two blocks of 7 are done, a third is half done
    return out


def test_finished_blocks_are_not_ranked_again(requests, unfinished):
    ranker = FakeRanker()
    export(ranker, requests, unfinished, settings(partition_by="task"))
    assert [asked[0]["request_id"][0] for asked in ranker.calls] == ["r14", "r21", "r28"]


def test_a_damaged_part_is_made_again(requests, unfinished):
    part = next(unfinished.glob("task=search/part-000000.parquet"))
    sound = part.read_bytes()
    part.write_bytes(b"damaged")
    export(FakeRanker(), requests, unfinished, settings(partition_by="task"))
    assert part.read_bytes() == sound


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [("model-1", {}, "another model"), ("model-0", {"top_k": 4}, "other settings")],
)
def test_another_unfinished_export_is_refused_by_name(requests, unfinished, model, changes, message):
    before = contents(unfinished)
    options = settings(**{"partition_by": "task", **changes})
    with pytest.raises(DataError, match=rf"out: holds an unfinished export of {message}. Pass --overwrite"):
        export(FakeRanker(model), requests, unfinished, options)
    assert contents(unfinished) == before
    export(FakeRanker(model), requests, unfinished, options, overwrite=True)
    assert "_manifest.json" in contents(unfinished)


def test_other_requests_are_another_export(tmp_path, unfinished):
    with pytest.raises(DataError, match="unfinished export of other requests"):
        export(FakeRanker(), write_requests(tmp_path / "b.parquet", rows=31), unfinished, settings(partition_by="task"))
