"""Cross-validated scores of whole pipelines, with all components and rounded weights.

Usage: python benchmarks/assembled.py RUN --lang es --corpus DIR --gold DIR [--rerank LABEL]
           [-o OUTPUT]

RUN is a folder that `cardioner crossval` wrote, CORPUS one that `cardioner convert --corpus` wrote,
and GOLD the corpus in its published layout. From a run of several languages, the language and the
labels that are scored are taken (`cardioner narrow`). The recogniser of each fold is assembled with
the other components (configs/assemble.cfg), reranked for the labels of --rerank and rounded as in a
package. It annotates the held-out documents. What the components learn from the corpus comes from
the other documents. Printed are strict precision, recall and F1 with 95 % intervals, the difference
to the recogniser alone, and the expected calibration error of the scores.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spacy.vocab import Vocab

from spacy_cardioner import layout
from spacy_cardioner.assembly.join import join
from spacy_cardioner.assembly.narrow import narrow
from spacy_cardioner.assembly.rerank import add_reranker, find_candidates, fit, read_annotated
from spacy_cardioner.assembly.rounding import round_weights
from spacy_cardioner.batch.mentions import Mention, doc_entities
from spacy_cardioner.brat import write_tsv
from spacy_cardioner.corpus import docs_by_name, read_docbin, write_docbin
from spacy_cardioner.evaluation.calibration import calibrate
from spacy_cardioner.evaluation.evaluate import evaluate
from spacy_cardioner.evaluation.held_out import annotate_again, read_run_folds
from spacy_cardioner.evaluation.sources import Source, read_gold
from spacy_cardioner.loading import load_pipeline, save_pipeline
from spacy_cardioner.spans import NOTE_ID, Entity

CONFIG = Path(__file__).parent.parent / "configs/assemble.cfg"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--gold", type=Path, required=True)
    parser.add_argument("--rerank", action="append", default=[], metavar="LABEL")
    parser.add_argument("-o", "--output", type=Path, help="TSV of the predictions")
    return parser.parse_args()


def annotated(args: argparse.Namespace, scratch: Path) -> Iterator[tuple[str, list[Mention]]]:
    """What whole pipelines find in the documents of their folds."""
    docbin = args.corpus / layout.SPLIT / f"{args.lang}.spacy"
    docs = docs_by_name(docbin)
    labels = layout.labels(layout.find([args.gold], args.lang, layout.SPLIT))
    extra = args.corpus / layout.PARTS[0] / f"{args.lang}.spacy"
    candidates = {label: find_candidates(args.run, docs, label) for label in args.rerank}
    for number, names in enumerate(read_run_folds(args.run)):
        folder = scratch / str(number)
        rest = [doc for name, doc in docs.items() if name not in set(names)]
        write_docbin(folder / "corpus" / "rest.spacy", [*rest, *read_docbin(extra, Vocab())])
        nlp = load_pipeline(args.run / f"fold-{number}" / "pipeline")
        if nlp.lang != args.lang:
            nlp = narrow(nlp, lang=args.lang, labels=labels)
        save_pipeline(nlp, folder / "trained")
        join(CONFIG, folder / "trained", args.lang, folder / "corpus", folder / "joined")
        whole = load_pipeline(folder / "joined")
        if args.rerank:
            reranker = add_reranker(whole)
            for label, folds in candidates.items():
                others = [found for other, found in enumerate(folds) if other != number]
                reranker.rerankings[label] = fit(others, read_annotated([extra], label))
        round_weights(whole, weight_bits=5, vector_bits=3)
        for doc, found in annotate_again(whole, [docs[name] for name in names]):
            yield doc.user_data[NOTE_ID], doc_entities(found)


def calibration_error(found: dict[str, list[Mention]], gold: Source, label: str) -> float:
    """How far the scores of a label are from the share of its entities that is correct."""
    right = {(name, *entity[:3]) for name, each in gold.entities.items() for entity in each}
    return calibrate(
        (mention.score or 0.0, (name, *mention[:3]) in right)
        for name, mentions in found.items()
        for mention in mentions
        if mention.label == label
    ).error


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as scratch:
        found = dict(annotated(args, Path(scratch)))
        whole = args.output or Path(scratch, "whole.tsv")
        write_tsv(whole, {name: [Entity(*m[:4]) for m in each] for name, each in found.items()})
        print("| label | P | R | F1 (95 %) | recogniser alone | difference (95 %) | calibration |")
        print("|---|---|---|---|---|---|---|")
        folders = layout.find([args.gold], args.lang, layout.SPLIT)
        for label, gold in read_gold(folders, documents=found).items():
            alone = args.run / f"{args.lang}.tsv"
            done = evaluate(gold, whole, other=alone, documents=found, labels=[label])
            micro, change = done.report.strict.micro, done.comparison
            assert change is not None
            print(
                f"| {label} | {micro.precision:.3f} | {micro.recall:.3f} | **{micro.f1:.4f}** "
                f"({micro.interval['f1'][0]:.3f} to {micro.interval['f1'][1]:.3f}) | "
                f"{change.second:.4f} | {change.difference:+.4f} "
                f"({change.interval[0]:+.4f} to {change.interval[1]:+.4f}) | "
                f"{calibration_error(found, gold, label):.3f} |"
            )


if __name__ == "__main__":
    main()
