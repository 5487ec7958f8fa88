from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.text import NgramHasher, bag_of_words, normalise, word_hash, words


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


def overlap(query: str, title: str) -> float:
    """The share of the query's tokens that the title has."""
    hasher = NgramHasher(32768)
    asked, has = (set(hasher.matrix([text], 48)[0]) - {0} for text in (query, title))
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
    one, two = (hasher.matrix([word], 40)[0] for word in ("red", "lamp"))
    both = hasher.matrix(["red lamp"], 40)[0]
    np.testing.assert_array_equal(both[:6], [one[0], two[0], one[1], two[1], one[2], two[2]])


def test_tokens_are_rows_of_the_table_and_padding_is_at_the_end() -> None:
    found = NgramHasher(7).matrix(["red chair", None, "", "!", "a"], 6)
    assert found.shape == (5, 6) and found.dtype == np.int32
    assert found.min() == 0 and found.max() < 7
    assert (found[0] > 0).all() and not found[1:4].any()
    np.testing.assert_array_equal(found[4] > 0, np.arange(6) < (found[4] > 0).sum())


def test_no_texts_have_no_tokens() -> None:
    assert NgramHasher(7).matrix([], 6).shape == (0, 6)
    assert bag_of_words([], 5).shape == (0, 5)


def test_bags_count_whole_words() -> None:
    bags = bag_of_words([None, "Red red lamp", "", "lamp"], 64).toarray()
    red, lamp = word_hash("red", 64), word_hash("lamp", 64)
    assert red != lamp
    expected = np.zeros((4, 64))
    expected[1, red], expected[1, lamp], expected[3, lamp] = 2, 1, 1
    np.testing.assert_array_equal(bags, expected)
