"""Text to tokens: one normal form, whole words and hashed n-grams of characters, for any language."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from itertools import islice, zip_longest

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_LAST_MARK = 0x1E94A
"""The last combining mark of a script; the variation selectors behind it are about glyphs, not letters."""
_SELECTORS = range(0xFE00, 0xFE10)


def _marks() -> str:
    """Return the combining marks of all scripts, such as the vowels of Hindi, which ``re`` takes for separators."""
    marks = (code for code in range(0x300, _LAST_MARK + 1) if code not in _SELECTORS)
    return "".join(chr(code) for code in marks if unicodedata.category(chr(code)).startswith("M"))


_WORD = re.compile(rf"\w[\w{_marks()}]*")
GRAM_SIZES = (2, 3, 4)
"""Lengths of the character n-grams; 2 makes two-syllable Korean and Chinese words match."""
PREFIX_SIZES = (1, 2, 3, 4, 5, 6)
"""Word prefixes that are tokens of their own, so that a query matches while it is being typed."""


def normalise(text: str) -> str:
    """Return ``text`` in the form in which texts are compared: NFKC, case folded, single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())  # case folding may leave what NFKC composes


def words(text: str) -> list[str]:
    """Return the words of ``text`` in its normal form, in their order."""
    return _WORD.findall(normalise(text))


def word_hash(word: str, buckets: int) -> int:
    """Return the bucket of a whole word, in [0, buckets)."""
    return zlib.crc32(word.encode()) % buckets


def _grams(word: str) -> list[str]:
    """Return the word itself, its prefixes and its n-grams with marked ends; most telling first."""
    marked = f"<{word}>"
    prefixes = [f"^{word[:size]}" for size in PREFIX_SIZES if size < len(word)]
    grams = [marked[at : at + size] for size in GRAM_SIZES for at in range(len(marked) - size + 1)]
    return list(dict.fromkeys([f"={word}", f"^{word}", *reversed(prefixes), *grams]))


class NgramHasher:
    """Hashed tokens of texts, padded to one length.

    Words and n-grams share one table of ``buckets`` rows; row 0 is padding. The words of a text take turns, each with
    its most telling token that is left, so that cutting at ``length`` loses n-grams first, and of all words alike.
    """

    def __init__(self, buckets: int) -> None:
        """Hash into rows 1 to ``buckets`` - 1."""
        self.buckets = buckets
        self._known: dict[str, list[int]] = {}

    def _tokens(self, word: str) -> list[int]:
        found = self._known.get(word)
        if found is None:
            found = [1 + zlib.crc32(gram.encode()) % (self.buckets - 1) for gram in _grams(word)]
            self._known[word] = found
        return found

    def matrix(self, texts: Sequence[str | None], length: int) -> NDArray[np.int32]:
        """Return tokens (n, length) int32 of ``texts``; 0 = padding, and a row of zeros where there is no text."""
        out = np.zeros((len(texts), length), dtype=np.int32)
        for row, text in enumerate(texts):
            if not text:
                continue
            turns = zip_longest(*(self._tokens(word)[:length] for word in words(text)), fillvalue=0)
            tokens = list(islice((token for turn in turns for token in turn if token), length))
            out[row, : len(tokens)] = tokens
        return out


def bag_of_words(texts: Iterable[str | None], buckets: int) -> sparse.csr_matrix:
    """Return word counts (n, buckets) float32 of ``texts``, words hashed whole."""
    column: list[int] = []
    indptr = [0]
    for text in texts:
        if text:
            column.extend(word_hash(word, buckets) for word in words(text))
        indptr.append(len(column))
    counts = sparse.csr_matrix(
        (np.ones(len(column), dtype=np.float32), np.array(column, dtype=np.int64), np.array(indptr, dtype=np.int64)),
        shape=(len(indptr) - 1, buckets),
    )
    counts.sum_duplicates()
    return counts
