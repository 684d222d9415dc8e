"""Vectors that are kept for words that come again: the same figures, less work."""

from __future__ import annotations

import pickle
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from spacy.vectors import Vectors
from thinc.api import NumpyOps

from spacy_cardioner.layers import vectors
from spacy_cardioner.layers.vectors import CachedVectors
from spacy_cardioner.tokenizer import blank
from tests.racing import THREADS, quick_switches

FLORET = {"mode": "floret", "minn": 2, "maxn": 4, "hash_count": 2}
TABLE = numpy.random.default_rng(5).normal(size=(50, 6)).astype("f")
CONFIG = {"nlp": {"vectors": {"@vectors": "spacy_cardioner.CachedVectors.v1"}}}


def make() -> CachedVectors:
    return CachedVectors(data=TABLE, **FLORET)


@given(st.lists(st.lists(st.text(max_size=8), min_size=1), max_size=4))
def test_they_are_spacys(batches: list[list[str]]) -> None:
    kept, made = make(), Vectors(data=TABLE, **FLORET)
    for words in batches:
        keys = [made.strings.add(word) for word in words]
        numpy.testing.assert_array_equal(kept.get_batch(words), made.get_batch(words))
        numpy.testing.assert_array_equal(
            kept.get_batch(numpy.asarray(keys, dtype="uint64")), made.get_batch(words)
        )


def test_a_word_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make()
    made: list[str] = []

    def noted(self: CachedVectors, key: str) -> list[str]:
        made.append(key)
        return list(Vectors._get_ngrams(self, key))

    monkeypatch.setattr(CachedVectors, "_get_ngrams", noted)
    table.get_batch(["disnea", "fiebre", "disnea"])
    table.get_batch(["fiebre", "tos"])
    assert sorted(made) == ["disnea", "fiebre", "tos"]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "MAX_CACHE", 10)
    table, plain = make(), Vectors(data=TABLE, **FLORET)
    for number in range(20):
        words = [f"palabra{number}", f"otra{number % 3}", "siempre"]
        numpy.testing.assert_array_equal(table.get_batch(words), plain.get_batch(words))
        assert len(table._cache[1]) <= 10


def test_another_table_is_read_anew(tmp_path: Path) -> None:
    table, other = make(), Vectors(data=TABLE + 1, **FLORET)
    table.get_batch(["disnea"])
    other.to_disk(tmp_path)
    table.from_disk(tmp_path)
    numpy.testing.assert_array_equal(table.get_batch(["disnea"]), other.get_batch(["disnea"]))


@given(arrays("f4", (5, 3), elements=st.floats(-(2.0**20), 2.0**20, width=32)), st.booleans())
def test_saving_loses_nothing(table: numpy.ndarray, coarse: bool) -> None:
    """Numbers that half precision holds are saved in it, and are what they were when loaded."""
    table = numpy.rint(table / 2.0**10).astype("f4") if coarse else table
    vectors = CachedVectors(data=table, **FLORET)
    with tempfile.TemporaryDirectory() as folder:
        vectors.to_disk(folder)
        saved = numpy.load(Path(folder, "vectors"))
        again = CachedVectors(data=TABLE, **FLORET).from_disk(folder)
    assert vectors.data.dtype == again.data.dtype == numpy.float32
    numpy.testing.assert_array_equal(vectors.data, table)
    numpy.testing.assert_array_equal(again.data, table)
    assert saved.dtype == numpy.float16 or not coarse


def test_threads_share_a_cold_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 times, eight threads look up words in another order each; the cache is full at times."""
    monkeypatch.setattr(vectors, "MAX_CACHE", 40)
    monkeypatch.setattr(vectors, "AT_ONCE", 7)
    words = [f"palabra{number}" for number in range(30)]
    want = Vectors(data=TABLE, **FLORET).get_batch(words)

    def look_up(table: CachedVectors, first: int) -> bool:
        order = [*range(first, len(words)), *range(first)]
        found = [table.get_batch([words[i] for i in order[k : k + 10]]) for k in (0, 10, 20)]
        return numpy.array_equal(numpy.concatenate(found), want[order])

    with quick_switches(), ThreadPoolExecutor(THREADS) as threads:
        for _ in range(100):
            table = make()
            assert all(threads.map(partial(look_up, table), range(0, 24, 3)))
            assert look_up(table, 0)


def test_a_table_is_not_replaced_while_it_is_saved(tmp_path: Path) -> None:
    table = CachedVectors(data=numpy.rint(TABLE), **FLORET)
    seen = []

    class Noting(type(table.strings)):  # type: ignore[misc]
        def to_disk(self, path: Path) -> None:
            seen.append(table.data.dtype)

    table.strings = Noting()
    table.to_disk(tmp_path)
    assert seen == [numpy.float32]


def test_other_modes_and_copies(tmp_path: Path) -> None:
    plain = CachedVectors(data=TABLE[:2], keys=["disnea", "tos"])
    numpy.testing.assert_array_equal(plain.get_batch([plain.strings["tos"]]), TABLE[1:2])
    copy = pickle.loads(pickle.dumps(make()))
    assert isinstance(copy, CachedVectors)
    numpy.testing.assert_array_equal(copy.get_batch(["tos"]), make().get_batch(["tos"]))
    copy.to_ops(NumpyOps())
    numpy.testing.assert_array_equal(copy.get_batch(["tos"]), make().get_batch(["tos"]))


def test_a_config_names_them(tmp_path: Path) -> None:
    source = blank("es")
    source.vocab.vectors = Vectors(strings=source.vocab.strings, data=TABLE, **FLORET)
    source.to_disk(tmp_path / "vectors")
    nlp = spacy.blank("es", config={**CONFIG, "initialize": {"vectors": str(tmp_path / "vectors")}})
    nlp.initialize()
    nlp.to_disk(tmp_path / "pipeline")
    again = spacy.load(tmp_path / "pipeline")
    assert isinstance(again.vocab.vectors, CachedVectors)
    found, want = again.vocab["bisoprolol"].vector, source.vocab["bisoprolol"].vector
    numpy.testing.assert_array_equal(numpy.asarray(found), numpy.asarray(want))
