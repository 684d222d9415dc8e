"""The component `postprocess`, on notes invented here."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.pipeline.postprocess.component import Postprocess
from spacy_cardioner.pipeline.postprocess.rules import LANGUAGES, read_rules
from spacy_cardioner.spans import SPANS_KEY, Entity, write_entities
from spacy_cardioner.tokenizer import blank

DISEASE, DRUG = "ENFERMEDAD", "FARMACO"
OFF: dict[str, list[str]] = {"join": [], "abbreviations": [], "repeat": []}

Marked = list[tuple[str, str] | tuple[str, str, float]]


shared_blank = lru_cache(blank)


def component(lang: str = "es", **settings: Any) -> Postprocess:
    made = shared_blank(lang).create_pipe("cardioner_postprocess", config={**OFF, **settings})
    assert isinstance(made, Postprocess)
    return made


def pipeline(**settings: Any) -> Language:
    nlp = blank("es")
    nlp.add_pipe("cardioner_postprocess", "postprocess", config={**OFF, **settings})
    return nlp


def marked(text: str, entities: Marked, lang: str = "es", *, flat: bool = False) -> Doc:
    """A document with the first place of each text that no entity of its label has yet."""
    doc = shared_blank(lang).make_doc(text)
    spans, scores, ends = [], [], {}
    for mention, label, *score in entities:
        start = text.index(mention, ends.get(label, 0))
        ends[label] = start + len(mention)
        span = doc.char_span(start, ends[label], label)
        assert span is not None, mention
        spans.append(span)
        scores.append(score[0] if score else 0.9)
    doc.ents = spacy.util.filter_spans(spans)
    if not flat:
        attrs = {"scores": scores, "layers": [DISEASE, DRUG]}
        doc.spans["cardioner"] = SpanGroup(doc, name="cardioner", spans=spans, attrs=attrs)
    return doc


def texts(rules: Postprocess, text: str, names: list[str], lang: str = "es") -> list[str]:
    """The drugs that there are after the rules, if these names were found before."""
    doc = rules(marked(text, [(name, DRUG) for name in names], lang))
    return [span.text for span in doc.spans["cardioner"]]


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("sacubitrilo/valsartán 24/26 mg", ["sacubitrilo", "valsartán"], ["sacubitrilo/valsartán"]),
        ("brimonidina+timolol", ["brimonidina", "timolol"], ["brimonidina+timolol"]),
        ("A: uno/dos/tres", ["uno", "dos", "tres"], ["uno/dos/tres"]),
        ("cloxacilina + gentamicina", ["cloxacilina", "gentamicina"], None),
        ("cloxacilina/ gentamicina", ["cloxacilina", "gentamicina"], None),
        ("cloxacilina y gentamicina", ["cloxacilina", "gentamicina"], None),
        ("cloxacilina/\ngentamicina", ["cloxacilina", "gentamicina"], None),
    ],
)
def test_drugs_parted_by_a_joiner_are_one(
    text: str, names: list[str], expected: list[str] | None
) -> None:
    assert texts(component(join=[DRUG]), text, names) == (expected or names)


def test_a_defined_abbreviation_is_marked_everywhere() -> None:
    text = "Toma ácido acetilsalicílico (AAS). Se suspende AAS (AAS y aas)."
    rules = component(abbreviations=[DRUG])
    assert texts(rules, text, ["ácido acetilsalicílico"]) == [
        *("ácido acetilsalicílico", "AAS", "AAS", "AAS")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Toma bisoprolol (FEVI). FEVI 40 %.",  # not spelled by the name
        "Toma bisoprolol (bis). Luego bis.",  # no capitals
        "Toma bisoprolol (BIS y otro). Luego BIS.",  # more than the abbreviation
    ],
)
def test_other_parentheses_define_nothing(text: str) -> None:
    assert texts(component(abbreviations=[DRUG]), text, ["bisoprolol"]) == ["bisoprolol"]


def test_a_name_found_once_is_found_everywhere() -> None:
    text = "Alergia a penicilina. Penicilina no. PENICILINA no, Penicilina no."
    entities: Marked = [
        ("Alergia a penicilina", DISEASE),
        ("Penicilina", DRUG, 0.9),
        ("Penicilina", DRUG, 0.8),
    ]
    doc = component(repeat=[DRUG])(marked(text, entities))
    group = doc.spans["cardioner"]
    found = {(span.text, span.label_) for span in group}
    assert found == {
        ("Alergia a penicilina", DISEASE),
        ("penicilina", DRUG),
        ("Penicilina", DRUG),
        ("PENICILINA", DRUG),
    }
    scores = {span.text: score for span, score in zip(group, group.attrs["scores"], strict=True)}
    assert scores["Penicilina"] == 0.8
    assert scores["PENICILINA"] == pytest.approx(0.45)  # found in two of four places
    assert group.attrs["layers"] == [DISEASE, DRUG]
    assert [ent.text for ent in doc.ents] == [
        *("Alergia a penicilina", "Penicilina", "PENICILINA", "Penicilina")
    ]


@pytest.mark.parametrize(
    ("text", "name", "score", "expected"),
    [
        ("heparina y heparina", "heparina", 0.9, 2),
        ("heparina, heparina y heparina", "heparina", 0.9, 1),  # in less than half of the places
        ("heparina-inducida por heparina", "inducida", 0.9, 1),
        ("heparina e inducida-heparina", "heparina", 0.9, 1),  # part of another word
        ("heparina sódica, heparina", "heparina sódica", 0.9, 1),  # another name
        ("AAS y aas", "AAS", 0.9, 1),
        ("BISOPROLOL y bisoprolol", "BISOPROLOL", 0.9, 2),
        ("potasio oral, potasio 4,5", "potasio", 0.9, 1),  # a value as often as a drug
        ("ácido fólico; ácido\nfólico", "ácido fólico", 0.9, 1),
    ],
)
def test_what_is_repeated(text: str, name: str, score: float, expected: int) -> None:
    doc = component(repeat=[DRUG])(marked(text, [(name, DRUG, score)]))
    assert len(doc.spans["cardioner"]) == expected


def test_the_longest_of_several_names_is_repeated() -> None:
    text = "insulina glargina, insulina. Sube insulina glargina."
    assert texts(component(repeat=[DRUG]), text, ["insulina glargina", "insulina"]) == [
        *("insulina glargina", "insulina", "insulina glargina")
    ]


def test_rules_work_on_flat_entities_too() -> None:
    rules = component(join=[DRUG], repeat=[DRUG])
    text = "Alergia a bisoprolol. Toma bisoprolol y amlodipino/valsartán."
    entities: Marked = [
        ("Alergia a bisoprolol", DISEASE),
        ("amlodipino", DRUG),
        ("valsartán", DRUG),
    ]
    doc = rules(marked(text, entities, flat=True))
    assert [ent.text for ent in doc.ents] == ["Alergia a bisoprolol", "amlodipino/valsartán"]
    assert "cardioner" not in doc.spans


def test_entities_of_others_and_unknown_tokens_stay() -> None:
    doc = marked("Ana toma timolol y timolol hoy.", [("timolol", DRUG)])
    doc.set_ents([Span(doc, 0, 1, "PERSONA"), *doc.ents], default="missing")
    component(repeat=[DRUG])(doc)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [
        ("Ana", "PERSONA"),
        ("timolol", DRUG),
        ("timolol", DRUG),
    ]
    assert [token.ent_iob_ for token in doc] == ["B", "", "B", "", "B", "", ""]


def test_codes_stay() -> None:
    doc = shared_blank("es").make_doc("Toma bisoprolol y bisoprolol.")
    span = Span(doc, 1, 2, DRUG, kb_id="C07AB07")
    doc.spans["cardioner"] = [span]
    component(repeat=[DRUG])(doc)
    assert [(s.start, s.kb_id_, s._.source) for s in doc.spans["cardioner"]] == [
        (1, "C07AB07", ""),
        (3, "", "cardioner_postprocess"),
    ]
    assert "scores" not in doc.spans["cardioner"].attrs


def test_saved_rules_win(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"joiners": [" con "]}), encoding="utf-8")
    nlp = pipeline(join=[DRUG], rules=str(own))
    text, names = "enalapril con lercanidipino", ["enalapril", "lercanidipino"]
    nlp.to_disk(tmp_path / "saved")
    own.unlink()
    loaded = spacy.load(tmp_path / "saved")
    copied = pipeline(join=[DRUG]).from_bytes(nlp.to_bytes())
    for each in (nlp, loaded, copied):
        rules = each.get_pipe("postprocess")
        assert isinstance(rules, Postprocess) and texts(rules, text, names) == [text]
    with pytest.raises(CardionerError, match="does not exist"):
        texts(component(join=[DRUG], rules=str(own)), text, names)


def test_two_processes() -> None:
    nlp = pipeline(repeat=[DRUG])
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": DRUG, "pattern": "Bisoprolol"}])  # type: ignore[attr-defined]
    notes = ["Bisoprolol. Sigue bisoprolol.", "Nada."] * 3
    counts = [len(doc.ents) for doc in nlp.pipe(notes, n_process=2)]
    assert counts == [2, 0] * 3


@pytest.mark.parametrize("lang", [*LANGUAGES, "xx"])
def test_every_language_has_rules(lang: str) -> None:
    rules = read_rules("default", lang)
    assert "/" in rules.joiners and "-" in rules.glue
    assert len(rules.not_repeated) > 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "rules.json: not JSON"),
        ("[]", "not an object"),
        ('{"joiner": ["/"]}', "joiners"),
        ('{"joiners": "/"}', '"joiners" is not a list'),
        ('{"joiners": [""]}', '"joiners" is not a list'),
    ],
)
def test_faults_of_a_file_are_told(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "rules.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CardionerError, match=message):
        component(rules=str(path))
    with pytest.raises(CardionerError, match="'fr'"):
        read_rules("default", "fr")


PIECES = st.sampled_from(
    [
        "heparina",
        "AAS",
        "ácido",
        "acetilsalicílico",
        "(",
        ")",
        "/",
        "+",
        " ",
        "\n",
        "-",
        "5 mg",
        "%",
    ]
)


@given(st.lists(PIECES, max_size=25), st.data())
def test_any_text(pieces: list[str], data: st.DataObject) -> None:
    doc = shared_blank("es").make_doc("".join(pieces))
    tokens = [token.i for token in doc if not token.is_space and data.draw(st.booleans())]
    spans = [Span(doc, i, i + 1, DRUG) for i in tokens]
    doc.spans["cardioner"] = SpanGroup(doc, spans=spans, attrs={"scores": [0.8] * len(spans)})
    doc.ents = spans
    component(join=[DRUG], abbreviations=[DRUG], repeat=[DRUG])(doc)
    group = doc.spans["cardioner"]
    assert len(group.attrs["scores"]) == len(group)
    assert not group.has_overlap
    assert [(e.start, e.end) for e in doc.ents] == [(s.start, s.end) for s in group]
    assert all(0 <= score <= 0.8 for score in group.attrs["scores"])


def test_rules_that_pay_are_on() -> None:
    nlp = blank("es")
    rules = nlp.add_pipe("cardioner_postprocess")
    assert isinstance(rules, Postprocess)
    text = "amlodipino/valsartán. Toma ácido acetilsalicílico (AAS). AAS; timolol 0,5 %; timolol 5"
    names = ["amlodipino", "valsartán", "ácido acetilsalicílico", "timolol 0,5 %"]
    expected = ["amlodipino/valsartán", "ácido acetilsalicílico", "AAS", "AAS", "timolol 0,5 %"]
    assert texts(rules, text, names) == expected


@pytest.mark.parametrize(
    "text", ["Paciente con ECG 20 mg al día.", "PACIENTE CON ECG 20 MG AL DÍA."]
)
def test_what_the_gazetteer_marked_stays(text: str) -> None:
    nlp = blank("es")
    gazetteer = nlp.add_pipe("cardioner_gazetteer")
    rules = component(drop=["FARMACO"])
    for patterns, kept in (
        ([], []),
        ([{"label": "FARMACO", "pattern": "ECG", "always": True}], ["ECG"]),
    ):
        gazetteer.add_patterns(patterns)  # type: ignore[attr-defined]
        doc = nlp(text)
        write_entities(doc, [Entity(2, 3, "FARMACO")], SPANS_KEY, layers=["FARMACO"])
        assert [span.text for span in rules(doc).spans[SPANS_KEY]] == kept
