"""The trained transformer of assets/pipelines/trf, loaded without a network."""

from __future__ import annotations

from typing import Any

import pytest
import spacy
from spacy.language import Language

from spacy_cardioner.batch.engine import Annotator
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.batch.settings import Settings
from tests.conftest import ROOT
from tests.shipped import shipped

pytest.importorskip("spacy_transformers", reason="needs the extra trf")

FOUND = {
    "es": {
        "ENFERMEDAD": {"HTA", "fibrilación auricular", "diabetes", "insuficiencia cardiaca"},
        "FARMACO": {"sacubitrilo/valsartán", "bisoprolol", "apixabán", "dapagliflozina"},
        "SINTOMA": {"disnea", "edemas"},
        "PROCEDIMIENTO": {"Analítica"},
    },
    "en": {
        "ENFERMEDAD": {"hypertension", "atrial fibrillation", "diabetes", "heart failure"},
        "FARMACO": {"sacubitril/valsartan", "bisoprolol", "apixaban", "dapagliflozin"},
        "SINTOMA": {"dyspnea", "edema"},
        "PROCEDIMIENTO": {"Blood tests"},
    },
    "it": {
        "ENFERMEDAD": {"ipertensione arteriosa", "fibrillazione atriale", "diabete"},
        "FARMACO": {"sacubitril/valsartan", "bisoprololo", "apixaban", "dapagliflozin"},
        "SINTOMA": {"dispnea", "edemi"},
    },
}


@pytest.fixture(scope="module")
def nlp() -> Language:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        return spacy.load(shipped("xx_trf"))


def note(lang: str) -> str:
    return (ROOT / f"assets/notes/{lang}/demo_01.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("lang", FOUND)
def test_all_labels_in_all_languages(nlp: Language, lang: str) -> None:
    ner: Any = nlp.get_pipe("ner")
    assert ner.active == ("ENFERMEDAD", "FARMACO")
    ner.active = None
    doc = nlp(note(lang))
    ner.active = ["ENFERMEDAD", "FARMACO"]
    spans = doc.spans["cardioner"]
    for label, names in FOUND[lang].items():
        assert names <= {span.text for span in spans if span.label_ == label}
    assert {span.kb_id_ for span in spans if span.label_ == "FARMACO"} >= {"C07AB07", "C09DX04"}
    default = nlp(note(lang))
    assert {(s.start, s.end, s.label_) for s in default.spans["cardioner"]} == {
        (s.start, s.end, s.label_) for s in spans if s.label_ in ner.active
    }


def test_only_opens_a_label() -> None:
    settings = Settings(str(shipped("xx_trf")), only=("SINTOMA",))
    [found] = Annotator(settings)([SourceNote("a", note("es"))])
    assert {mention.label for mention in found.mentions} == {"SINTOMA"}


def test_notes_do_not_depend_on_their_neighbours(nlp: Language) -> None:
    texts = [note(lang) for lang in FOUND]
    alone = [nlp(text) for text in texts]
    together = list(nlp.pipe([*texts, "Coronaria derecha: oclusión crónica."], batch_size=4))
    for one, other in zip(alone, together, strict=False):
        spans, others = one.spans["cardioner"], other.spans["cardioner"]
        assert [(s.start, s.end, s.label) for s in spans] == [
            (s.start, s.end, s.label) for s in others
        ]
        scores = [span._.score for span in others]
        assert [span._.score for span in spans] == pytest.approx(scores, abs=1e-5)
