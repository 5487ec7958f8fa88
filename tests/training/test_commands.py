"""``unicorn fit`` and ``unicorn evaluate`` as the front door runs them."""

from __future__ import annotations

import json

import polars as pl
import pytest
import yaml

from features.split import with_split
from features.tables import open_data
from serving.ranker import Ranker
from tests.training.worlds import config, read_yaml, world, write, write_config
from training.config import FitConfig


@pytest.fixture(scope="module")
def settings(tmp_path_factory, tiny_encoder):
    return write_config(tmp_path_factory.mktemp("settings") / "small.yaml", config(tiny_encoder))


def test_fit_prints_the_run_and_nothing_of_others(unicorn, data, settings, tmp_path):
    options = ("--config", settings, "--tasks", "search,similar", "--no-refit", "--training.space.max_steps=5")
    code, out, err = unicorn("fit", data, "--out", tmp_path / "run", *options)
    assert (code, out) == (0, f"{tmp_path / 'run'}\n")
    assert not [line for line in err if "Trainer" in line or "GPU" in line or "litlogger" in line]
    told = read_yaml(tmp_path / "run" / "config.yaml")
    assert told["train_tasks"] == ["search", "similar"]
    assert told["refit"] is False
    assert told["training"]["space"]["max_steps"] == 5
    assert Ranker.load(tmp_path / "run").facts.fitted_on == ("train",)


def test_quiet_is_quiet(unicorn, data, settings, tmp_path):
    code, _, err = unicorn("fit", data, "--out", tmp_path / "run", "--config", settings, "--quiet")
    assert code == 0
    assert [line for line in err if not line.startswith("warning: ")] == []


def test_the_settings_of_a_run_fit_it_again(unicorn, data, fitted, tmp_path):
    code, *_ = unicorn("fit", data, "--out", tmp_path / "run", "--config", fitted / "config.yaml", "--quiet")
    assert code == 0
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (fitted / "model.safetensors").read_bytes()


def test_an_out_in_use_is_one_line(unicorn, data, fitted, settings):
    code, out, (*_, last) = unicorn("fit", data, "--out", fitted, "--config", settings)
    assert (code, out) == (1, "")
    assert last == f"error: {fitted}: holds a complete run. Name another --out, or pass --overwrite."


def test_broken_data_is_one_line_and_writes_nothing(unicorn, settings, tmp_path):
    tables = world()
    tables["items"] = pl.concat([tables["items"], tables["items"].head(1)])
    data = write(tmp_path / "data", tables)
    code, out, err = unicorn("fit", data, "--out", tmp_path / "run", "--config", settings)
    assert (code, out, len(err)) == (1, "", 1)
    assert err[0].startswith(f"error: {data}/items")
    assert not (tmp_path / "run").exists()


def test_a_wrong_file_of_settings_is_one_line(unicorn, data, tmp_path):
    (tmp_path / "a.yaml").write_text("training:\n  lerning_rate: 1\n")
    code, out, err = unicorn("fit", data, "--out", tmp_path / "run", "--config", tmp_path / "a.yaml")
    assert (code, out, len(err)) == (1, "", 1)
    assert "a.yaml: not settings of a fit" in err[0]
    assert "lerning_rate" in err[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--levitate", "--levitate"),
        ("--model.space.widht=8", "--model.space.widht"),
        ("--training.seed=many", "training.seed"),
        ("--model.space.width=0", "model.space.width is 0, it must be at least 1"),
        ("stray", "stray"),
    ],
)
def test_a_wrong_option_is_wrong_usage_in_one_line(unicorn, data, tmp_path, option, named):
    code, out, err = unicorn("fit", data, "--out", tmp_path / "run", option)
    assert (code, out, len(err)) == (2, "", 1)
    assert named in err[0]
    assert not (tmp_path / "run").exists()


def test_settings_can_be_looked_at(unicorn, data, tmp_path):
    code, out, err = unicorn("fit", data, "--out", tmp_path / "run", "--print-config", "--model.space.width=8")
    assert (code, err) == (0, [])
    shown = yaml.safe_load(out)
    assert shown["model"]["space"]["width"] == 8
    assert shown["training"]["seed"] == FitConfig().training.seed
    assert not (tmp_path / "run").exists()


def test_evaluate_prints_a_table_and_writes_the_file(unicorn, data, fitted, tmp_path):
    options = ("--data", data, "--k", "1,20", "--exclude-seen", "all", "--json", tmp_path / "found.json")
    code, out, _ = unicorn("evaluate", fitted, *options)
    assert code == 0
    for word in ("search", "recommendation", "similar", "unicorn", "popularity"):
        assert word in out
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["protocol"]["k"] == [1, 20]
    assert found["protocol"]["exclude_seen"] == list(Ranker.load(fitted).tasks)
    assert found["model"]["id"] == Ranker.load(fitted).model_id
    assert set(found["rankers"]) == {"unicorn", "popularity"}


def test_evaluate_writes_a_page(unicorn, data, fitted, tmp_path):
    options = (
        "--data",
        data,
        "--baselines",
        "query-count,ease",
        "--metrics",
        "ndcg_at_10",
        "--html",
        tmp_path / "page.html",
        "--quiet",
    )
    code, out, _ = unicorn("evaluate", fitted, *options)
    assert (code, out) == (0, "")
    page = (tmp_path / "page.html").read_text()
    for word in ("query-count", "What a missing field costs", "plotly"):
        assert word in page
    code, _, err = unicorn("evaluate", fitted, "--data", data, "--html", tmp_path, "--quiet")
    assert (code, err[-1]) == (1, f"error: {tmp_path}: is a folder. Name a file as --html.")


def test_evaluate_judges_what_is_served(unicorn, data, fitted, tmp_path):
    """By hand: the answers of the ranker that knows train and valid, against the targets of test."""
    options = ("--k", "1,20", "--baselines", "none", "--json", tmp_path / "found.json", "--quiet")
    unicorn("evaluate", fitted, "--data", data, *options)
    found = json.loads((tmp_path / "found.json").read_text())["rankers"]["unicorn"]["tasks"]["search"]
    events = with_split(open_data(data).events.with_row_index("row")).collect().sort("row")
    known = Ranker.load(fitted).knowing(events.filter(pl.col("split") != "test"))
    test = events.filter(pl.col("split") == "test", pl.col("task") == "search", pl.col("label") > 0)
    requests = test.select(
        "task", "user_id", "query", "country", "source_item_id", request_id=pl.col("row").cast(pl.String)
    )
    answer = known.rank(requests, 20).join(
        test.select(target="item_id", request_id=pl.col("row").cast(pl.String)), on="request_id", validate="m:1"
    )
    hits = answer.filter(pl.col("item_id") == pl.col("target"))
    shown_there = pl.col("country").is_null() | (pl.col("country") == "DE") | (pl.col("item_id") != "i7")
    requests_judged = test.filter(shown_there).height
    assert found["requests"] == requests_judged
    assert found["metrics"]["recall_at_20"]["value"] == pytest.approx(len(hits) / requests_judged)
    assert found["metrics"]["mrr"]["value"] == pytest.approx((1 / hits["rank"]).sum() / requests_judged)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--split", "valid"), "was fitted on train and valid, so it cannot be judged on valid"),
        (("--metrics", "mrr,mrr"), "metrics: mrr, mrr names one twice"),
        (("--split", "tomorrow"), "'tomorrow' cannot be judged"),
        (("--baselines", "oracle"), "'oracle' is not known. Choose from bm25, ease, ease-queries, fusion, ials"),
        (("--baselines", "ease,ease"), "names one twice"),
        (("--k", "ten"), "k: 'ten' is not a list of whole numbers"),
        (("--k", "5", "--metrics", "ndcg_at_7"), "Choose from recall_at_5, hit_at_5, ndcg_at_5, map_at_5, mrr"),
        (("--exclude-seen", "levitation"), "'levitation' is not a task"),
    ],
)
def test_a_wrong_evaluation_is_one_line(unicorn, data, fitted, tmp_path, options, message):
    code, _, err = unicorn("evaluate", fitted, "--data", data, "--json", tmp_path / "found.json", *options, "--quiet")
    assert code == 1
    assert [line for line in err if not line.startswith("warning: ")] == [err[-1]]
    assert message in err[-1]
    assert not (tmp_path / "found.json").exists()
