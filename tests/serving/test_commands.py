"""``rank`` and ``export`` on the command line, with the fake ranker in the place of a run."""

import io
import sys

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from features.errors import DataError
from serving.commands import export, rank
from serving.table import print_ranking, ranking
from tests.serving.fake_ranker import FakeRanker, install


@pytest.fixture
def loaded(monkeypatch):
    return install(monkeypatch)


def run(*words):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(rank)
    app.command()(export)
    return CliRunner().invoke(app, [str(word) for word in words])


def test_rank_prints_a_table_that_programs_can_read(loaded):
    done = run("rank", "RUN", "--task", "search", "--user", "u", "--query", "red", "--top-k", 2)
    assert done.exit_code == 0
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines == [
        ["rank", "item_id", "title", "category", "score"],
        ["1", "i1", "thing 1", "A > B", "10"],
        ["2", "i2", "thing 2", "A > B", "9"],
    ]
    assert loaded == ["RUN"]


def test_an_item_without_title_has_an_empty_one(loaded):
    assert run("rank", "RUN", "--task", "search", "--top-k", 1).stdout.splitlines()[1] == "1\ti0\t\tA > B\t10"


def test_nothing_to_serve_is_an_empty_table(loaded):
    done = run("rank", "RUN", "--task", "search", "--country", "ZZ")
    assert done.stdout.splitlines() == ["rank\titem_id\ttitle\tcategory\tscore"]


@pytest.mark.parametrize("words", [("--task", "levitation"), ("--task", "search", "--exclude-seen", "levitation")])
def test_an_unknown_task_is_named(loaded, words):
    done = run("rank", "RUN", *words)
    assert isinstance(done.exception, DataError)
    assert "'levitation'" in str(done.exception)


def test_export_says_what_it_wrote(loaded, tmp_path):
    pl.DataFrame({"request_id": ["a", "b"], "task": "search"}).write_parquet(tmp_path / "r.parquet")
    words = ("export", "RUN", "--requests", tmp_path / "r.parquet", "--top-k", 2)
    assert run(*words, "--out", tmp_path / "a").stdout == f"{tmp_path / 'a'}: 4 rows for 2 requests in 1 parts\n"
    assert run(*words, "--out", tmp_path / "b", "--quiet", "--partition-by", "task").stdout == ""
    assert (tmp_path / "b" / "task=search" / "part-000000.parquet").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--engine", "ray", "--top-k", "2"), "local"),
        (("--top-k", "0"), "--top-k"),
        (("--top-k", "2", "--partition-by", "country"), "task"),
        ((), "--top-k"),
    ],
)
def test_wrong_usage_is_two(loaded, tmp_path, words, message):
    done = run("export", "RUN", "--requests", "r.parquet", "--out", tmp_path / "out", *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not loaded


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_person_sees_a_table_without_markup_tricks():
    items = FakeRanker().items.with_columns(title=pl.lit("[red]a\tb\n[/red]"))
    answer = FakeRanker().rank([{"task": "search"}], 1)
    screen = Terminal()
    print_ranking(ranking(answer, items), screen)
    assert "[red]a b [/red]" in screen.getvalue()
    assert "10.0000" in screen.getvalue()


def test_without_an_option_the_run_says_in_which_tasks_seen_items_are_left_out(monkeypatch):
    asked = []
    install(monkeypatch)
    fake = sys.modules["serving.ranker"].Ranker
    answer = fake.rank
    monkeypatch.setattr(fake, "rank", lambda self, *words: asked.append(words[2]) or answer(self, *words))
    run("rank", "RUN", "--task", "search")
    run("rank", "RUN", "--task", "search", "--exclude-seen", "none")
    assert asked == [("recommendation",), ()]
