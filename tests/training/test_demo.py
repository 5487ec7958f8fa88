"""The demo from end to end, on a world that is as small as one can be."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import polars as pl
import pytest

import training.demo
from features.errors import DataError
from features.simulate.knobs import Knobs
from serving.config import ServingConfig
from serving.ranker import Ranker
from tests.training.evaluation.page_reader import Reader
from tests.training.worlds import config
from training.commands import demo as command
from training.config import FitConfig, TrackingConfig
from training.demo import demo, duration
from training.demo_page import demo_page

KNOBS = Knobs(items=300, users=150, events=4_000, requests=60)
TASKS = ("search", "recommendation", "similar", "presearch")


class Made(NamedTuple):
    """A finished demo."""

    out: Path
    printed: str
    settings: FitConfig


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: str) -> Iterator[Made]:
    """A demo that tracks as it does for a user who has set nothing; it is read, never written."""
    out, before = tmp_path_factory.mktemp("demo") / "out", mlflow.get_tracking_uri()
    settings = replace(config(tiny_encoder), tracking=TrackingConfig(), serving=ServingConfig())
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        demo(out, KNOBS, quiet=True, settings=settings)
        assert list(Path().iterdir()) == []
    mlflow.set_tracking_uri(before)
    yield Made(out, printed.getvalue(), settings)


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_leaves_the_folder_of_the_contract(made: Made) -> None:
    assert {path.name for path in made.out.iterdir()} == {
        *("data", "run", "evaluation.json", "export", "report.html"),
        *("demo.json", "mlflow.db", "mlruns"),
    }
    state = json.loads((made.out / "demo.json").read_text())
    assert list(state["seconds"]) == ["simulate", "fit", "evaluate", "export", "report"]
    assert state["identity"]["world"]["items"] == 300


def test_the_oracle_is_judged_apart_from_the_baselines(made: Made) -> None:
    evaluation = json.loads((made.out / "evaluation.json").read_text())
    assert list(evaluation["rankers"]) == ["unicorn", "popularity", "bm25", "ease"]
    assert set(evaluation["oracle"]["tasks"]) == set(evaluation["oracle"]["covered"]) == set(TASKS)
    for task, node in evaluation["oracle"]["tasks"].items():
        best = max(ranker["tasks"][task]["metrics"]["ndcg_at_10"]["value"] for ranker in evaluation["rankers"].values())
        assert node["metrics"]["ndcg_at_10"]["value"] > best


def test_it_prints_a_table_per_task_and_where_the_report_is(made: Made) -> None:
    lines = made.printed.splitlines()
    for task in TASKS:
        assert sum(line.startswith(f"{task}: ") and "requests" in line for line in lines) == 1
    for name in ("unicorn", "popularity", "bm25", "ease", "oracle (truth)"):
        assert sum(line.startswith(f"│ {name} ") for line in lines) == len(TASKS)
    assert sum("of the way from" in line for line in lines) == len(TASKS)
    assert lines[-1] == str(made.out / "report.html")


def test_the_export_answers_as_rank_does(made: Made) -> None:
    requests = pl.read_parquet(made.out / "data" / "requests.parquet")
    exported = pl.read_parquet(made.out / "export" / "part-*.parquet")
    assert exported["request_id"].n_unique() == len(requests) == 60
    assert exported["rank"].max() == 20
    ranker = Ranker.load(made.out / "run")
    for request in requests.head(10).iter_rows(named=True):
        asked = {name: value for name, value in request.items() if name != "request_id"}
        alone = ranker.rank([asked], 10)["item_id"].to_list()  # as `unicorn rank` does
        assert exported.filter(pl.col("request_id") == request["request_id"])["item_id"].head(10).to_list() == alone


def test_the_report_tells_the_world_the_figures_and_some_answers(made: Made) -> None:
    page = (made.out / "report.html").read_text(encoding="utf-8")
    read = Reader(page)
    assert {attributes.get("id") for tag, attributes in read.seen if tag == "section"} == {None, *TASKS}
    assert {f"NDCG@10 of {task}" for task in TASKS} <= set(read.charts)
    evaluation = json.loads((made.out / "evaluation.json").read_text())
    for told in (
        "300 items, 150 users, 4,000 events in 180 days (version 1, seed 0)",
        evaluation["model"]["id"][:12],
        *("popularity", "bm25", "ease", "unicorn", "oracle (truth)"),
        f"{evaluation['oracle']['tasks']['search']['metrics']['ndcg_at_10']['value']:.3f}",
        *("item cold", "user light", "gap later"),
    ):
        assert told in read.told
    judged = sum(map(len, evaluation.get("examples", {}).values()))
    assert sum(attributes.get("class") == "card" for _, attributes in read.seen) == 3 * len(TASKS) + judged


def test_titles_are_text(made: Made, tmp_path: Path) -> None:
    out = shutil.copytree(made.out, tmp_path / "copy")
    items = pl.read_parquet(out / "data" / "items.parquet")
    nasty = "</style><script>alert(1)</script> & more"
    items.with_columns(title=pl.lit(nasty), category=pl.lit("<i>")).write_parquet(out / "data" / "items.parquet")
    identity = json.loads((out / "demo.json").read_text())["identity"]
    read = Reader(demo_page(training.demo_folder.DemoFolder(out, identity, {})))
    assert nasty in read.told
    assert "alert(1)" not in "".join(read.scripts)
    assert "i" not in {tag for tag, _ in read.seen}


def test_an_unfinished_demo_goes_on_step_by_step(made: Made, tmp_path: Path) -> None:
    out = shutil.copytree(made.out, tmp_path / "copy")
    (out / "evaluation.json").unlink()
    (out / "report.html").unlink()
    shutil.rmtree(out / "export")
    kept = [out / "data" / "items.parquet", out / "run" / "manifest.json"]
    written = [path.stat().st_mtime_ns for path in kept]
    demo(out, KNOBS, quiet=True, settings=made.settings)
    assert [path.stat().st_mtime_ns for path in kept] == written
    assert (out / "evaluation.json").read_bytes() == (made.out / "evaluation.json").read_bytes()
    assert parts(out / "export") == parts(made.out / "export")
    assert (out / "report.html").is_file()


def test_a_step_that_fails_leaves_the_steps_before_it(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any, **options: Any) -> None:
        raise DataError("no disk")

    monkeypatch.setattr(training.demo, "fit", broken)
    caplog.set_level("INFO", logger="training.demo")
    settings = replace(made.settings, tracking=TrackingConfig(enabled=False))
    for _ in range(2):
        with pytest.raises(DataError, match="no disk"):
            demo(tmp_path / "out", KNOBS, settings=settings)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"data", "demo.json"}
    told = [record.getMessage() for record in caplog.records]
    where = tmp_path / "out" / "data"
    world = f"1 of 5: a marketplace of 300 items, 150 users, 4,000 events, seed 0 into {where}"
    assert told[0] == world
    assert told[1].startswith("1 of 5: took ")
    assert told[2] == f"2 of 5: one model for all tasks into {tmp_path / 'out' / 'run'}"
    assert told[3:] == [f"{world}: is there already", told[2]]


def test_a_complete_demo_is_refused_and_untouched(made: Made) -> None:
    with pytest.raises(DataError, match="holds a complete demo"):
        demo(made.out, KNOBS, settings=made.settings)
    with pytest.raises(DataError, match="holds a complete demo"):
        demo(made.out, replace(KNOBS, seed=1), settings=made.settings)


def test_it_tracks_where_the_user_has_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for store in ("sqlite:///mine.db", ""):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
        found = training.demo._tracking(tmp_path, TrackingConfig()).uri
        assert found == (None if store else f"sqlite:///{tmp_path / 'mlflow.db'}")
    named = TrackingConfig(uri="sqlite:///named.db")
    assert training.demo._tracking(tmp_path, named) == named


def test_the_command_passes_what_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(training.demo, "demo", lambda *given, **options: calls.append((given, options)))
    command(tmp_path / "a", items=500, seed=3, overwrite=True)
    command()
    assert calls == [
        ((tmp_path / "a", Knobs(items=500, seed=3)), {"overwrite": True, "quiet": False}),
        ((Path("demo"), Knobs()), {"overwrite": False, "quiet": False}),
    ]


def test_a_bad_knob_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="items: -1 is"):
        command(tmp_path / "out", items=-1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("seconds", "told"), [(0.04, "0.0 s"), (59.2, "59.2 s"), (61.0, "1 min 1 s")])
def test_times_are_for_a_person(seconds: float, told: str) -> None:
    assert duration(seconds) == told
