"""The component `cardioner_postprocess`: corrects entities by rules that use the whole note."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# functions, which must not be strings.
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.patterns import LABEL
from spacy_cardioner.pipeline.postprocess.rules import (
    DEFAULT,
    RULES_FILE,
    Rules,
    cut_doses,
    expand_abbreviations,
    join_parts,
    read_rules,
    repeat_names,
    to_rules,
)
from spacy_cardioner.pipeline.stored import StoredPipe
from spacy_cardioner.spans import SPANS_KEY, Entity, in_order, read_entities, replace_entities

Step = Callable[[Doc, Iterable[Entity], Collection[str], Rules], list[Entity]]


@Language.factory("cardioner_postprocess", assigns=["doc.spans", "doc.ents"], requires=["doc.ents"])
class Postprocess(StoredPipe):
    """Pipeline component that changes entities by rules.

    It comes after the components that find entities, and changes ``doc.spans[spans_key]`` and
    ``doc.ents``. Each rule takes a list of the labels that it applies to; an empty list disables
    it. The default enables what raised strict F1 (`benchmarks/postprocess.py`). The rules apply in
    the order of the arguments.
    """

    files = (RULES_FILE,)

    def __init__(
        self,
        nlp: Language,
        name: str = "postprocess",
        join: Sequence[str] = (LABEL,),
        trim_doses: Sequence[str] = (),
        abbreviations: Sequence[str] = (LABEL,),
        repeat: Sequence[str] = (LABEL,),
        min_share: float = 0.5,
        min_score: float = 0.5,
        rules: str = DEFAULT,
        language: str | None = None,
        spans_key: str = SPANS_KEY,
    ) -> None:
        """Initialize the component.

        join (Sequence[str]): Join entities that only a joiner separates: "sacubitrilo/valsartán".
        trim_doses (Sequence[str]): Remove doses at the boundaries: "timolol 0,5 %".
        abbreviations (Sequence[str]): After "ácido acetilsalicílico (AAS)", make each "AAS" in the
            note an entity if the long form is one.
        repeat (Sequence[str]): Make a name that is an entity in one place of the note an entity in
            its other places.
        min_share (float): For `repeat`: the share of the name's places that must be entities
            already.
        min_score (float): For `repeat`: the score that one of these entities must have, if the
            pipeline has scores. Added entities have the highest of their scores times the share.
        rules (str): "default" for the joiners, units and exceptions of the language, or the path of
            a file, see `postprocess.rules`. Saved with the pipeline.
        language (Optional[str]): Language of the default rules, if it is not the pipeline's.
        spans_key (str): Key of the Doc.spans dict where overlapping entities are.
        RAISES (CardionerError): The language has no rules; the file is malformed.
        """
        self.vocab = nlp.vocab
        self.name = name
        self.spans_key = spans_key
        again = partial(repeat_names, min_share=min_share, min_score=min_score)
        steps: dict[Step, Sequence[str]] = {
            join_parts: join,
            cut_doses: trim_doses,
            expand_abbreviations: abbreviations,
            again: repeat,
        }
        self.steps = [(step, labels) for step, labels in steps.items() if labels]
        self.rules: Rules | None = None
        # A missing file is no error yet: a saved pipeline has its own rules.
        if rules == DEFAULT or Path(rules).exists():
            self.rules = read_rules(rules, language or nlp.lang or "")

    def __call__(self, doc: Doc) -> Doc:
        """Apply the rules to the entities of a document.

        RAISES (CardionerError): The file of rules is missing.
        """
        before = read_entities(doc, self.spans_key)
        after = self.apply(doc, before)
        if after != before:
            replace_entities(doc, before, after, self.spans_key)
        return doc

    def apply(self, doc: Doc, entities: Sequence[Entity]) -> list[Entity]:
        """Apply the rules to given entities, without modifying the document.

        RETURNS (List[Entity]): The new entities, sorted.
        RAISES (CardionerError): The file of rules is missing.
        """
        if self.rules is None:
            raise CardionerError(f"{self.name}: the file in the setting 'rules' does not exist")
        changed = list(entities)
        for step, labels in self.steps:
            changed = step(doc, changed, labels, self.rules)
        old = set(entities)
        own = (one if one in old else one._replace(source=self.name) for one in changed)
        return sorted(own, key=in_order)

    def get_data(self) -> Mapping[str, Any]:
        """RETURNS (Mapping[str, Any]): The rules."""
        return {RULES_FILE: self.rules.to_dict() if self.rules else {}}

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Replace the rules."""
        self.rules = to_rules(data[RULES_FILE], f"{self.name}/{RULES_FILE}")
