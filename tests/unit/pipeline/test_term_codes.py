"""The codes that `cardioner_linker` gives to diseases and findings."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from spacy_cardioner.batch.mentions import doc_entities
from spacy_cardioner.pipeline.gazetteer.codes import code_names
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer
from spacy_cardioner.pipeline.gazetteer.linker import Linker
from spacy_cardioner.spans import vocabulary_of, write_entities
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT

DISEASE, FINDING, DRUG = "ENFERMEDAD", "SINTOMA", "FARMACO"
TERMS = [
    {"label": DISEASE, "pattern": "Insuficiencia cardíaca", "id": "HP:0001635", "also": ["D:1"]},
    {"label": DISEASE, "pattern": "accidente isquémico transitorio", "id": "HP:0002326"},
    {"label": DISEASE, "pattern": "artritis reumatoide", "id": "HP:0001370"},
    {"label": DISEASE, "pattern": "Síncope", "also": ["HP:0001279", "HP:0002321"]},
    {"label": DISEASE, "pattern": "Neumonía", "id": "ICD10:J18"},
    {"label": FINDING, "pattern": "Disnea", "id": "HP:0002094"},
]


@pytest.fixture(scope="module")
def nlp() -> Language:
    pipeline = blank("es")
    gazetteer = pipeline.add_pipe("cardioner_gazetteer", "gazetteer", first=True)
    assert isinstance(gazetteer, Gazetteer)
    pipeline.add_pipe("cardioner_linker", "linker")
    gazetteer.add_patterns([{"label": DRUG, "pattern": "bisoprolol", "id": "C07AB07"}])
    gazetteer.add_patterns({**term, "kind": "term"} for term in TERMS)
    return pipeline


def link(nlp: Language, text: str, label: str) -> Span:
    doc = nlp.make_doc(text)
    doc.set_ents([Span(doc, 0, len(doc), label)])
    (ent,) = nlp.get_pipe("linker")(doc).ents
    return ent


@pytest.mark.parametrize(
    ("text", "label", "code", "vocabulary", "match", "candidates"),
    [
        ("insuficiencia cardiaca", DISEASE, "HP:0001635", "HP", "normalised", 2),
        ("Insuficiencia cardíaca", DISEASE, "HP:0001635", "HP", "exact", 2),
        ("INSUFICIENCIA\nCARDIACA", DISEASE, "HP:0001635", "HP", "normalised", 2),
        ("Neumonía", DISEASE, "ICD10:J18", "ICD10", "exact", 1),
        ("disnea", FINDING, "HP:0002094", "HP", "normalised", 1),
        ("bisoprolol", DRUG, "C07AB07", "ATC", "exact", 1),
        # A usual abbreviation has the code of its long form, in the case that it needs.
        ("AIT", DISEASE, "HP:0002326", "HP", "normalised", 1),
        ("IC", DISEASE, "HP:0001635", "HP", "normalised", 2),
        # One that means this only in some places has none.
        ("AR", DISEASE, "", "", "normalised", 1),
        # A name of several codes of a vocabulary.
        ("síncope", DISEASE, "", "", "normalised", 2),
        # No names for the label, or no whole names.
        ("disnea", DISEASE, "", "", None, 0),
        ("insuficiencia cardiaca aguda", DISEASE, "", "", None, 0),
        ("AIT previo", DISEASE, "", "", None, 0),
        ("leve IC", DISEASE, "", "", None, 0),
        ("insuf cardiaca", DISEASE, "HP:0001635", "HP", "normalised", 2),
        ("insuf cardiaca severa", DISEASE, "", "", None, 0),
        ("leve insuf cardiaca", DISEASE, "", "", None, 0),
        ("neumonía", DRUG, "", "", None, 0),
        ("bisoprolol", DISEASE, "", "", None, 0),
        ("bisoprolol", "PROCEDIMIENTO", "", "", None, 0),
    ],
)
def test_a_mention_gets_the_code_of_its_term(
    nlp: Language,
    text: str,
    label: str,
    code: str,
    vocabulary: str,
    match: str | None,
    candidates: int,
) -> None:
    ent = link(nlp, text, label)
    assert (ent.kb_id_, ent._.vocabulary, ent._.match) == (code, vocabulary, match)
    assert len(ent._.candidates) == candidates


def test_terms_are_not_marked(nlp: Language) -> None:
    gazetteer = nlp.get_pipe("gazetteer")
    assert isinstance(gazetteer, Gazetteer)
    doc = nlp("Neumonía, bisoprolol")
    assert [span.text for span in doc.spans["gazetteer"]] == ["bisoprolol"]
    assert gazetteer.labels == (DRUG,)
    assert len(gazetteer) == 1 + len(TERMS)


def coded(nlp: Language) -> Doc:
    """A document whose entities have overlapping labels, in both places."""
    doc = nlp.make_doc("Neumonía y disnea con bisoprolol.")
    disease, finding = Span(doc, 0, 1, DISEASE), Span(doc, 2, 3, FINDING)
    doc.set_ents([disease, finding])
    drug, other = Span(doc, 4, 5, DRUG), Span(doc, 4, 5, "OTRO", kb_id="X1")
    doc.spans["cardioner"] = [disease, finding, drug, other]
    return nlp.get_pipe("linker")(doc)


CODES = [(DISEASE, "ICD10:J18"), (FINDING, "HP:0002094"), (DRUG, "C07AB07"), ("OTRO", "X1")]


def test_entities_of_all_labels_are_linked_and_stay_so(nlp: Language) -> None:
    doc = coded(nlp)
    assert [(span.label_, span.kb_id_) for span in doc.spans["cardioner"]] == CODES
    assert [(ent.label_, ent.kb_id_) for ent in doc.ents] == CODES[:2]
    (back,) = DocBin(docs=[doc], store_user_data=True).get_docs(nlp.vocab)
    assert [ent._.vocabulary for ent in back.ents] == ["ICD10", "HP"]
    write_entities(back, [])
    assert doc_entities(doc)[0].vocabulary == "ICD10"


def test_terms_are_saved_and_loaded(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    from_bytes = spacy.blank("es", config=nlp.config).from_bytes(nlp.to_bytes())
    for other in (spacy.load(tmp_path), from_bytes):
        doc = coded(other)
        assert [(s.label_, s.kb_id_) for s in doc.spans["cardioner"]] == CODES
        gazetteer = other.get_pipe("gazetteer")
        assert isinstance(gazetteer, Gazetteer)
        assert gazetteer.patterns == nlp.get_pipe("gazetteer").patterns  # type: ignore[attr-defined]
        gazetteer.clear()
        assert len(gazetteer) == 0
        assert link(other, "Neumonía", DISEASE).kb_id_ == ""


def test_codes_of_terms_have_names(nlp: Language) -> None:
    names = code_names(nlp)
    assert names["HP:0001635"] == "Insuficiencia cardíaca"
    assert names["C07AB07"] == "bisoprolol"


def test_the_linker_looks_up_drugs_unless_told_otherwise(nlp: Language) -> None:
    linker = nlp.get_pipe("linker")
    assert isinstance(linker, Linker)
    assert linker.look_up("neumonía") is None
    assert linker.look_up("bisoprolol") == linker.look_up("bisoprolol", DRUG) is not None
    answer = linker.look_up("neumonía", DISEASE)
    assert answer is not None and answer.code == "ICD10:J18"


@pytest.mark.parametrize(
    ("code", "vocabulary"),
    [
        ("", ""),
        ("C07AB07", "ATC"),
        ("C07", "ATC"),
        ("I50.9", ""),
        ("I50", ""),
        ("E11", ""),
        ("HP:0001635", "HP"),
        ("SNOMEDCT:22298006", "SNOMEDCT"),
        ("AIFA:12345", "AIFA"),
        (":x", ""),
        ("x:", ""),
    ],
)
def test_the_vocabulary_of_a_code(code: str, vocabulary: str) -> None:
    assert vocabulary_of(code) == vocabulary


def test_the_list_that_ships_has_only_free_names() -> None:
    """Each row of the list names its source and a licence that allows it to ship."""
    import csv
    import gzip

    with gzip.open(ROOT / "assets/gazetteer/terms.tsv.gz", "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    free = ("CC0 1.0", "CC BY 4.0", "HPO licence", "MIT")
    assert len(rows) > 30_000
    assert all(row["licence"].startswith(free) and row["source"] for row in rows)
    assert {vocabulary_of(row["id"]) for row in rows} == {"DOID", "HP", "WIKIDATA"}
