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

    Threads may share it. Each vector is added to the cache in one step, and the cache of another
    table is another dict.
    """

    data: Any

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # The table, and the bytes of the vectors that were computed from it.
        self._cache: tuple[Any, dict[int, bytes]] = self.data, {}

    def get_batch(self, keys: Any) -> Any:
        """Get the vectors of many words, given as strings or hashes."""
        if self.mode != Mode.floret or not isinstance(self.data, numpy.ndarray):
            return super().get_batch(keys)
        hashes = [self.strings.add(key) if isinstance(key, str) else key for key in keys]
        words, places = numpy.unique(numpy.asarray(hashes, dtype="uint64"), return_inverse=True)
        return self._get(words.tolist())[places]

    def _get(self, words: list[int]) -> Any:
        table, known = self._cache
        if table is not self.data or len(known) + len(words) > MAX_CACHE:
            table, known = self._cache = self.data, {}
        unknown = [word for word in words if word not in known]
        # In batches, because a word takes the memory of all its subword vectors meanwhile.
        for start in range(0, len(unknown), AT_ONCE):
            new = unknown[start : start + AT_ONCE]
            made = super().get_batch(new).astype(table.dtype, copy=False)
            known.update(zip(new, map(bytes, made), strict=True))
        rows = b"".join(map(known.__getitem__, words))
        return numpy.frombuffer(rows, table.dtype).reshape(len(words), table.shape[1])

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the table, in half precision if that is exact, as it is after `cardioner shrink`."""
        super().to_disk(path, exclude=exclude)
        with numpy.errstate(over="ignore"):
            half = self.data.astype("<f2")
        if "vectors" not in exclude and (half == self.data).all():
            with Path(path, "vectors").open("wb") as file:
                numpy.save(file, half, allow_pickle=False)

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
