"""Records of the common data model (CDM v2) of DataTools4Heart's annotation service.

The fields and their values are those of ``app/src/format`` of its public repository:
https://github.com/nlp4bia-bsc/dt4h-annotation-api
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from spacy_cardioner import __version__

if TYPE_CHECKING:
    from spacy_cardioner.batch.engine import Annotated
    from spacy_cardioner.batch.mentions import Mention

PIPELINE, SERVICE = "spacy_cardioner", "cardioner serve"
# What the caller may give of a record, in the order of the model.
OF_CALLER = (
    *("clinical_site_id", "patient_id", "admission_id", "admission_date", "admission_type"),
    *("record_id", "record_type", "record_format", "record_creation_date"),
    *("record_lastupdate_date", "record_character_encoding", "record_extraction_date"),
    *("report_section", "report_language", "deidentified", "deidentification_pipeline_name"),
    "deidentification_pipeline_version",
)
CLASSES = {
    "ENFERMEDAD": "disorder/disease",
    "FARMACO": "medication",
    "SINTOMA": "symptom",
    "PROCEDIMIENTO": "procedure",
}
# Vocabularies that the model names otherwise.
NAMESPACES = {
    **{name: name for name in ("ATC", "UMLS", "MedDRA", "LOINC", "ICPC")},
    **{"HP": "HPO", "HPO": "HPO", "MESH": "MeSH", "ICD10": "ICD10", "ICD9": "ICD9"},
    **{"SNOMEDCT": "SNOMED CT", "SCTID": "SNOMED CT"},
}


def record(
    found: Annotated, footer: Mapping[str, Any], info: Mapping[str, Any], lang: str
) -> dict[str, Any]:
    """The record of a note.

    footer (Mapping[str, Any]): What the caller tells of it; unknown keys are ignored.
    info (Mapping[str, Any]): The pipeline.
    """
    note = found.note
    now = datetime.now().astimezone()
    metadata = {key: footer.get(key) for key in OF_CALLER}
    if metadata["record_id"] is None:
        metadata["record_id"] = note.id
    if metadata["report_language"] is None:
        metadata["report_language"] = lang
    return {
        "nlp_output": {
            "record_metadata": {
                **metadata,
                "text": note.text,
                "nlp_processing_date": now.isoformat(timespec="milliseconds"),
                "nlp_processing_pipeline_name": PIPELINE,
                "nlp_processing_pipeline_version": __version__,
            },
            "annotations": [
                _annotation(mention, found.names or {}, info) for mention in found.mentions
            ],
            "processing_success": not note.fault,
        },
        "nlp_service_info": {
            "service_app_name": SERVICE,
            "service_language": lang,
            "service_version": __version__,
            "service_model": f"{info['name']} {info['version']}",
        },
    }


def _annotation(
    mention: Mention, names: Mapping[str, str], info: Mapping[str, Any]
) -> dict[str, Any]:
    """A mention. Values that the pipeline does not tell are None, such as all of a code that is
    not known.
    """
    code = mention.kb_id
    prefix, _, rest = code.partition(":")
    linked = bool(code)
    return {
        "concept_class": CLASSES.get(mention.label, "other"),
        "start_offset": mention.start,
        "end_offset": mention.end,
        "concept_mention_string": mention.text,
        # It is the confidence of a code, and ours are found by name, without one.
        "concept_confidence": None,
        "ner_component_type": "other",
        "ner_component_version": info["version"],
        "negation": None if mention.negated is None else "yes" if mention.negated else "no",
        "negation_confidence": None,
        "qualifier_negation": None,
        "qualifier_temporal": None,
        "dt4h_concept_identifier": None,
        "nel_component_type": "lexical similarity" if linked else None,
        "nel_component_version": info["version"] if linked else None,
        "controlled_vocabulary_namespace": (
            NAMESPACES.get(mention.vocabulary, "other") if linked else None
        ),
        "controlled_vocabulary_version": None,
        "controlled_vocabulary_concept_identifier": (rest or prefix) if linked else None,
        "controlled_vocabulary_concept_official_term": names.get(code),
        "controlled_vocabulary_source": None,
        "symptom_date": None,
    }
