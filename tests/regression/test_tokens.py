"""List marks, doses and invisible characters that touch a word: found by the trained pipelines.

tests/data/reports/tokens.tsv marks each entity that must be found by braces.
"""

from __future__ import annotations

import csv
import re
from functools import cache

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language

from spacy_cardioner.audit import Audit
from spacy_cardioner.batch.mentions import doc_entities
from spacy_cardioner.corpus import LayeredNote, to_doc
from spacy_cardioner.spans import Entity
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT
from tests.shipped import shipped

with (ROOT / "tests/data/reports/tokens.tsv").open(encoding="utf-8") as file:
    CASES = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
ESCAPE = re.compile(r"\\(?:[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4})")
INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202c\u2060\u2066\u2069\ufeff\ufe0f"
BLANK = "\u00a0\u2002\u2009\u202f\u3000"
BARE = str.maketrans({**dict.fromkeys(INVISIBLE, ""), **dict.fromkeys(BLANK, " ")})
MARKS = (
    "1. 1.- 1- 1) 1.) 1º 1ª 1° 1º) 1º.- (1) [1] 1/ 12. 12- a. a) A) i) #1 #1. # - – — • · * + > -> "
    "=> ‣ ▪ ● ■ ► ➢ ✓ \uf0b7 \uf0a7 .- ~ ①"
).split()
# Sentences of the sample notes' kind, with a drug as their first word where a mark comes first.
SENTENCES = {
    "es": "Furosemida 40 mg cada 24 horas por insuficiencia cardiaca y fibrilación auricular.",
    "en": "Furosemide 40 mg daily, bisoprolol 2.5 mg and apixaban 5 mg twice daily.",
    "it": "Furosemide 25 mg al giorno, bisoprololo 2,5 mg e apixaban 5 mg.",
}
LANGS = list(SENTENCES)


@cache
def pipeline(lang: str) -> Language:
    return spacy.load(shipped(lang))


def found(lang: str, text: str) -> list[tuple[int, int, str]]:
    entities = doc_entities(pipeline(lang)(text))
    assert all(text[one.start : one.end] == one.text for one in entities)
    return [(one.start, one.end, one.text) for one in entities]


def marked(case: dict[str, str]) -> tuple[str, list[tuple[int, int, str]]]:
    text = ESCAPE.sub(lambda one: one[0].encode().decode("unicode_escape"), case["text"])
    plain, places = "", []
    for part in re.split(r"([{}])", text):
        if part in "{}" and part:
            places.append(len(plain))
        else:
            plain += part
    pairs = zip(places[::2], places[1::2], strict=True)
    return plain, [(start, end, plain[start:end]) for start, end in pairs]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=f"{case['lang']} {ascii(case['text'])}",
            marks=[pytest.mark.xfail(strict=True)] if case["status"] == "fails" else [],
        )
        for case in CASES
    ],
)
def test_each_entity_is_found(case: dict[str, str]) -> None:
    text, entities = marked(case)
    assert set(entities) <= set(found(case["lang"], text))


@pytest.mark.parametrize("multilingual", [False, True], ids=["own", "xx"])
def test_convert_moves_no_mention(multilingual: bool) -> None:
    audit = Audit()
    blanks = {lang: blank(lang) for lang in (["xx"] if multilingual else LANGS)}
    for case in CASES:
        text, places = marked(case)
        entities = [Entity(start, end, "ENFERMEDAD", found) for start, end, found in places]
        nlp = blanks["xx" if multilingual else case["lang"]]
        doc = to_doc(nlp, LayeredNote(text, text, entities, {"ENFERMEDAD"}), {"ENFERMEDAD"}, audit)
        assert doc.text == text
    assert not audit.changes


@pytest.mark.parametrize("lang", LANGS)
def test_a_mark_before_a_drug_never_loses_it(lang: str) -> None:
    for drug in (SENTENCES[lang], SENTENCES[lang].upper(), SENTENCES[lang].lower()):
        expected = {text for *_, text in found(lang, drug)}
        # A species ("c.difficile") if there is no other item.
        marks = [mark for mark in MARKS if not (mark == "a." and drug.islower())]
        texts = [before + mark + drug for mark in marks for before in ("", "Alta:\n")]
        for text, doc in zip(texts, pipeline(lang).pipe(texts), strict=True):
            assert expected <= {one.text for one in doc_entities(doc)}, text


@settings(deadline=None, max_examples=25)
@given(data=st.data(), lang=st.sampled_from(LANGS))
def test_invisible_characters_change_no_entity(data: st.DataObject, lang: str) -> None:
    sentence = SENTENCES[lang]
    expected = [text for *_, text in found(lang, sentence)]
    borders = [match.start() for match in re.finditer(r"\b|$", sentence)]
    text = sentence
    for border in sorted(data.draw(st.lists(st.sampled_from(borders), max_size=6)), reverse=True):
        text = text[:border] + data.draw(st.text(INVISIBLE, min_size=1, max_size=3)) + text[border:]
    assert [text.translate(BARE) for *_, text in found(lang, text)] == expected


@settings(deadline=None, max_examples=25)
@given(data=st.data(), lang=st.sampled_from(LANGS))
def test_what_is_seen_decides_what_is_found(data: st.DataObject, lang: str) -> None:
    sentence = SENTENCES[lang]
    expected = [text for *_, text in found(lang, sentence)]
    spelled = "".join(
        data.draw(st.sampled_from([" ", *BLANK]))
        if char == " "
        else char + data.draw(st.sampled_from(["", "", "", "", *INVISIBLE]))
        for char in sentence
    )
    assert [text.translate(BARE) for *_, text in found(lang, spelled)] == expected


@pytest.mark.parametrize("lang", ["es", "xx"])
@pytest.mark.parametrize("break_", ["\x0c", "\n\x0c", "\x0c\n"], ids=ascii)
def test_no_entity_goes_across_a_page_break(lang: str, break_: str) -> None:
    text = f"Tiene diabetes mellitus{break_}infarto de miocardio e insuficiencia{break_}renal"
    assert all(break_ not in entity for *_, entity in found(lang, text))
