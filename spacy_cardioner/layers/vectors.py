"""Word vectors that are computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from spacy.vectors import Mode, Vectors

if TYPE_CHECKING:
    from spacy.vocab import Vocab

# Number of cached words: 8 MB with a width of 96.
MAX_CACHE = 20_000
# Number of vectors that are computed at once.
AT_ONCE = 200


def create_cached_vectors() -> Callable[[Vocab], Vectors]:
    """Create the vectors `spacy_cardioner.CachedVectors.v1` for `[nlp.vectors]`."""
    return lambda vocab: CachedVectors(strings=vocab.strings)


class CachedVectors(Vectors):
    """spaCy's vectors, with a cache for floret.

    floret computes the vector of a word from those of its subwords, about forty of them, and spaCy
    repeats this for each batch. The results are the same. On a GPU nothing is cached.
    """

    data: Any

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._forget()

    def _forget(self) -> None:
        self._made_of = self.data
        self._rows: dict[int, int] = {}
        self._kept = numpy.zeros((0, 0), dtype="f")

    def get_batch(self, keys: Any) -> Any:
        """Get the vectors of many words, given as strings or hashes."""
        if self.mode != Mode.floret or not isinstance(self.data, numpy.ndarray):
            return super().get_batch(keys)
        hashes = [self.strings.add(key) if isinstance(key, str) else key for key in keys]
        words, places = numpy.unique(numpy.asarray(hashes, dtype="uint64"), return_inverse=True)
        return self._get(words.tolist())[places]

    def _get(self, words: list[int]) -> Any:
        if self.data is not self._made_of or len(self._rows) + len(words) > MAX_CACHE:
            self._forget()
        unknown = [word for word in words if word not in self._rows]
        # In batches, because a word takes the memory of all its subword vectors meanwhile.
        for start in range(0, len(unknown), AT_ONCE):
            new = unknown[start : start + AT_ONCE]
            made = super().get_batch(new)
            self._rows.update((word, row) for row, word in enumerate(new, len(self._rows)))
            self._kept = numpy.concatenate([self._kept, made]) if self._kept.size else made
        return self._kept[[self._rows[word] for word in words]]

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the table, in half precision if that is exact, as it is after `cardioner shrink`."""
        full = self.data
        with numpy.errstate(over="ignore"):
            half = full.astype("float16")
        try:
            if (half == full).all():
                self.data = half
            super().to_disk(path, exclude=exclude)
        finally:
            self.data = full

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> CachedVectors:
        """Load a table of any precision."""
        super().from_disk(path, exclude=exclude)
        self.data = self.data.astype("float32", copy=False)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the table without the cache."""
        return _unpickled, (self.to_bytes(),)


def _unpickled(data: bytes) -> CachedVectors:
    vectors = CachedVectors()
    vectors.from_bytes(data)
    return vectors
