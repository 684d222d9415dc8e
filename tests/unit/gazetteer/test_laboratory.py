from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import DocBin

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.laboratory import Laboratory, laboratory
from spacy_cardioner.gazetteer.normalise import pieces
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer, get_marks
from spacy_cardioner.tokenizer import blank

NAMES = """potasio potassium potassio sodio sodium hierro iron ferro magnesio magnesium oxígeno
oxygen ossigeno bicarbonato bicarbonate digoxina digoxin digossina glucosa glucose glucosio
calcio calcium bisoprolol""".split()


def with_names(lang: str) -> Language:
    nlp = blank(lang)
    gazetteer = nlp.add_pipe("cardioner_gazetteer", first=True)
    assert isinstance(gazetteer, Gazetteer)
    patterns = [{"label": "FARMACO", "pattern": name} for name in [*NAMES, "vitamin D"]]
    gazetteer.add_patterns(patterns)
    return nlp


PIPELINES = {lang: with_names(lang) for lang in ("es", "en", "it", "xx", "pt")}


def measured(lang: str, text: str) -> list[bool]:
    return [mark.laboratory for mark in get_marks(PIPELINES[lang](text))]


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("es", "Potasio 4,5 mEq/l."),
        ("es", "potasio: 4.5"),
        ("es", "potasio de 4,5 mmol/L"),
        ("es", "POTASIO (3,5-5,0)"),
        ("es", "potasio <3"),
        ("es", "niveles bajos de hierro"),
        ("es", "hierro sérico normal"),
        ("es", "En la analítica destacaba un sodio bajo"),
        ("es", "Analitica: creatinina,\nsodio"),
        ("es", "urea, creatinina y sodio"),
        ("es", "197 mg/dl de glucosa"),
        ("es", "saturación de oxígeno del 95 %"),
        ("en", "Sodium was 140 mEq/l"),
        ("en", "labs: sodium and iron"),
        ("en", "serum iron"),
        ("en", "low levels of vitamin D"),
        ("en", "vitamin D 12 ng/ml"),
        ("it", "esami: sodio e potassio"),
        ("it", "Sodio 140 mEq/l"),
        ("it", "concentrazione di ferro"),
        ("it", "Trattato con ferro. Sodio sierico"),
        ("xx", "niveles de hierro, serum iron, concentrazione di ferro"),
        ("pt", "sodio 140 mEq/l"),
    ],
)
def test_values_are_told(lang: str, text: str) -> None:
    assert measured(lang, text)[-1]


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("es", "Potasio 40 mEq cada 8 horas"),
        ("es", "40 mEq de potasio"),
        ("es", "Hierro 2 comprimidos al día"),
        ("es", "tratamiento con hierro oral"),
        ("es", "se administró magnesio y potasio"),
        ("es", "oxígeno a 3 l/min"),
        ("es", "hierro"),
        ("es", "Analítica normal. Se dio de alta con hierro"),
        ("es", "niveles bajos, por lo que se inicia tratamiento con hierro"),
        ("es", "bisoprolol 2,5 mg/24 h"),
        ("en", "Potassium 40 mEq"),
        ("en", "intravenous infusion of magnesium"),
        ("en", "oxygen via nasal cannula"),
        ("it", "trattamento con ferro"),
        ("it", "infusione di bicarbonato"),
        ("it", "ferro per os"),
        ("xx", "tratamiento con hierro; intravenous infusion of iron; trattamento con ferro"),
    ],
)
def test_drugs_are_told(lang: str, text: str) -> None:
    assert not any(measured(lang, text))


def test_marks_tell_analytes_and_what_is_only_measured_as_a_drug() -> None:
    doc = PIPELINES["en"]("Digoxin level 1.2 ng/ml, potassium given, bisoprolol")

    marks = [(doc[m.start].text, m.analyte, m.laboratory) for m in get_marks(doc)]
    assert marks == [
        ("Digoxin", False, True),
        ("potassium", True, False),
        ("bisoprolol", False, False),
    ]
    (back,) = DocBin(docs=[doc], store_user_data=True).get_docs(doc.vocab)
    assert list(get_marks(back)) == list(get_marks(doc))


@pytest.mark.parametrize("lang", ["es", "en", "it"])
def test_a_language_without_rules_has_those_of_all(lang: str) -> None:
    joined = laboratory("xx")

    assert joined.is_analyte(pieces(dict(es="sodio", en="sodium", it="ferro")[lang]))
    assert not laboratory("en").is_analyte(["sodio"])


def test_the_context_does_not_depend_on_the_length_of_the_text() -> None:
    rules = laboratory("en")
    text = ["word"] * 50 + ["serum", "iron"] + ["levels"] * 50

    assert rules.is_context(text, 51, 52)
    assert not rules.is_context(text, 30, 31)


@pytest.mark.parametrize("line", ["sodium", "sodium\tsalt", "\tanalyte", ""])
def test_a_malformed_rule_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "analytes.tsv"
    path.write_text(f"name\tkind\niron\tanalyte\n{line}\n")

    with pytest.raises(CardionerError, match=r"analytes\.tsv:3"):
        Laboratory([path])
    with pytest.raises(CardionerError, match="cannot be read"):
        Laboratory([tmp_path / "none.tsv"])


@settings(max_examples=60, deadline=None)
@given(
    text=st.lists(
        st.one_of(
            st.text(max_size=4),
            st.sampled_from([*NAMES, "serum", "140", "mEq/l", "mg", ".", ",", "(", "\n", " "]),
        ),
        max_size=20,
    ).map(" ".join)
)
def test_any_text_can_be_looked_at(text: str) -> None:
    doc = PIPELINES["xx"](text)

    assert len(list(get_marks(doc))) == len(doc.spans["gazetteer"])
