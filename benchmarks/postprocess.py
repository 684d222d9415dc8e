"""Measure the effect of each rule of `cardioner_postprocess` on cross-validated predictions.

Usage: python benchmarks/postprocess.py PREDICTIONS --gold DOCBIN

PREDICTIONS is a folder that `cardioner crossval` wrote, whose pipelines annotate their held-out
documents of DOCBIN; or a JSONL file of predictions with scores for the documents of DOCBIN, as
`cardioner annotate` writes it. Prints, for each label and each rule alone: strict F1 without and
with it, the difference with its 95 % interval (paired bootstrap over documents), and how many
entities it added or removed, and how many of these were right.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import spacy
from spacy.tokens import Doc, SpanGroup
from spacy.vocab import Vocab

from spacy_cardioner.batch.mentions import doc_entities
from spacy_cardioner.corpus import docs_by_name, read_docbin
from spacy_cardioner.evaluation.calibration import read_scored
from spacy_cardioner.evaluation.held_out import predict_held_out
from spacy_cardioner.evaluation.scores import compare
from spacy_cardioner.pipeline.postprocess.component import Postprocess
from spacy_cardioner.spans import NOTE_ID, SPANS_KEY, Entity

VARIANTS = {
    "drop": ("drop",),
    "join": ("join",),
    "abbreviations": ("abbreviations",),
    "repeat": ("repeat",),
    "all": ("drop", "join", "abbreviations", "repeat"),
}

Sets = dict[str, list[Entity]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--gold", type=Path, required=True, help="DocBin of the documents")
    parser.add_argument("--lang", help="language of the rules [default: name of the DocBin]")
    parser.add_argument("--rules", default="default", help="a file of rules")
    return parser.parse_args()


def read_pairs(args: argparse.Namespace) -> Iterator[tuple[Doc, Doc]]:
    """The gold documents and the predicted ones."""
    if args.predictions.is_dir():
        for _, gold, doc in predict_held_out(args.predictions, docs_by_name(args.gold)):
            yield gold, doc
        return
    found = read_scored(args.predictions)
    for gold in read_docbin(args.gold, Vocab()):
        doc = Doc(gold.vocab, [t.text for t in gold], [bool(t.whitespace_) for t in gold])
        doc.user_data[NOTE_ID] = gold.user_data[NOTE_ID]
        places = [
            (doc.char_span(entity.start, entity.end, entity.label), entity.score)
            for entity in found.get(gold.user_data[NOTE_ID], ())
        ]
        spans = [(span, score) for span, score in places if span is not None]
        doc.spans[SPANS_KEY] = SpanGroup(
            doc, spans=[span for span, _ in spans], attrs={"scores": [score for _, score in spans]}
        )
        yield gold, doc


def entities(docs: Iterable[Doc], label: str) -> Sets:
    return {
        doc.user_data[NOTE_ID]: [Entity(*m[:4]) for m in doc_entities(doc) if m.label == label]
        for doc in docs
    }


def applied(
    docs: Sequence[Doc], label: str, names: Sequence[str], args: argparse.Namespace
) -> Sets:
    """The entities after some of the rules, in copies of the documents."""
    component = Postprocess(
        spacy.blank(args.lang or args.gold.stem),
        **{name: [label] if name in names else [] for name in VARIANTS["all"]},
        rules=args.rules,
    )
    return entities((component(doc.copy()) for doc in docs), label)


def rights(gold: Sets, first: Sets, second: Sets) -> str:
    """How many entities are only in the first, and how many of these are right."""
    only = [(name, entity) for name in first for entity in set(first[name]) - set(second[name])]
    return f"{len(only)} ({sum(entity in gold[name] for name, entity in only)} right)"


def row(label: str, variant: str, gold: Sets, changed: Sets, without: Sets) -> str:
    result = compare(gold, changed, without)
    low, high = result.interval
    return (
        f"| {label} | {variant} | {result.second:.4f} | {result.first:.4f} "
        f"| {result.difference:+.4f} | {low:+.4f} to {high:+.4f} "
        f"| {rights(gold, changed, without)} | {rights(gold, without, changed)} |"
    )


def main() -> None:
    args = arguments()
    gold_docs, docs = zip(*read_pairs(args), strict=True)
    print("| label | rule | without | with | difference | 95 % interval | added | removed |")
    print("|---|---|---|---|---|---|---|---|")
    for label in sorted({span.label_ for doc in gold_docs for span in doc.spans[SPANS_KEY]}):
        gold, without = entities(gold_docs, label), entities(docs, label)
        for variant, names in VARIANTS.items():
            print(row(label, variant, gold, applied(docs, label, names, args), without))


if __name__ == "__main__":
    main()
