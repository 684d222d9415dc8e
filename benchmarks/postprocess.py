"""What each rule of the component `postprocess` changes in cross-validated predictions.

Usage: python benchmarks/postprocess.py CROSSVAL --gold DOCBIN --folds FOLDS

CROSSVAL is a folder that `cardioner crossval` wrote: the model of each fold predicts the documents
that it was not trained on, which are those of the fold in DOCBIN. Printed for each label and each
rule alone: strict F1 without and with it, the difference with its 95 % interval (paired bootstrap
over documents), and how many entities it added or took away, and how many of these were right.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from spacy.tokens import Doc

from spacy_cardioner.annotate.engine import doc_entities
from spacy_cardioner.brat import Entity
from spacy_cardioner.corpus import NOTE_ID, SPANS_KEY
from spacy_cardioner.evaluation.scores import compare
from spacy_cardioner.pipeline.postprocess import Postprocess
from spacy_cardioner.pipeline.postprocess_rules import read_rules
from spacy_cardioner.splits import read_folds
from spacy_cardioner.training.heldout import predict_held_out

VARIANTS = {
    "join": ("join",),
    "trim_doses": ("trim_doses",),
    "abbreviations": ("abbreviations",),
    "repeat": ("repeat",),
    "all": ("join", "trim_doses", "abbreviations", "repeat"),
}

Sets = dict[str, list[Entity]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("crossval", type=Path)
    parser.add_argument("--gold", type=Path, required=True, help="DocBin of the documents")
    parser.add_argument("--folds", type=Path, required=True, help="as `cardioner split` writes")
    parser.add_argument("--lang", help="language of the rules; by default the DocBin's name")
    parser.add_argument("--rules", default="default", help="a file of rules")
    parser.add_argument("--min-share", type=float, default=0.5)
    parser.add_argument("--min-score", type=float, default=0.5)
    return parser.parse_args()


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
        docs[0].vocab,
        labels={name: [label] for name in names},
        rules=read_rules(args.rules, args.lang or args.gold.stem),
        min_share=args.min_share,
        min_score=args.min_score,
    )
    return entities((component(doc.copy()) for doc in docs), label)


def rights(gold: Sets, first: Sets, second: Sets) -> str:
    """How many entities only the first has, and how many of them are right."""
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
    gold_docs, docs = zip(
        *predict_held_out(args.crossval, args.gold, read_folds(args.folds)), strict=True
    )
    print("| label | rule | without | with | difference | 95 % interval | added | taken away |")
    print("|---|---|---|---|---|---|---|---|")
    for label in sorted({span.label_ for doc in gold_docs for span in doc.spans[SPANS_KEY]}):
        gold, without = entities(gold_docs, label), entities(docs, label)
        for variant, names in VARIANTS.items():
            print(row(label, variant, gold, applied(docs, label, names, args), without))


if __name__ == "__main__":
    main()
