"""Capitals, lower case and missing accents change neither what is found nor its code.

``tests/data/reports/spelling.tsv`` has texts, what the pipeline of their language finds in them,
each with its label and code, and the situation that they stand for. The same must be found, in the
same places, in every spelling.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
import spacy
from spacy.language import Language

from spacy_cardioner import layout
from spacy_cardioner.batch.mentions import doc_entities
from spacy_cardioner.evaluation.scores import score
from spacy_cardioner.evaluation.sources import read_gold
from spacy_cardioner.gazetteer.build import build
from spacy_cardioner.gazetteer.lexicon import Lexicon
from spacy_cardioner.spans import Entity
from tests.conftest import ROOT
from tests.shipped import shipped

REPORTS = ROOT / "tests/data/reports/spelling.tsv"
DRUGS = ROOT / "assets/gazetteer/drugs.tsv"
_WORD = re.compile(r"\b[^\W\d_]+\b")


def bare(text: str) -> str:
    return "".join(unicodedata.normalize("NFD", letter)[0] for letter in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "ordinary": str,
    "capitals": str.upper,
    "lower case": str.lower,
    "without accents": bare,
    "capitals without accents": lambda text: bare(text).upper(),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
}


@cache
def pipeline(lang: str) -> Language:
    return spacy.load(shipped(lang))


def rows() -> list[Any]:
    with REPORTS.open(encoding="utf-8", newline="") as stream:
        read = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    failing = pytest.mark.xfail(strict=True)
    return [
        pytest.param(row, id=row["text"][:40], marks=[failing] * (row["status"] == "fails"))
        for row in read
    ]


@pytest.mark.parametrize("row", rows())
def test_reports(row: dict[str, str]) -> None:
    text = row["text"].replace("\\n", "\n")
    for name, change in SPELLINGS.items():
        doc = pipeline(row["lang"])(change(text))
        found = [
            " ".join(filter(None, [mention.text, mention.label, mention.kb_id]))
            for mention in doc_entities(doc)
        ]
        assert folded(found) == folded(row["expected"].split("; ")), name


def folded(mentions: list[str]) -> list[str]:
    return [bare(unicodedata.normalize("NFC", mention)).upper() for mention in mentions]


@pytest.mark.parametrize("spelling", [name for name in SPELLINGS if name != "decomposed"])
def test_the_sample_notes_lose_little(spelling: str) -> None:
    """At most 0.02, in the language that has all labels."""
    folders = layout.find([ROOT / "assets/sample"], "es", layout.SPLIT)
    for label, source in read_gold(folders).items():
        gold = {name: [one._replace(text="") for one in of] for name, of in source.entities.items()}
        usual, changed = (
            score(gold, predicted(source.texts or {}, change), labels=[label], resamples=1)
            for change in (str, SPELLINGS[spelling])
        )
        assert usual.strict.micro.f1 - changed.strict.micro.f1 <= 0.02, label


def predicted(texts: Mapping[str, str], change: Callable[[str], str]) -> dict[str, list[Entity]]:
    # Names that touch a dose are another subject.
    changed = (_WORD.sub(lambda word: change(word[0]), text) for text in texts.values())
    return {
        name: [Entity(*mention[:3]) for mention in doc_entities(doc)]
        for name, doc in zip(texts, pipeline("es").pipe(changed), strict=True)
    }


@pytest.mark.parametrize("lang", ["es", "en", "it"])
def test_the_code_of_a_name_does_not_depend_on_its_spelling(lang: str) -> None:
    lexicon = Lexicon(build([(None, DRUGS)], langs=[lang]))
    short = {pattern.text for pattern in lexicon if pattern.kind == "abbreviation"}
    for name in [*short, *sorted(pattern.text for pattern in lexicon)[::4]]:
        for mention in (name, f"{name} 100 mg"):
            usual = lexicon.look_up(mention)
            for change in SPELLINGS.values():
                answer = lexicon.look_up(change(mention))
                assert (answer and answer.code) == (usual and usual.code), change(mention)


def test_a_note_does_not_depend_on_the_others_of_its_batch() -> None:
    nlp = pipeline("es")
    texts = [row.values[0]["text"] for row in rows() if row.values[0]["lang"] == "es"]
    mixed = [change(text) for text in texts for change in (str, str.upper, bare)]
    for text, doc in zip(mixed, nlp.pipe(mixed, batch_size=16), strict=True):
        alone, together = doc_entities(nlp(text)), doc_entities(doc)
        assert [one[:4] for one in alone] == [one[:4] for one in together]
        scores = [one.score for one in alone]
        assert [one.score for one in together] == pytest.approx(scores, abs=1e-5)
