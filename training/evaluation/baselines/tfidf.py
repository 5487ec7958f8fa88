"""Cosine of TF-IDF over n-grams of characters: it forgives a misspelling, an inflection and a missing blank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from features.text import normalise

_READ = 300
"""Characters of an item that are read, so that long descriptions do not fill the memory."""
_SIZES = (2, 4)
"""The shortest and the longest n-gram; 2 makes two-syllable words of Korean and Chinese match."""


class CharacterTfidf:
    """N-grams within words, counts on a log scale, inverse frequency of the catalogue."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Take the texts of the items (N,)."""
        self._items = len(texts)
        read = [normalise(text)[:_READ] for text in texts]
        self._vectorizer: TfidfVectorizer | None = None
        if any(read):
            self._vectorizer = TfidfVectorizer(
                analyzer="char_wb", ngram_range=_SIZES, lowercase=False, sublinear_tf=True, dtype=np.float32
            )
            self._grams: sparse.csr_matrix = self._vectorizer.fit_transform(read).T.tocsr()  # (G, N)

    def matches(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return cosines (T, N) of ``texts``, zeros where none of its n-grams is known."""
        if self._vectorizer is None or not texts:
            return np.zeros((len(texts), self._items), dtype=np.float32)
        asked = self._vectorizer.transform([normalise(text) for text in texts])  # (T, G)
        return np.asarray((asked @ self._grams).toarray(), dtype=np.float32)
