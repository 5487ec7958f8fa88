from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from features.config import ImputationConfig
from features.errors import DataError
from features.history import History
from features.imputation import FIELDS, Imputer, RequestRows, hide_fields

USERS = 4  # anonymous, unknown, 2 with a home and a history, 3 with neither
HOME = np.array([0, 0, 3, 0])
HISTORY = History.build(np.array([2, 2]), np.array([5, 6]), USERS, ordered=True)  # the user's last item is 6
TITLE = np.array([0, 0, 0, 0, 40, 50, 60])  # rows of titles in the query table; item 3 has none


def request(**fields: int) -> RequestRows:
    values = {"task": 0, "user": 0, "country": 0, "query": 0, "source": 0, **fields}
    columns = {name: np.array([value]) for name, value in values.items()}
    end = HISTORY.ends(columns["user"])
    return RequestRows(
        **columns, owner=columns["user"], end=end, query_end=np.array([-1]), hide=np.zeros((1, 1), dtype=np.int64)
    )


def impute(rows: RequestRows, **switches: Any) -> tuple[dict[str, int], list[str]]:
    imputer = Imputer(ImputationConfig(**switches), HOME, USERS)
    filled, flags = imputer.apply(rows, HISTORY, TITLE)
    fields = {name: int(getattr(filled, name)[0]) for name in ("query", "source", "country", "user")}
    return fields, [name for name, flag in zip(FIELDS, flags[0], strict=True) if flag]


FULL = {"query": 9, "source": 4, "country": 2, "user": 2}


def test_nothing_is_missing() -> None:
    for switches in ({}, {"query_with_source": "none", "query_without_source": "last", "source": "last"}):
        assert impute(request(**FULL), **switches) == (FULL, [])


TABLE = [
    # what the request has, the switches, what comes out, what was missing
    ({"query": 9}, {}, {"query": 9}, ["source", "country", "user", "history"]),
    ({"query": 9}, {"source": "last"}, {"query": 9}, ["source", "country", "user", "history"]),
    ({"query": 9, "user": 2}, {"source": "last"}, {"query": 9, "user": 2, "country": 3}, ["source", "country"]),
    ({"source": 4}, {}, {"source": 4, "query": 40}, ["query", "country", "user", "history"]),
    ({"source": 4}, {"query_with_source": "none"}, {"source": 4}, ["query", "country", "user", "history"]),
    ({"source": 3}, {}, {"source": 3}, ["query", "country", "user", "history"]),  # it has no title
    (
        {"source": 4, "user": 2},
        {"query_with_source": "none", "query_without_source": "last", "source": "last"},
        {"source": 4, "user": 2, "country": 3},
        ["query", "country"],
    ),
    ({"user": 2}, {}, {"user": 2, "country": 3}, ["query", "source", "country"]),
    ({"user": 2}, {"country": "none"}, {"user": 2}, ["query", "source", "country"]),
    (
        {"user": 2},
        {"query_without_source": "last"},
        {"user": 2, "query": 60, "country": 3},
        ["query", "source", "country"],
    ),
    ({"user": 2}, {"source": "last"}, {"user": 2, "source": 6, "country": 3}, ["query", "source", "country"]),
    (
        {"user": 2},
        {"query_without_source": "last", "source": "last"},
        {"user": 2, "query": 60, "source": 6, "country": 3},
        ["query", "source", "country"],
    ),
    ({"user": 3}, {"query_without_source": "last", "source": "last"}, {"user": 3}, [*FIELDS[:3], "history"]),
    ({"user": 1}, {}, {"user": 1}, ["query", "source", "country", "history"]),  # a new user is no missing one
    ({}, {}, {}, list(FIELDS)),
    ({}, {"user": "country"}, {"user": USERS}, list(FIELDS)),
    ({"country": 3}, {"user": "country"}, {"user": USERS + 3, "country": 3}, ["query", "source", "user", "history"]),
    ({"country": 3}, {}, {"country": 3}, ["query", "source", "user", "history"]),
    ({"country": 2, "user": 2}, {}, {"country": 2, "user": 2}, ["query", "source"]),  # stated, and not at home
    ({"user": 2}, {"user": "country"}, {"user": 2, "country": 3}, ["query", "source", "country"]),
]


@pytest.mark.parametrize(("has", "switches", "expected", "missing"), TABLE)
def test_the_table(has: dict[str, int], switches: dict[str, str], expected: dict[str, int], missing: list[str]) -> None:
    blank = {"query": 0, "source": 0, "country": 0, "user": 0}
    assert impute(request(**has), **switches) == (blank | expected, missing)


def test_flags_never_depend_on_the_switches() -> None:
    choices = (("title", "none"), ("none", "last"), ("none", "last"), ("home", "none"), ("anonymous", "country"))
    names = ("query_with_source", "query_without_source", "source", "country", "user")
    for has in ({}, {"user": 2}, {"source": 4}, FULL):
        found = {
            tuple(impute(request(**has), **dict(zip(names, chosen, strict=True)))[1]) for chosen in product(*choices)
        }
        assert len(found) == 1


@pytest.mark.parametrize("name", ["query_with_source", "query_without_source", "source", "country", "user"])
def test_a_switch_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(DataError, match=rf"features.imputation.{name} is 'mean'. Choose one of "):
        ImputationConfig(**{name: "mean"})  # type: ignore[arg-type]


def test_the_last_item_is_never_the_hidden_one() -> None:
    history = History.build(np.array([2, 2]), np.array([5, 6]), USERS, ordered=False)
    imputer = Imputer(ImputationConfig(source="last"), HOME, USERS)
    for hidden, other in ((5, 6), (6, 5)):
        rows = request(user=2)._replace(hide=np.array([[hidden]]))
        filled, flags = imputer.apply(rows, history, TITLE)
        assert filled.source[0] == other
        assert flags[0, FIELDS.index("history")] == 0


def many(count: int) -> RequestRows:
    rows = request(**FULL)
    return RequestRows(*(np.repeat(column, count, axis=0) for column in rows))


def test_hidden_fields_look_like_missing_ones() -> None:
    rows = hide_fields(many(3), dict.fromkeys(FIELDS, 1.0), np.random.default_rng(0))
    flags = Imputer(ImputationConfig(), HOME, USERS).apply(rows, HISTORY, TITLE)[1]
    np.testing.assert_array_equal(flags, np.ones((3, 5)))


def test_a_hidden_user_takes_the_history_along_and_a_hidden_history_leaves_the_user() -> None:
    anonymous = hide_fields(many(2), {"user": 1.0}, np.random.default_rng(0))
    assert not anonymous.user.any() and not anonymous.owner.any() and not anonymous.end.any()
    forgetful = hide_fields(many(2), {"history": 1.0}, np.random.default_rng(0))
    assert (forgetful.user == 2).all() and not forgetful.owner.any() and not forgetful.end.any()
    assert not HISTORY.matrix(forgetful.owner, forgetful.end, 7, forgetful.hide).nnz


def test_fields_are_hidden_at_their_rates_and_each_on_its_own() -> None:
    rows = hide_fields(many(20_000), {"query": 0.3, "source": 0.5, "item_id": 1.0}, np.random.default_rng(1))
    query, source = rows.query == 0, rows.source == 0
    assert abs(query.mean() - 0.3) < 0.02 and abs(source.mean() - 0.5) < 0.02
    assert abs((query & source).mean() - 0.15) < 0.02
    assert (rows.user == 2).all() and (rows.country == 2).all()


def test_nothing_to_hide() -> None:
    rows = many(4)
    for column, same in zip(hide_fields(rows, {}, np.random.default_rng(0)), rows, strict=True):
        np.testing.assert_array_equal(column, same)
