from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import text as text_module
from features.text import NgramHasher, bag_of_words, normalise, split_words, word_hash, words


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Red\tChair \n", "red chair"),
        ("Große STRASSE", "grosse strasse"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("ﬁne ①", "fine 1"),
        ("", ""),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert normalise(text) == normal


@given(st.text())
def test_the_normal_form_of_the_normal_form_is_itself(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(alphabet="aÅßΐͅİıſ한글ｱﾞ가\u0301\u0345\u0328", max_size=6))
def test_marks_and_odd_letters_have_one_normal_form(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Red chair, 2-seat!", ["red", "chair", "2", "seat"]),
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),  # vowels and virama are marks, and belong to their word
        ("ภาษาไทย ดีมาก", ["ภาษาไทย", "ดีมาก"]),
        ("빨간 의자", ["빨간", "의자"]),
        ("红色 椅子", ["红色", "椅子"]),
        ("❤️ …", []),
    ],
)
def test_words_of_any_language(text: str, found: list[str]) -> None:
    assert words(text) == found


@given(st.text(alphabet="aZ09_ -'.!\t\x1c\x1f\n", max_size=12))
def test_texts_of_ascii_have_the_normal_form_and_the_words_of_any_other(text: str) -> None:
    """A letter behind them takes them the way that other texts go."""
    assert normalise(f"{text} ß") == f"{normalise(text)} ss".strip()
    assert words(f"{text} ß") == [*words(text), "ss"]


def test_distinct_words_are_split_once() -> None:
    found = split_words(["Red chair", None, "", "chair, red chair!", "?"])
    assert found.distinct == ["red", "chair"]
    np.testing.assert_array_equal(found.start, [0, 2, 2, 2, 5, 5])
    np.testing.assert_array_equal(found.word, [0, 1, 1, 0, 1])
    np.testing.assert_array_equal(found.length, [2, 0, 0, 3, 0])


def tokens(hasher: NgramHasher, texts: list[str | None], length: int) -> np.ndarray:
    return hasher.matrix(split_words(texts), length)


def slow_tokens(hasher: NgramHasher, text: str | None, length: int) -> list[int]:
    """Take a token of each word in turn, most telling first, until there are enough or none is left."""
    queues = [[int(token) for token in tokens(hasher, [word], 200)[0] if token] for word in words(text or "")]
    taken: list[int] = []
    while any(queues) and len(taken) < length:
        taken += [queue.pop(0) for queue in queues if queue]
    return (taken + [0] * length)[:length]


@given(
    st.lists(st.one_of(st.none(), st.text(alphabet="ab 한", max_size=14)), max_size=6),
    st.integers(1, 30),
    st.sampled_from([1, 2, 8192]),
)
def test_tokens_are_those_of_a_slow_writer(texts: list[str | None], length: int, chunk: int) -> None:
    hasher = NgramHasher(512)
    expected = np.array([slow_tokens(hasher, text, length) for text in texts], dtype=np.int32).reshape(-1, length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "_CHUNK", chunk)
        np.testing.assert_array_equal(tokens(hasher, texts, length), expected)


def overlap(query: str, title: str) -> float:
    """The share of the query's tokens that the title has."""
    hasher = NgramHasher(32768)
    asked, has = (set(tokens(hasher, [text], 48)[0]) - {0} for text in (query, title))
    return len(asked & has) / len(asked)


@pytest.mark.parametrize(
    ("query", "title", "other"),
    [
        ("의자", "빨간의자", "파란램프"),  # Korean: the word has no spaces around it
        ("椅子", "红色椅子", "蓝色台灯"),  # Chinese
        ("chai", "red chair", "blue lamp"),  # while it is being typed
        ("chiar", "chair", "lamp"),  # a typo
        ("CHAIR", "chair", "lamp"),
        ("lam", "modern scandinavian table lamp", "modern scandinavian table"),  # the last of many words
    ],
)
def test_texts_that_mean_the_same_share_tokens(query: str, title: str, other: str) -> None:
    assert overlap(query, title) > overlap(query, other)
    assert overlap(query, title) >= 0.2


def test_every_prefix_that_is_typed_is_a_token_of_the_word() -> None:
    for size in range(1, 7):
        assert overlap("keyboard"[:size], "mechanical keyboard") > 0


def test_words_come_before_their_ngrams_and_take_turns() -> None:
    hasher = NgramHasher(32768)
    one, two = (tokens(hasher, [word], 40)[0] for word in ("red", "lamp"))
    both = tokens(hasher, ["red lamp"], 40)[0]
    np.testing.assert_array_equal(both[:6], [one[0], two[0], one[1], two[1], one[2], two[2]])


def test_tokens_are_rows_of_the_table_and_padding_is_at_the_end() -> None:
    found = tokens(NgramHasher(7), ["red chair", None, "", "!", "a"], 6)
    assert found.shape == (5, 6) and found.dtype == np.int32
    assert found.min() == 0 and found.max() < 7
    assert (found[0] > 0).all() and not found[1:4].any()
    np.testing.assert_array_equal(found[4] > 0, np.arange(6) < (found[4] > 0).sum())


def test_no_texts_have_no_tokens() -> None:
    assert tokens(NgramHasher(7), [], 6).shape == (0, 6)
    assert bag_of_words(split_words([]), 5).shape == (0, 5)


def test_bags_count_whole_words() -> None:
    bags = bag_of_words(split_words([None, "Red red lamp", "", "lamp"]), 64).toarray()
    red, lamp = word_hash("red", 64), word_hash("lamp", 64)
    assert red != lamp
    expected = np.zeros((4, 64))
    expected[1, red], expected[1, lamp], expected[3, lamp] = 2, 1, 1
    np.testing.assert_array_equal(bags, expected)
