"""The single-task twin: trained on one task alone, told of it alone, and made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from features.errors import DataError
from features.split import with_split
from features.tables import open_data
from serving import manifest
from serving.ranker import Ranker
from tests.training.worlds import config, read_yaml, world, write
from training.evaluate import evaluate
from training.fit import fit


@pytest.fixture(scope="module")
def run(fitted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a run, beside which twins may be written."""
    return Path(shutil.copytree(fitted, tmp_path_factory.mktemp("twins") / "run"))


def judge(run: Path, data: Path, **options):
    settings = {"k": "1,20", "baselines": "twin", "exclude_seen": None, "json": None, "seed": 0} | options
    return evaluate(str(run), data, "test", quiet=True, **settings)


@pytest.fixture(scope="module")
def found(run: Path, data: Path):
    return judge(run, data)


def test_each_task_is_answered_by_its_own_twin(found, run, data):
    tasks = found["rankers"]["twin"]["tasks"]
    assert set(tasks) == {"search", "recommendation", "similar"}
    assert {path.name for path in run.with_name("run.twins").iterdir()} == set(tasks)
    for task in tasks:
        ranker = Ranker.load(run.with_name("run.twins") / task)
        assert ranker.facts.train_tasks == (task,)
        assert ranker.facts.fitted_on == Ranker.load(run).facts.fitted_on
    assert {(row["a"], row["b"]) for row in found["comparisons"]} == {("unicorn", "twin")}


def test_a_twin_is_the_run_of_its_task(found, run, data):
    alone = evaluate(
        str(run.with_name("run.twins") / "search"), data, "test", "1,20", "none", None, None, 0, quiet=True
    )
    expected = alone["rankers"]["unicorn"]["tasks"]["search"]["metrics"]
    assert found["rankers"]["twin"]["tasks"]["search"]["metrics"] == expected


def test_twins_are_made_once(found, run, data):
    made = run.with_name("run.twins") / "search" / manifest.NAME
    before = made.stat().st_mtime_ns
    assert judge(run, data)["rankers"]["twin"] == found["rankers"]["twin"]
    assert made.stat().st_mtime_ns == before


def test_twins_of_other_settings_are_made_again(found, run, data):
    twin = run.with_name("run.twins") / "similar"
    text = (twin / "config.yaml").read_text()
    other = text.replace("valid_requests: ", "valid_requests: 1")
    assert other != text
    (twin / "config.yaml").write_text(other)
    facts = manifest.read(twin)
    manifest.write(twin, {name: value for name, value in facts.items() if name not in ("files", "format")})
    before = (twin / manifest.NAME).stat().st_mtime_ns
    judge(run, data)
    assert (twin / manifest.NAME).stat().st_mtime_ns != before
    assert (twin / "config.yaml").read_text() == text


@pytest.mark.parametrize("splits", [("test",), ("valid", "test")])
def test_a_task_without_engagements_in_train_has_no_twin(tmp_path, tiny_encoder, splits):
    tables = world()
    events = with_split(open_data(write(tmp_path / "first", tables)).events).collect()
    moved = (pl.col("task") == "similar") & pl.col("split").is_in(splits)
    tables["events"] = events.with_columns(
        split="split", task=pl.when(moved).then(pl.lit("presearch")).otherwise("task")
    )
    run = fit(write(tmp_path / "data", tables), tmp_path / "run", config(tiny_encoder), quiet=True)
    found = judge(run, tmp_path / "data")["rankers"]
    assert "presearch" in found["unicorn"]["tasks"]
    assert set(found["twin"]["tasks"]) == {"search", "recommendation"}


def test_what_has_no_twin_is_named(run, data, tmp_path):
    tables = world(seed=3)
    with pytest.raises(DataError, match=r"run: was fitted on other data than .*so twin cannot be made of it there"):
        judge(run, write(tmp_path / "data", tables))
    with pytest.raises(DataError, match=r"was trained on search alone\. Leave out twin"):
        judge(run.with_name("run.twins") / "search", data)
    assert read_yaml(run.with_name("run.twins") / "search" / "config.yaml")["train_tasks"] == ["search"]
