"""Names of tables, columns, splits and tasks, each stated once."""

from typing import Final


class Table:
    """Tables of a data folder."""

    ITEMS: Final = "items"
    USERS: Final = "users"
    EVENTS: Final = "events"
    JUDGMENTS: Final = "judgments"
    SCORES: Final = "scores"


class Col:
    """Columns of the tables, of requests and of answers."""

    ITEM: Final = "item_id"
    USER: Final = "user_id"
    TASK: Final = "task"
    LABEL: Final = "label"
    QUERY: Final = "query"
    COUNTRY: Final = "country"
    SOURCE_ITEM: Final = "source_item_id"
    TIMESTAMP: Final = "timestamp"
    ORDER: Final = "order"
    REQUEST: Final = "request_id"
    POSITION: Final = "position"
    WEIGHT: Final = "weight"
    SOURCE: Final = "source"
    SPLIT: Final = "split"
    TITLE: Final = "title"
    TEXT: Final = "text"
    CATEGORY: Final = "category"
    COUNTRIES: Final = "countries"
    CREATED: Final = "created_at"
    RELEVANCE: Final = "relevance"
    SCORE: Final = "score"
    CANDIDATES: Final = "candidates"
    RANK: Final = "rank"


class Split:
    """Parts of the events, in the order of time."""

    TRAIN: Final = "train"
    VALID: Final = "valid"
    TEST: Final = "test"


SPLITS: Final = (Split.TRAIN, Split.VALID, Split.TEST)
TASKS: Final = ("search", "recommendation", "similar", "presearch")
"""The tasks of the default configuration."""
SEARCH: Final = "search"
"""The task that graded judgments belong to, and the one that keeps seen items, unless configured otherwise."""
