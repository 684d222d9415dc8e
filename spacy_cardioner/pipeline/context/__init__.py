"""Negation and other context of entities, by medspaCy's ConText."""

from __future__ import annotations

from spacy_cardioner.pipeline.context.component import CONTEXT_ATTRIBUTES, register_attributes
from spacy_cardioner.pipeline.context.rules import medspacy_rules, rules_path, sections_path
from spacy_cardioner.pipeline.context.view import displacy_view

__all__ = [
    "CONTEXT_ATTRIBUTES",
    "displacy_view",
    "medspacy_rules",
    "register_attributes",
    "rules_path",
    "sections_path",
]
