"""Abbreviations and misspelled names: what the shipped pipelines find, and what the lists do alone.

``abbreviations.tsv`` has texts with braces around what is looked at. For each there is what it
must be: an ATC code with "/fuzzy" for a misspelled name, "ambiguous" for a drug without a code, the
label of a disease, or "-" for what is neither, not even in part.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import cache
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, SpanGroup

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.abbreviations import Abbreviations, abbreviations
from spacy_cardioner.gazetteer.build import build
from spacy_cardioner.gazetteer.lexicon import EXACT, FUZZY, NORMALISED, Lexicon
from spacy_cardioner.gazetteer.normalise import fold
from spacy_cardioner.gazetteer.patterns import LABEL, Pattern
from spacy_cardioner.gazetteer.typos import MIN_LETTERS, misspelled
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer, get_marks
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT
from tests.shipped import shipped

LANGS = ("es", "en", "it")
DISEASE = "ENFERMEDAD"
DRUGS = ROOT / "assets/gazetteer/drugs.tsv"


def rows() -> list[dict[str, str]]:
    path = ROOT / "tests/data/gazetteer/abbreviations.tsv"
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def parameters(*, model: bool) -> list[object]:
    marks = [pytest.mark.xfail(strict=True)]
    return [
        pytest.param(
            row,
            id=f"{row['lang']}-{row['text'][:40]}",
            marks=marks if row["status"] == "fails" else [],
        )
        for row in rows()
        if model or row["status"] == "holds"
    ]


@cache
def pipeline(lang: str) -> Language:
    return spacy.load(shipped(lang))


@cache
def lexicon(lang: str) -> Lexicon:
    """The names of `drugs.tsv`, as `gazetteer build` makes them."""
    return Lexicon(build([("own", DRUGS)], langs=[lang]))


@cache
def without_model(lang: str) -> Language:
    """A pipeline that has only the names of `drugs.tsv`."""
    nlp = blank(lang)
    gazetteer = nlp.add_pipe("cardioner_gazetteer", "gazetteer")
    assert isinstance(gazetteer, Gazetteer)
    gazetteer.lexicon = lexicon(lang)
    for name in ("ruler", "postprocess", "linker"):
        nlp.add_pipe(f"cardioner_{name}", name)
    return nlp


def read(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without braces, and the places of what was in them."""
    text, places = "", []
    for part in re.split(r"(\{.*?\})", marked.replace("\\n", "\n")):
        if part.startswith("{"):
            places.append((len(text), len(text) + len(part) - 2))
        text += part.strip("{}")
    return text, places


def is_found(doc: Doc, place: tuple[int, int], expected: str) -> bool:
    start, end = place
    spans = list(doc.spans["cardioner"])
    if expected == "-":
        return not any(s.start_char < end and start < s.end_char for s in spans)
    wanted = DISEASE if expected == DISEASE else LABEL
    same = [s for s in spans if (s.start_char, s.end_char, s.label_) == (start, end, wanted)]
    if expected in (DISEASE, "ambiguous"):
        return any(s.kb_id_ == "" for s in same) and (expected == DISEASE or same[0]._.candidates)
    code, _, match = expected.partition("/")
    return any(s.kb_id_ == code and (s._.match == FUZZY) == (match == FUZZY) for s in same)


@pytest.mark.parametrize("row", parameters(model=True))
def test_the_shipped_pipelines_find_what_is_meant(row: dict[str, str]) -> None:
    text, places = read(row["text"])
    doc = pipeline(row["lang"])(text)

    for place, expected in zip(places, row["expected"].split(), strict=True):
        assert is_found(doc, place, expected), (text[slice(*place)], expected, doc.spans)


@pytest.mark.parametrize("row", parameters(model=False))
def test_the_names_alone_find_the_drugs(row: dict[str, str]) -> None:
    text, places = read(row["text"])
    nlp = without_model(row["lang"])
    doc = nlp.make_doc(text)
    doc.spans["cardioner"] = SpanGroup(doc, name="cardioner", attrs={"layers": [LABEL, DISEASE]})
    for _, component in nlp.pipeline:
        doc = component(doc)

    for place, expected in zip(places, row["expected"].split(), strict=True):
        # Other names of the list, misspelled names of two words, and diseases need the model.
        name = text[slice(*place)]
        known = any(part in lexicon(row["lang"]) for part in name.split("/"))
        two_words = expected.endswith(FUZZY) and " " in name
        if expected == "-" or not (known or two_words or expected == DISEASE):
            assert is_found(doc, place, expected), name


def test_the_cases_cover_languages_and_kinds() -> None:
    kinds = {(row["lang"], kind) for row in rows() for kind in row["expected"].split()}
    assert {(lang, kind) for lang in LANGS for kind in ("-", "ambiguous")} <= kinds
    assert len(rows()) >= 150


# --- The list ---


@pytest.mark.parametrize("lang", LANGS)
def test_every_drug_has_a_code(lang: str) -> None:
    drugs = [meaning for meaning in abbreviations(lang) if meaning.label == LABEL]
    answers = [(m.abbreviation, lexicon(lang).look_up(m.expansion)) for m in drugs]

    assert len(drugs) > 150
    assert [n for n, a in answers if not (a and a.code and a.match in (EXACT, NORMALISED))] == []


@pytest.mark.parametrize("lang", LANGS)
def test_the_list_is_sorted_and_clean(lang: str) -> None:
    path = ROOT / f"spacy_cardioner/resources/{lang}/abbreviations.tsv"
    header, *lines = path.read_text("utf-8").splitlines()

    assert header.split("\t") == ["abbreviation", "expansion", "label", "cues"]
    assert lines == sorted(set(lines))
    assert all(unicodedata.is_normalized("NFC", line) for line in lines)
    table = [line.split("\t") for line in lines]
    assert {label for _, _, label, _ in table} == {LABEL, DISEASE, ""}
    keys = [tuple(row[:3]) for row in table]
    assert len(keys) == len(set(keys))
    # Without a cue an abbreviation has one meaning.
    plain = {(row[0], row[2]) for row in table if not row[3]}
    assert len(plain) == len({abbreviation for abbreviation, _ in plain})


@pytest.mark.parametrize("line", ["abc", "abc\tlong\tFARMACO", "\tlong\tFARMACO\t", "abc\t\t\t"])
def test_a_row_that_is_wrong_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "abbreviations.tsv"
    path.write_text(f"abbreviation\texpansion\tlabel\tcues\n{line}\n", "utf-8")

    with pytest.raises(CardionerError, match=r"abbreviations\.tsv:2: needs abbreviation"):
        Abbreviations([path])


def test_a_name_that_a_user_added_is_kept() -> None:
    nlp = blank("en")
    gazetteer = nlp.add_pipe("cardioner_gazetteer", "gazetteer")
    assert isinstance(gazetteer, Gazetteer)
    gazetteer.add_patterns([{"label": LABEL, "pattern": "NSR", "id": "C01", "always": True}])
    nlp.add_pipe("cardioner_ruler", "ruler")
    nlp.add_pipe("cardioner_postprocess", "postprocess")

    assert [ent.text for ent in nlp("Rhythm: NSR.").ents] == ["NSR"]


def test_what_a_note_defines_is_kept() -> None:
    nlp = blank("es")
    nlp.add_pipe("cardioner_postprocess", "postprocess")
    doc = nlp.make_doc("Rotura tendinosa (RT) reciente.")
    doc.ents = [doc.char_span(0, 16, DISEASE), doc.char_span(18, 20, DISEASE)]

    assert [ent.text for ent in nlp.get_pipe("postprocess")(doc).ents] == ["Rotura tendinosa", "RT"]


# --- Misspelled names ---


def test_of_two_substances_one_letter_away_there_are_only_candidates() -> None:
    names = Lexicon([Pattern("zzabcdek", "A01"), Pattern("zzabcdeg", "B01")])
    answer = names.look_up("zzabcdet 5 mg")

    assert answer is not None and answer.match == FUZZY
    assert (answer.code, sorted(answer.candidates)) == ("", ["A01", "B01"])
    assert names.look_up("zzabcde") == answer
    assert names.look_up("zzabcdekg") == answer
    assert names.look_up("zzabcdtt") is None


def test_names_need_seven_letters() -> None:
    assert misspelled("abcdeg", {"abcdef"}) == []
    assert misspelled("abcdeg", {"abcdefg"}) == ["abcdefg"]


NAMES = sorted(p.text for p in lexicon("es") if p.kind == "ingredient" and p.text.isalpha())
LONG = [name for name in NAMES if len(name) >= MIN_LETTERS + 1]


@settings(deadline=None)
@given(st.sampled_from(LONG), st.integers(0, 99), st.sampled_from("abcdexyz"), st.integers(0, 3))
def test_one_letter_wrong_finds_the_name(name: str, at: int, letter: str, how: int) -> None:
    name = fold(name)
    at %= len(name) - 1
    head, tail = name[:at], name[at:]
    changed = [
        head + tail[1:],
        head + letter + tail,
        head + letter + tail[1:],
        head + tail[1] + tail[0] + tail[2:],
    ][how]

    assert changed == name or name in misspelled(changed, {name})
    if changed not in lexicon("es"):
        answer = lexicon("es").look_up(changed)
        assert answer is not None and answer.candidates


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_marked_the_same_twice(text: str) -> None:
    nlp = without_model("es")
    first, second = (list(get_marks(nlp.get_pipe("gazetteer")(nlp.make_doc(text)))) for _ in "ab")

    assert first == second
    assert all(one.end <= other.start for one, other in zip(first, first[1:], strict=False))
