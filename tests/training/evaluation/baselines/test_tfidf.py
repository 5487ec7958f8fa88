from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.baselines.tfidf import CharacterTfidf


def test_the_same_text_has_the_cosine_1_whatever_its_case() -> None:
    found = CharacterTfidf(["Angle Bracket", "brass lamp", ""]).matches(["angle  BRACKET", "brass lamp"])
    assert found.dtype == np.float32
    assert found[0] == pytest.approx([1, found[0, 1], 0])
    assert found[1, 1] == pytest.approx(1)
    assert 0 <= found[0, 1] < 0.5


def test_a_misspelt_word_is_found() -> None:
    found = CharacterTfidf(["concrete cleaner", "deck stain", "tub kit"]).matches(["concret cleane"])
    assert found[0].argmax() == 0
    assert found[0, 0] > 0.5


def test_two_syllables_are_enough() -> None:
    assert CharacterTfidf(["빨간의자", "파란 램프"]).matches(["의자"])[0, 0] > 0


def test_what_is_not_known_matches_nothing() -> None:
    tfidf = CharacterTfidf(["ab", "cd"])
    assert tfidf.matches(["xyz", "ab"])[0].tolist() == [0, 0]
    assert tfidf.matches([]).shape == (0, 2)
    assert CharacterTfidf(["", " "]).matches(["ab"]).tolist() == [[0, 0]]


def test_a_long_text_is_read_to_its_300th_character() -> None:
    read, unread = CharacterTfidf(["x" * 290 + " lamp", "x" * 300 + " lamp"]).matches(["lamp"])[0]
    assert read > 0
    assert unread == 0
