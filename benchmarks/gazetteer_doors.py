"""Measure the effect of each use of a drug list on the drugs that a cross-validated model finds.

Usage: python benchmarks/gazetteer_doors.py --without PREDICTIONS.tsv [--features PREDICTIONS.tsv]
           --corpus LANG.spacy --folds FOLDS.json --patterns LANG.jsonl [--extra OTHER.spacy]
           [--threshold P ...] [--output FIGURES.json]

The predictions are those of all folds, as `cardioner crossval` and `cardioner experiments` write
them: of a model without the list, and of one that has its marks as features. No model is run. Each
use of the list is scored on the whole corpus by strict F1, with 95 % intervals:

- none: the model without the list;
- hard: plus every occurrence of every name, as dictionaries are often used;
- outside: the same, except analytes in a laboratory context;
- ruler: plus what the component `cardioner_ruler` adds, at each threshold. The precision of the
  names is measured on the documents that the fold's model was trained on and on those of --extra,
  never on held-out documents;
- features: the model that has the marks as features, alone and with what the ruler adds.

The linker changes no entity, so that the last row is that of the complete pipeline. The difference
to "none" has a paired interval.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from spacy_cardioner.brat import read_tsv
from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.evaluation.scores import compare, score
from spacy_cardioner.gazetteer.patterns import LABEL
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer, get_marks
from spacy_cardioner.pipeline.gazetteer.ruler import Ruler
from spacy_cardioner.spans import NOTE_ID, SPANS_KEY, Entity, make_span
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.folds import read_folds

Annotations = dict[str, list[Entity]]
Added = tuple[float, list[Span]]


def make_pipeline(lang: str, patterns: Path) -> tuple[Language, Gazetteer, Ruler]:
    """A pipeline with only the gazetteer and the ruler."""
    nlp = blank(lang)
    gazetteer = nlp.add_pipe("cardioner_gazetteer", "gazetteer")
    ruler = nlp.add_pipe("cardioner_ruler", "ruler")
    assert isinstance(gazetteer, Gazetteer) and isinstance(ruler, Ruler)
    gazetteer.add_patterns(srsly.read_jsonl(patterns))
    return nlp, gazetteer, ruler


def entities(spans: Iterable[Span]) -> list[Entity]:
    """The drugs among spans, each once."""
    found = {
        (span.start_char, span.end_char): Entity(
            span.start_char, span.end_char, LABEL, " ".join(span.text.split())
        )
        for span in spans
        if span.label_ == LABEL
    }
    return [found[place] for place in sorted(found)]


def predicted(doc: Doc, mentions: Sequence[Entity]) -> Doc:
    """The document with predictions instead of its annotations."""
    copy = Doc(doc.vocab, [t.text for t in doc], [bool(t.whitespace_) for t in doc])
    spans = [copy.char_span(m.start, m.end, m.label, alignment_mode="expand") for m in mentions]
    copy.spans[SPANS_KEY] = SpanGroup(copy, name=SPANS_KEY, spans=[s for s in spans if s])
    return copy


def examples(docs: Iterable[Doc]) -> list[Example]:
    """The examples that initialize a component."""
    return [Example(doc, doc) for doc in docs]


def added(ruler: Ruler, doc: Doc, thresholds: Sequence[float]) -> Iterator[Added]:
    """What the ruler adds to a document's entities, by threshold."""
    for threshold in thresholds:
        ruler.threshold = threshold
        yield threshold, [make_span(doc, entity) for entity in ruler.find(doc)]


def systems(
    gazetteer: Gazetteer, ruler: Ruler, doc: Doc, thresholds: Sequence[float]
) -> Iterator[tuple[str, list[Entity]]]:
    """The entities of a document by each use of the list, with the model without it."""
    found = list(doc.spans[SPANS_KEY])
    marks = [(mark, doc[mark.start : mark.end]) for mark in get_marks(gazetteer(doc))]
    named = [(mark, Span(doc, span.start, span.end, LABEL)) for mark, span in marks]
    yield "none", entities(found)
    yield "hard", entities([*found, *(span for _, span in named)])
    outside = [span for mark, span in named if not (mark.analyte and mark.laboratory)]
    yield "outside", entities([*found, *outside])
    for threshold, spans in added(ruler, doc, thresholds):
        yield f"ruler {threshold:g}", entities([*found, *spans])


def systems_with_features(
    gazetteer: Gazetteer, ruler: Ruler, doc: Doc, thresholds: Sequence[float]
) -> Iterator[tuple[str, list[Entity]]]:
    """The same for the model that has the marks as features."""
    found = list(doc.spans[SPANS_KEY])
    yield "features", entities(found)
    for threshold, spans in added(ruler, gazetteer(doc), thresholds):
        yield f"features, ruler {threshold:g}", entities([*found, *spans])


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Strict figures of each system, and its difference to the model alone."""
    nlp, gazetteer, ruler = make_pipeline(given.corpus.stem, given.patterns)
    docs = {doc.user_data[NOTE_ID]: doc for doc in read_docbin(given.corpus, nlp.vocab)}
    extra = [doc for path in given.extra for doc in read_docbin(path, nlp.vocab)]
    sources = [(given.without, systems), (given.features, systems_with_features)]
    predictions = [(read_tsv(path), ways) for path, ways in sources if path]
    made: dict[str, Annotations] = {}
    for fold in read_folds(given.folds):
        training = [doc for name, doc in docs.items() if name not in set(fold)]
        ruler.initialize(partial(examples, [*extra, *training]), nlp=nlp)
        for name in fold:
            for mentions, ways in predictions:
                doc = predicted(docs[name], mentions.get(name, []))
                for system, found in ways(gazetteer, ruler, doc, given.threshold):
                    made.setdefault(system, {})[name] = found
    gold = {name: entities(doc.spans[SPANS_KEY]) for name, doc in docs.items()}
    return {system: figures(gold, found, made["none"]) for system, found in made.items()}


def figures(gold: Annotations, found: Annotations, none: Annotations) -> dict[str, Any]:
    """Strict precision, recall and F1 with its interval, and the difference to the model alone."""
    strict = score(gold, found, labels=[LABEL]).strict.micro
    difference = compare(gold, found, none, labels=[LABEL])
    return {
        "precision": strict.precision,
        "recall": strict.recall,
        "f1": strict.f1,
        "interval": strict.interval["f1"],
        "difference": difference.difference,
        "difference_interval": difference.interval,
        "added": sum(len(set(found[name]) - set(none[name])) for name in found),
        "added_right": sum(
            len((set(found[name]) - set(none[name])) & set(gold[name])) for name in found
        ),
    }


def main() -> None:
    """Print the table; write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name in ("--without", "--corpus", "--folds", "--patterns"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--extra", type=Path, action="append", default=[])
    parser.add_argument("--threshold", type=float, nargs="+", default=[0.7])
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    result = measure(given)
    print("| list | P | R | F1 (95 %) | difference (95 %) | added | right |")
    print("|---|---|---|---|---|---|---|")
    for system, row in result.items():
        low, high = row["interval"]
        less, more = row["difference_interval"]
        print(
            f"| {system} | {row['precision']:.3f} | {row['recall']:.3f} | **{row['f1']:.3f}** "
            f"({low:.3f} to {high:.3f}) | {row['difference']:+.3f} ({less:+.3f} to {more:+.3f}) "
            f"| {row['added']} | {row['added_right']} |"
        )
    if given.output:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(f"{json.dumps(result, indent=2)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
