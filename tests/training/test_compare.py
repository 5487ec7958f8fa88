"""Runs against each other: folded by seed, judged in what they learned, refused where that would be unfair."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from features.errors import DataError
from tests.training.worlds import config, with_training, world, write
from training.compare import compare
from training.fit import fit


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: str) -> Path:
    """A folder with the data, a run of two seeds, a wider one, and one of a single task."""
    folder = tmp_path_factory.mktemp("runs")
    data, small = write(folder / "data", world()), config(tiny_encoder, refit=False)
    other = replace(small, model=replace(small.model, space=replace(small.model.space, temperature=0.1)))
    made = {
        "first": small,
        "second": with_training(small, seed=1),
        "warm": other,
        "search": replace(small, train_tasks=("search",)),
    }
    for name, settings in made.items():
        fit(data, folder / name, settings, quiet=True)
    return folder


def compared(folder: Path, *names: str, **options):
    settings = {"split": "test", "k": "1,10,20", "exclude_seen": None, "json": None, "seed": 0} | options
    return compare([str(folder / name) for name in names], folder / "data", quiet=True, **settings)


def test_two_runs_are_compared_per_task(runs, tmp_path):
    found = compared(runs, "first", "warm", json=tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text()) == found
    assert set(found["rankers"]) == {"first", "warm"}
    assert {(row["a"], row["b"]) for row in found["comparisons"]} == {("first", "warm")}
    assert {row["task"] for row in found["comparisons"]} == {"search", "recommendation", "similar"}
    for row in found["comparisons"]:
        a, b = (
            found["rankers"][name]["tasks"][row["task"]]["metrics"][row["metric"]]["value"]
            for name in ("first", "warm")
        )
        assert row["difference"] == pytest.approx(a - b)
        assert row["low"] <= row["difference"] <= row["high"]


def test_runs_that_differ_in_their_seed_alone_are_folded(runs):
    found = compared(runs, "first", "warm", "second")
    assert list(found["rankers"]) == ["first (2 seeds)", "warm"]
    assert [run["seed"] for run in found["runs"]["first (2 seeds)"]] == [0, 1]
    alone = [compared(runs, name, "warm")["rankers"][name]["tasks"]["search"] for name in ("first", "second")]
    values = [node["metrics"]["ndcg_at_10"]["value"] for node in alone]
    node = found["rankers"]["first (2 seeds)"]["tasks"]["search"]
    assert node["seeds"]["ndcg_at_10"]["values"] == pytest.approx(values)
    assert node["metrics"]["ndcg_at_10"]["value"] == pytest.approx(sum(values) / 2)
    assert node["seeds"]["ndcg_at_10"]["spread"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)


def test_a_run_of_one_task_is_compared_in_it(runs):
    found = compared(runs, "first", "search")
    assert set(found["rankers"]["search"]["tasks"]) == {"search"}
    assert {row["task"] for row in found["comparisons"]} == {"search"}
    turned = compared(runs, "search", "first")
    assert set(turned["rankers"]["search"]["tasks"]) == set(turned["examples"]) == {"search"}
    assert [row["difference"] for row in turned["comparisons"]] == pytest.approx(
        [-row["difference"] for row in found["comparisons"]]
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("first",), "is one ranker, and there is nothing to compare it with"),
        (("first", "second"), "is one ranker with several seeds, and there is nothing to compare it with"),
        (("first", "first"), "names a run twice"),
        (("first", "warm", "nowhere/found.json"), "its folder is not there. Make it"),
        (("first", "gone"), "no such run folder"),
    ],
)
def test_what_is_no_comparison_is_one_line(runs, names, message):
    *names, last = names
    json = runs / last if last.endswith(".json") else None
    with pytest.raises(DataError, match=message) as caught:
        compared(runs, *names, *([] if json else [last]), json=json)
    assert "\n" not in str(caught.value)


def test_runs_must_be_fitted_alike(runs, fitted):
    with pytest.raises(DataError, match=r"first on train but .*run on train and valid were fitted"):
        compared(runs, "first", str(fitted))


def test_a_split_that_a_run_has_seen_is_refused(runs, fitted):
    with pytest.raises(DataError, match="cannot be judged on valid"):
        compared(runs, str(fitted), "first", split="valid")


def test_the_command_prints_differences(unicorn, runs):
    code, out, err = unicorn("compare", runs / "first", runs / "warm", runs / "second", "--data", runs / "data")
    assert code == 0, err
    for word in ("first (2 seeds)", "warm", "±", "Holm"):
        assert word in out
    code, out, err = unicorn("compare", runs / "first", "--data", runs / "data")
    assert (code, out, len(err)) == (1, "", 1)
