"""Names of codes, to show to people."""

from __future__ import annotations

import spacy

from spacy_cardioner.pipeline.gazetteer.codes import code_names

PATTERNS = [
    {"pattern": "AAS", "id": "B01AC06", "kind": "abbreviation"},
    {"pattern": "Adiro", "id": "B01AC06", "kind": "brand"},
    {"pattern": "ácido acetilsalicílico", "id": "B01AC06"},
    {"pattern": "invento", "id": "B01AC06", "always": True},
    {"pattern": "sacubitril", "id": "C09DX04", "kind": "combination"},
    {"pattern": "sacubitrilo/valsartán", "id": "C09DX04", "kind": "combination"},
    {"pattern": "Sintrom", "id": "B01AA07", "kind": "brand"},
    {"pattern": "inventol", "id": "C07AB07", "always": True},
    {"pattern": "antiácidos", "id": "A02A", "kind": "group"},
    {"pattern": "sin código"},
]


def test_a_code_has_the_name_of_its_substances_and_no_brand() -> None:
    nlp = spacy.blank("es")
    assert code_names(nlp) == {}
    patterns = [{"label": "FARMACO", **pattern} for pattern in PATTERNS]
    nlp.add_pipe("cardioner_gazetteer", "drugs").add_patterns(patterns)
    assert code_names(nlp) == {
        "B01AC06": "ácido acetilsalicílico",
        "C09DX04": "sacubitrilo/valsartán",
        "C07AB07": "inventol",
        "A02A": "antiácidos",
    }
    # A gazetteer that is switched off still gives codes.
    with nlp.select_pipes(disable="drugs"):
        assert len(code_names(nlp)) == 4
