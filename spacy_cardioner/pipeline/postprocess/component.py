"""The component `cardioner_postprocess`: corrects entities by rules that use the whole note."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.patterns import LABEL
from spacy_cardioner.pipeline.gazetteer.component import get_marks
from spacy_cardioner.pipeline.postprocess.rules import (
    RULES_FILE,
    Rules,
    drop_others,
    expand_abbreviations,
    join_parts,
    read_rules,
    repeat_names,
    to_rules,
)
from spacy_cardioner.pipeline.stored import DEFAULT, StoredPipe
from spacy_cardioner.spans import SPANS_KEY, in_order, read_entities, replace_entities
from spacy_cardioner.spelling import usual_spelling


@Language.factory("cardioner_postprocess", assigns=["doc.spans", "doc.ents"], requires=["doc.ents"])
class Postprocess(StoredPipe):
    """Pipeline component that changes entities by rules.

    It comes after the components that find entities. Each rule takes a list of the labels that it
    applies to; an empty list disables it. The default enables what raised strict F1
    (`benchmarks/postprocess.py`).
    """

    files = (RULES_FILE,)

    def __init__(
        self,
        nlp: Language,
        name: str = "postprocess",
        join: Sequence[str] = (LABEL,),
        abbreviations: Sequence[str] = (LABEL,),
        repeat: Sequence[str] = (LABEL,),
        drop: Sequence[str] = (LABEL, "ENFERMEDAD"),
        rules: str = DEFAULT,
        spans_key: str = SPANS_KEY,
    ) -> None:
        """Initialize the component.

        join (Sequence[str]): Join entities that only a joiner separates: "sacubitrilo/valsartán".
        abbreviations (Sequence[str]): After "ácido acetilsalicílico (AAS)", make each "AAS" in the
            note an entity if the long form is one.
        repeat (Sequence[str]): Make a name that is an entity in one place of the note an entity in
            its other places.
        drop (Sequence[str]): Remove entities that are an abbreviation of something else in their
            place: "NSR" (normal sinus rhythm). This is done first.
        rules (str): "default" for the joiners and exceptions of the language, or the path of a
            file, see `postprocess.rules`. Saved with the pipeline.
        RAISES (CardionerError): The language has no rules; the file is malformed.
        """
        self.name = name
        self.spans_key = spans_key
        self.dropped = drop
        self.steps = (
            (join_parts, join),
            (expand_abbreviations, abbreviations),
            (repeat_names, repeat),
        )
        self.rules: Rules | None = None
        # A missing file is no error yet: a saved pipeline has its own rules.
        if rules == DEFAULT or Path(rules).exists():
            self.rules = read_rules(rules, nlp.lang or "")

    def __call__(self, doc: Doc) -> Doc:
        """Apply the rules to the entities of a document.

        RAISES (CardionerError): The file of rules is missing.
        """
        if self.rules is None:
            raise CardionerError(f"{self.name}: the file in the setting 'rules' does not exist")
        before = read_entities(doc, self.spans_key)
        spelled = usual_spelling(doc)
        marked = {(mark.label, mark.start, mark.end) for mark in get_marks(doc)}
        after = drop_others(spelled, before, self.dropped, marked)
        for step, labels in self.steps:
            after = step(spelled, after, labels, self.rules) if labels else after
        if after != before:
            known = set(before)
            own = (one if one in known else one._replace(source=self.name) for one in after)
            replace_entities(doc, before, sorted(own, key=in_order), self.spans_key)
        return doc

    def get_data(self) -> Mapping[str, Any]:
        """RETURNS (Mapping[str, Any]): The rules."""
        return {RULES_FILE: self.rules._asdict() if self.rules else {}}

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Replace the rules."""
        self.rules = to_rules(data[RULES_FILE], f"{self.name}/{RULES_FILE}")
