import pytest

from features.errors import DataError
from serving.exclusion import check, parse

TASKS = ("search", "recommendation", "similar")


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        (None, ("recommendation", "similar")),
        ("all", TASKS),
        ("none", ()),
        ("similar, search", ("search", "similar")),
        ("similar,similar", ("similar",)),
    ],
)
def test_tasks_come_once_in_the_order_of_the_run(text, tasks):
    assert parse(text, TASKS) == tasks


@pytest.mark.parametrize("text", ["levitation", "search,levitation", "", "search,all"])
def test_what_is_no_task_is_named(text):
    with pytest.raises(DataError, match=r"is not a task of this run. Give all, none, or some of search"):
        parse(text, TASKS)


def test_names_are_checked():
    assert check(["similar"], TASKS) == ("similar",)
