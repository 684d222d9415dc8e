"""The component `cardioner_postprocess`: corrects entities by rules that use the whole note."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# functions, which must not be strings.
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.patterns import LABEL
from spacy_cardioner.pipeline.postprocess.rules import (
    DEFAULT,
    RULES_FILE,
    Rules,
    expand_abbreviations,
    join,
    read_rules,
    repeat,
    to_rules,
    trim_doses,
)
from spacy_cardioner.pipeline.stored import StoredPipe
from spacy_cardioner.spans import SPANS_KEY, Entity, in_order, read_entities, replace_entities

Step = Callable[[Doc, Iterable[Entity], Collection[str], Rules], list[Entity]]


@Language.factory(
    "cardioner_postprocess",
    assigns=["doc.spans", "doc.ents"],
    requires=["doc.ents"],
    default_config={
        "join": [LABEL],
        "trim_doses": [],
        "abbreviations": [LABEL],
        "repeat": [LABEL],
        "min_share": 0.5,
        "min_score": 0.5,
        "rules": DEFAULT,
        "language": None,
        "spans_key": SPANS_KEY,
    },
)
def make_postprocess(
    nlp: Language,
    name: str,
    join: list[str],
    trim_doses: list[str],
    abbreviations: list[str],
    repeat: list[str],
    min_share: float,
    min_score: float,
    rules: str,
    language: str | None,
    spans_key: str,
) -> "Postprocess":
    """Create a Postprocess component. It comes after the components that find entities.

    Each rule takes a list of the labels that it applies to; an empty list disables it. The default
    enables what raised strict F1 (`benchmarks/postprocess.py`). The rules change
    ``doc.spans[spans_key]`` and ``doc.ents``, in this order:

    name (str): The component instance name.
    join (List[str]): Join entities that only a joiner separates: "sacubitrilo/valsartán".
    trim_doses (List[str]): Remove doses at the boundaries: "timolol 0,5 %".
    abbreviations (List[str]): After "ácido acetilsalicílico (AAS)", make each "AAS" in the note an
        entity if the long form is one.
    repeat (List[str]): Make a name that is an entity in one place of the note an entity in its
        other places.
    min_share (float): For `repeat`: the share of the name's places that must be entities already.
    min_score (float): For `repeat`: the score that one of these entities must have, if the pipeline
        has scores. Added entities have the highest of their scores times the share.
    rules (str): "default" for the joiners, units and exceptions of the language, or the path of a
        file, see `postprocess.rules`. Saved with the pipeline.
    language (Optional[str]): Language of the default rules, if it is not the pipeline's.
    spans_key (str): Key of the Doc.spans dict where overlapping entities are.
    RAISES (CardionerError): The language has no rules; the file is malformed.
    """
    labels = {
        "join": join,
        "trim_doses": trim_doses,
        "abbreviations": abbreviations,
        "repeat": repeat,
    }
    postprocess = Postprocess(
        nlp.vocab,
        name,
        labels=labels,
        min_share=min_share,
        min_score=min_score,
        spans_key=spans_key,
    )
    # A missing file is no error yet: a saved pipeline has its own rules.
    if rules == DEFAULT or Path(rules).exists():
        postprocess.rules = read_rules(rules, language or nlp.lang or "")
    return postprocess


class Postprocess(StoredPipe):
    """Pipeline component that changes entities by rules."""

    files = (RULES_FILE,)

    def __init__(
        self,
        vocab: Vocab,
        name: str = "postprocess",
        *,
        labels: Mapping[str, Sequence[str]],
        min_share: float = 0.5,
        min_score: float = 0.5,
        rules: Rules | None = None,
        spans_key: str = SPANS_KEY,
    ) -> None:
        """Initialize the component. `make_postprocess` describes the arguments.

        labels (Mapping[str, Sequence[str]]): The labels that each rule applies to, by its name.
        """
        self.vocab = vocab
        self.name = name
        self.rules = rules
        self.spans_key = spans_key
        steps: dict[str, Step] = {
            "join": join,
            "trim_doses": trim_doses,
            "abbreviations": expand_abbreviations,
            "repeat": partial(repeat, min_share=min_share, min_score=min_score),
        }
        self.steps = [(step, labels[rule]) for rule, step in steps.items() if labels.get(rule)]

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
