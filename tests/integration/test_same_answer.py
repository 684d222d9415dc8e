"""A note gets the same answer alone and in any batch, for all packaged pipelines."""

from __future__ import annotations

import random
from functools import cache

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.spans import Entity, read_entities
from tests.conftest import ROOT
from tests.shipped import shipped

TOLERANCE = 1e-5
# Nothing here is on the list of drugs.
UNMARKED = "Coronaria derecha: oclusión crónica"
MARKED = "Toma bisoprolol 2,5 mg."
# Where notes of a language are.
FOLDERS = {
    "es": ("assets/notes/es", "assets/sample/track1"),
    "en": ("assets/notes/en", "assets/sample/track2/cardioccc_dev/en"),
    "it": ("assets/notes/it", "assets/sample/track2/cardioccc_dev/it"),
}
LANGS = (*FOLDERS, "xx")


@cache
def load(lang: str) -> Language:
    return spacy.load(shipped(lang))


@cache
def notes(lang: str) -> list[str]:
    if lang == "xx":
        return [note for each in FOLDERS for note in notes(each)[::3]]
    files = [file for folder in FOLDERS[lang] for file in sorted((ROOT / folder).rglob("*.txt"))]
    texts = [file.read_bytes().decode() for file in files]
    return ["", UNMARKED, MARKED, *dict.fromkeys(texts)]


@cache
def alone(lang: str, text: str) -> list[Entity]:
    return read_entities(load(lang)(text))


def assert_same(lang: str, text: str, doc: Doc) -> None:
    assert doc.text == text
    found, want = read_entities(doc), alone(lang, text)
    assert [one._replace(score=None) for one in found] == [one._replace(score=None) for one in want]
    assert [one.score for one in found] == pytest.approx(
        [one.score for one in want], abs=TOLERANCE, rel=0
    )


@pytest.mark.parametrize("lang", LANGS)
def test_batches_of_any_size_and_order(lang: str) -> None:
    nlp, texts = load(lang), notes(lang)
    assert sum(len(alone(lang, text)) for text in texts) > len(texts)
    for size, count in ((1, 10), (8, len(texts)), (64, len(texts))):
        shuffled = random.Random(size).sample(texts, count)
        for text, doc in zip(shuffled, nlp.pipe(shuffled, batch_size=size), strict=True):
            assert_same(lang, text, doc)


@pytest.mark.parametrize("lang", LANGS)
def test_two_processes(lang: str) -> None:
    texts = notes(lang)[:8]
    docs = load(lang).pipe(texts, n_process=2, batch_size=3)
    for text, doc in zip(texts, docs, strict=True):
        assert_same(lang, text, doc)


@cache
def sentences() -> list[str]:
    nlp = load("es")
    found = [
        sent.text
        for note in notes("es")
        for sent in nlp.get_pipe("sentencizer")(nlp.make_doc(note)).sents
    ]
    return [text for text in dict.fromkeys(found) if len(text) < 200]


@settings(max_examples=25)
@given(st.data())
def test_short_notes_beside_others(data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.sampled_from(sentences()), min_size=1, max_size=8))
    texts = data.draw(st.permutations([*texts, UNMARKED]))
    for text, doc in zip(texts, load("es").pipe(texts, batch_size=64), strict=True):
        assert_same("es", text, doc)
