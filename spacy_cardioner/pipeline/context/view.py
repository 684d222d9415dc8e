"""Entities for displaCy, with their context shown by label and colour."""

from __future__ import annotations

from typing import Any

from spacy.tokens import Doc

from spacy_cardioner.pipeline.context.component import CONTEXT_ATTRIBUTES, register_attributes

# The first of these attributes that an entity has sets its colour.
COLOURS = {
    "is_allergy": "#f2c48d",
    "is_family": "#c9b7e8",
    "is_negated": "#f4b6b6",
    "is_uncertain": "#f7e3a1",
    "is_hypothetical": "#bfe3f2",
    "is_historical": "#d5d5d5",
}


def displacy_view(doc: Doc) -> tuple[dict[str, Any], dict[str, Any]]:
    """The input of displaCy for the entities of a document that `cardioner_context` processed.

    RETURNS (tuple[dict, dict]): Data and options for
        ``displacy.render(data, style="ent", manual=True, options=options)``.
    """
    register_attributes()
    ents, colours = [], {}
    for ent in doc.ents:
        held = [name for name in CONTEXT_ATTRIBUTES if ent._.get(name)]
        label = " ".join([ent.label_, *(name.removeprefix("is_") for name in held)])
        ents.append({"start": ent.start_char, "end": ent.end_char, "label": label})
        first = next((name for name in COLOURS if name in held), None)
        if first is not None:
            colours[label] = COLOURS[first]
    return {"text": doc.text, "ents": ents, "title": None}, {"colors": colours}
