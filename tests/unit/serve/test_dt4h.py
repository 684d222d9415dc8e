"""Records of DataTools4Heart's common data model have its fields and values, and no others."""

from __future__ import annotations

import json

import pytest

from spacy_cardioner.batch.engine import Annotated
from spacy_cardioner.batch.mentions import Mention
from spacy_cardioner.batch.readers import SourceNote
from spacy_cardioner.serve.dt4h import record

# source: app/src/format/data_structures.py of github.com/nlp4bia-bsc/dt4h-annotation-api
METADATA = """clinical_site_id patient_id admission_id admission_date admission_type record_id
record_type record_format record_creation_date record_lastupdate_date record_character_encoding
record_extraction_date report_section report_language deidentified deidentification_pipeline_name
deidentification_pipeline_version text nlp_processing_date nlp_processing_pipeline_name
nlp_processing_pipeline_version""".split()
ANNOTATION = """concept_class start_offset end_offset concept_mention_string concept_confidence
ner_component_type ner_component_version negation negation_confidence qualifier_negation
qualifier_temporal dt4h_concept_identifier nel_component_type nel_component_version
controlled_vocabulary_namespace controlled_vocabulary_version
controlled_vocabulary_concept_identifier controlled_vocabulary_concept_official_term
controlled_vocabulary_source symptom_date""".split()
SERVICE = ["service_app_name", "service_language", "service_version", "service_model"]
VALUES = {
    "concept_class": {"symptom", "disorder/disease", "procedure", "medication", "other"},
    "negation": {"yes", "no", None},
    "ner_component_type": {"dictionary lookup", "transformer", "other"},
    "nel_component_type": {"lexical similarity", "transformer", "other", None},
    "controlled_vocabulary_namespace": {"ATC", "HPO", "SNOMED CT", "other", None},
}
TEXT = "Niega tos. Toma bisoprolol."
INFO = {"name": "es_cardioner", "version": "1.2"}


def annotations(*mentions: Mention) -> list[dict]:
    found = Annotated(SourceNote("n", TEXT), list(mentions), names={"C07AB07": "bisoprolol"})
    made = record(found, {}, INFO, "es")
    assert json.loads(json.dumps(made)) == made
    assert list(made["nlp_output"]["record_metadata"]) == METADATA
    assert list(made["nlp_service_info"]) == SERVICE
    assert set(made["nlp_output"]) == {"record_metadata", "annotations", "processing_success"}
    for annotation in made["nlp_output"]["annotations"]:
        assert list(annotation) == ANNOTATION
        for name, values in VALUES.items():
            assert annotation[name] in values
    return made["nlp_output"]["annotations"]


def test_a_drug_has_its_code_and_name() -> None:
    drug = Mention(16, 26, "FARMACO", "bisoprolol", 0.9, "C07AB07", "exact", negated=False)
    [made] = annotations(drug)
    assert made["controlled_vocabulary_namespace"] == "ATC"
    assert made["controlled_vocabulary_concept_identifier"] == "C07AB07"
    assert made["controlled_vocabulary_concept_official_term"] == "bisoprolol"
    assert made["negation"] == "no"


@pytest.mark.parametrize(
    ("code", "namespace", "identifier"),
    [
        ("HP:0012735", "HPO", "0012735"),
        ("SNOMEDCT:49727002", "SNOMED CT", "49727002"),
        ("ORPHA:1", "other", "1"),
        ("", None, None),
    ],
)
def test_codes_have_the_namespace_of_the_model(
    code: str, namespace: str | None, identifier: str | None
) -> None:
    [made] = annotations(Mention(6, 9, "SINTOMA", "tos", 0.9, code, negated=True))
    assert made["controlled_vocabulary_namespace"] == namespace
    assert made["controlled_vocabulary_concept_identifier"] == identifier
    assert (made["nel_component_type"] is None) == (namespace is None)
    assert (made["concept_class"], made["negation"]) == ("symptom", "yes")


def test_what_is_not_known_is_null() -> None:
    [made] = annotations(Mention(6, 9, "NEW", "tos"))
    assert made["concept_class"] == "other"
    assert made["negation"] is None


def test_the_caller_tells_of_the_record() -> None:
    found = Annotated(SourceNote("n", "", "empty"), [])
    made = record(found, {"patient_id": "p", "record_id": 3, "text": "x", "more": 1}, INFO, "es")
    metadata = made["nlp_output"]["record_metadata"]
    assert (metadata["patient_id"], metadata["record_id"], metadata["text"]) == ("p", 3, "")
    assert metadata["report_language"] == "es"
    assert made["nlp_output"]["processing_success"] is False
