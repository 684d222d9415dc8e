"""The codes of combinations: no word that adds a substance is ignored.

``combinations.tsv`` has a text, the drug that a model finds in it, and the code and match that it
must get, once with the names of the shipped pipelines and once with those of ``drugs.tsv``.
``brands.tsv`` has usual brands of cardiology that ``drugs.tsv`` must know.
"""

from __future__ import annotations

import csv
import zipfile
from functools import cache
from pathlib import Path

import pytest
import srsly
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Span

from spacy_cardioner.gazetteer.build import build
from spacy_cardioner.gazetteer.lexicon import Lexicon
from spacy_cardioner.gazetteer.patterns import LABEL, to_pattern
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT

DATA = ROOT / "tests/data/gazetteer"
DRUGS = ROOT / "assets/gazetteer/drugs.tsv"
LISTS = ("shipped", "drugs.tsv")


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


@cache
def pipeline(lang: str, listed: str) -> Language:
    """A pipeline that only looks up names."""
    nlp = blank(lang)
    gazetteer = nlp.add_pipe("cardioner_gazetteer", "gazetteer")
    assert isinstance(gazetteer, Gazetteer)
    if listed == "shipped":
        (wheel,) = (ROOT / "assets/pipelines").glob(f"{lang}_cardioner-*.whl")
        gazetteer.lexicon = Lexicon(map(to_pattern, _patterns_of(wheel)))
    else:
        gazetteer.lexicon = Lexicon(build([(None, DRUGS)], langs=[lang]))
    nlp.add_pipe("cardioner_linker", "linker")
    return nlp


def _patterns_of(wheel: Path) -> list[dict[str, object]]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("/patterns.jsonl"))
        return [srsly.json_loads(line) for line in archive.read(name).decode().splitlines()]


def linked(nlp: Language, text: str, drug: str) -> Span:
    """A drug in a text, with its code. Others that were found with it follow after a bar."""
    doc = nlp.make_doc(text)
    places = [(text.index(name), text.index(name) + len(name)) for name in drug.split("|")]
    spans = [doc.char_span(*place, LABEL, alignment_mode="expand") for place in places]
    doc.set_ents([span for span in spans if span is not None])
    assert len(doc.ents) == len(places)
    for _, component in nlp.pipeline:
        doc = component(doc)
    return doc.ents[0]


@pytest.mark.parametrize("listed", LISTS)
@pytest.mark.parametrize(
    "row", _rows("combinations.tsv"), ids=lambda row: f"{row['lang']}-{row['text'][:40]!r}"
)
def test_a_combination_gets_its_code_or_none(row: dict[str, str], listed: str) -> None:
    text = row["text"].replace("\\n", "\n")
    found = linked(pipeline(row["lang"], listed), text, row["drug"])

    assert (found.kb_id_, found._.match) == (row["atc"], row["match"])
    assert found._.candidates


@pytest.mark.parametrize("row", _rows("brands.tsv"), ids=lambda row: f"{row['lang']}-{row['drug']}")
def test_a_usual_brand_is_marked_and_gets_its_code(row: dict[str, str]) -> None:
    nlp = pipeline(row["lang"], "drugs.tsv")
    doc = nlp.get_pipe("gazetteer")(nlp.make_doc(row["text"]))

    marks = [(mark.text, mark.kb_id_) for mark in doc.spans["gazetteer"]]
    assert marks == [(row["drug"], row["atc"])]
    assert linked(nlp, row["text"], row["drug"]).kb_id_ == row["atc"]


@given(st.text(max_size=12), st.sampled_from(["Plus", "HCT", "Duo", "Forte", "Compositum"]))
def test_no_text_after_such_a_word_brings_the_code_of_one_part(rest: str, word: str) -> None:
    found = linked(pipeline("es", "shipped"), f"Norvas {word} {rest}", "Norvas")

    # Before "%" and ":" HCT is the haematocrit, before another drug plus is a conjunction.
    assert found.kb_id_ != "C08CA01" or word == "HCT"
