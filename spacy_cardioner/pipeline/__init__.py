"""spaCy components, a file each."""

from __future__ import annotations

from spacy.glossary import GLOSSARY

# The labels of the corpora, for `spacy.explain`, which knows them as soon as a component is loaded.
LABELS = {
    "ENFERMEDAD": "Diseases and other diagnoses, allergies included",
    "FARMACO": "Drugs: ingredients, brands, groups",
    "SINTOMA": "Symptoms and signs",
    "PROCEDIMIENTO": "Procedures: diagnostic, surgical, therapeutic",
}
for _label, _meaning in LABELS.items():
    GLOSSARY.setdefault(_label, _meaning)
