"""The component `postprocess`: corrects entities by rules that look at the whole note."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# functions, which must not be strings.
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import srsly
from spacy.language import Language
from spacy.pipeline import Pipe
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
from spacy_cardioner.spans import SPANS_KEY, Found, read_found, write_found

Step = Callable[[Doc, Iterable[Found], Collection[str], Rules], list[Found]]


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
    """Create a Postprocess component. It stands after the components that find entities.

    Each rule is given the labels of the entities that it works on, an empty list for none; what is
    on by default has raised strict F1 (`benchmarks/postprocess.py`, docs/ner.md). They work in this
    order, on ``doc.spans[spans_key]`` and on ``doc.ents``:

    name (str): The component instance name.
    join (List[str]): Entities that only a joiner parts become one: "sacubitrilo/valsartán".
    trim_doses (List[str]): Doses at the edges are cut off: "timolol 0,5 %".
    abbreviations (List[str]): After "ácido acetilsalicílico (AAS)", "AAS" is an entity everywhere
        in the note, if its long form is.
    repeat (List[str]): What is an entity in one place of the note is one in the others too.
    min_share (float): For `repeat`: the name must be an entity in this share of its places.
    min_score (float): For `repeat`: and one of these entities must be so probable, if the
        pipeline gives probabilities. Added ones have that probability times the share.
    rules (str): "default" for our joiners, units and exceptions of the language, or the path of a
        file of your own, see `postprocess_rules`. Saved with the pipeline: what is saved wins.
    language (Optional[str]): The language of the default rules, if it is not the pipeline's.
    spans_key (str): Key of the Doc.spans dict where overlapping entities are.
    RAISES (CardionerError): There are no rules for the language; the file is malformed.
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
    # A file that does not exist is no fault yet: a saved pipeline brings its rules along.
    if rules == DEFAULT or Path(rules).exists():
        postprocess.rules = read_rules(rules, language or nlp.lang or "")
    return postprocess


class Postprocess(Pipe):
    """Pipeline component that changes entities by rules."""

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

        labels (Mapping[str, Sequence[str]]): The labels that each rule works on, by its name.
        """
        self.vocab = vocab
        self.name = name
        self.rules = rules
        self.spans_key = spans_key
        again = partial(repeat, min_share=min_share, min_score=min_score)
        steps: dict[str, Step] = {
            "join": join,
            "trim_doses": trim_doses,
            "abbreviations": expand_abbreviations,
            "repeat": again,
        }
        if unknown := sorted(set(labels) - set(steps)):
            raise CardionerError(f"{name}: no rule is called {unknown[0]}; they are {list(steps)}")
        self.steps = [(step, labels[rule]) for rule, step in steps.items() if labels.get(rule)]

    def __call__(self, doc: Doc) -> Doc:
        """Apply the rules to the entities of one document.

        doc (Doc): The document.
        RETURNS (Doc): The same document.
        RAISES (CardionerError): The file of rules is missing.
        """
        before = read_found(doc, self.spans_key)
        after = self.apply(doc, before)
        if after != before:
            write_found(doc, self.spans_key, before, after)
        return doc

    def apply(self, doc: Doc, found: Iterable[Found]) -> list[Found]:
        """Apply the rules to given entities, without changing the document.

        doc (Doc): The document.
        found (Iterable[Found]): Entities in it.
        RETURNS (List[Found]): What the rules make of them, sorted.
        RAISES (CardionerError): The file of rules is missing.
        """
        if self.rules is None:
            raise CardionerError(f"{self.name}: the file that 'rules' names does not exist")
        changed = list(found)
        for step, labels in self.steps:
            changed = step(doc, changed, labels, self.rules)
        return sorted(changed)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the rules."""
        return bytes(srsly.msgpack_dumps(self.rules.to_dict() if self.rules else {}))

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "Postprocess":
        """Take the rules that `to_bytes` gave instead of those of the config."""
        self.rules = to_rules(srsly.msgpack_loads(bytes_data), self.name)
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the rules to a folder, as a file that `rules` could name."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        srsly.write_json(folder / RULES_FILE, self.rules.to_dict() if self.rules else {})

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "Postprocess":
        """Take the saved rules instead of those of the config."""
        self.rules = read_rules(str(Path(path) / RULES_FILE), "")
        return self
