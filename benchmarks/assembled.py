"""Cross-validated scores of whole pipelines: with the stages that follow the recogniser, rounded.

Usage: python benchmarks/assembled.py RUN --lang es --corpus es.spacy --extra temist.spacy
           --folds folds.json --gazetteer es.jsonl --gold LABEL=BRAT_FOLDER... [--rerank LABEL]
           [-o OUTPUT]

RUN is a folder that `cardioner crossval` has written; of a recogniser of several languages, the one
language and the labels that are scored are taken (`cardioner narrow`). Each fold's recogniser is
joined with the other stages as configs/assemble_cpu.cfg says, and with a reranker of the labels of
--rerank (`cardioner rerank`). Its weights are rounded as those of a package, and it annotates the
held-out documents of CORPUS. What the stages know of the corpus comes from the other documents of
CORPUS, and from those of --extra. Printed are strict precision, recall and F1 with the 95 %
interval, the difference to the recogniser alone, and the expected calibration error of the scores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import spacy
from spacy.vocab import Vocab

from spacy_cardioner.assembly.narrow import narrow
from spacy_cardioner.assembly.rerank import (
    add_reranker,
    find_candidates,
    fit,
    read_annotated,
)
from spacy_cardioner.batch.mentions import Mention, doc_entities
from spacy_cardioner.brat import write_tsv
from spacy_cardioner.corpus import read_docbin, write_docbin
from spacy_cardioner.evaluation.calibration import calibrate
from spacy_cardioner.evaluation.evaluate import evaluate
from spacy_cardioner.evaluation.sources import read_annotations
from spacy_cardioner.pipeline.reranker.component import Reranking
from spacy_cardioner.spans import NOTE_ID, Entity
from spacy_cardioner.training.folds import read_folds

CONFIG = Path(__file__).parent.parent / "configs/assemble_cpu.cfg"


def rerankings(args: argparse.Namespace, held_out: int) -> dict[str, Reranking]:
    """What a reranker learns from all folds but one."""
    learned = {}
    for label, (candidates, extra) in args.candidates.items():
        others = [docs for number, docs in enumerate(candidates) if number != held_out]
        learned[label] = fit(others, extra)
    return learned


def assemble(args: argparse.Namespace, number: int, held_out: list[str], folder: Path) -> None:
    """Join the stages around a fold's recogniser, and round the weights."""
    fold = args.run / f"fold-{number}"
    rest = folder.with_suffix(".spacy")
    docs = read_docbin(args.corpus, Vocab())
    write_docbin(rest, [doc for doc in docs if doc.user_data[NOTE_ID] not in held_out])
    corpus = [str(rest), *map(str, args.extra)]
    joined, trained = folder.with_suffix(".joined"), fold / "model-last"
    nlp = spacy.load(trained)
    if nlp.lang != args.lang:
        labels = [gold.partition("=")[0] for gold in args.gold]
        trained = folder.with_suffix(".narrow")
        narrow(nlp, lang=args.lang, labels=labels).to_disk(trained)
    command = [sys.executable, "-m", "spacy", "assemble", str(CONFIG), str(joined)]
    command += ["--nlp.lang", args.lang, "--paths.trained", str(trained)]
    command += ["--paths.gazetteer", str(args.gazetteer), "--paths.corpus", json.dumps(corpus)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    if args.rerank:
        nlp = spacy.load(joined)
        add_reranker(nlp).rerankings = rerankings(args, number)
        nlp.to_disk(joined)
    shrink = [sys.executable, "-m", "spacy_cardioner", "shrink", str(joined), "-o", str(folder)]
    subprocess.run(shrink, check=True)


def annotate(args: argparse.Namespace, names: list[str], folder: Path) -> dict[str, list[Mention]]:
    """What a whole pipeline finds in the held-out documents."""
    nlp = spacy.load(folder)
    texts = {doc.user_data[NOTE_ID]: doc.text for doc in read_docbin(args.corpus, Vocab())}
    docs = nlp.pipe(texts[name] for name in names)
    return {name: doc_entities(doc) for name, doc in zip(names, docs, strict=True)}


def calibration_error(found: dict[str, list[Mention]], gold: Path, label: str) -> float:
    """How far the scores of a label's entities are from the share of them that is right."""
    gold_entities = read_annotations(gold).entities
    right = {(name, *entity[:3]) for name, each in gold_entities.items() for entity in each}
    return calibrate(
        (mention.score or 0.0, (name, *mention[:3]) in right)
        for name, mentions in found.items()
        for mention in mentions
        if mention.label == label
    ).error


def main() -> None:
    """Print a table row for each label."""
    parser = argparse.ArgumentParser(description="See the top of this file.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--extra", type=Path, action="append", default=[])
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--gazetteer", type=Path, required=True)
    parser.add_argument("--gold", action="append", required=True, metavar="LABEL=BRAT_FOLDER")
    parser.add_argument("--rerank", action="append", default=[], metavar="LABEL")
    parser.add_argument("-o", "--output", type=Path, help="TSV of the predictions")
    args = parser.parse_args()
    folds = read_folds(args.folds)
    args.candidates = {
        label: (
            find_candidates(args.run, args.corpus, folds, label),
            read_annotated(args.extra, label),
        )
        for label in args.rerank
    }
    found: dict[str, list[Mention]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number, names in enumerate(folds):
            folder = Path(scratch, str(number))
            assemble(args, number, names, folder)
            found.update(annotate(args, names, folder))
        whole = args.output or Path(scratch, "whole.tsv")
        write_tsv(whole, {name: [Entity(*m[:4]) for m in each] for name, each in found.items()})
        print("| label | P | R | F1 (95 %) | recogniser alone | difference (95 %) | calibration |")
        print("|---|---|---|---|---|---|---|")
        for pair in args.gold:
            label, _, gold = pair.partition("=")
            alone = args.run / f"{args.corpus.stem}.tsv"
            done = evaluate(Path(gold), whole, other=alone, documents=found, labels=[label])
            micro, change = done.report.strict.micro, done.comparison
            assert change is not None
            print(
                f"| {label} | {micro.precision:.3f} | {micro.recall:.3f} | **{micro.f1:.4f}** "
                f"({micro.interval['f1'][0]:.3f} to {micro.interval['f1'][1]:.3f}) | "
                f"{change.second:.4f} | {change.difference:+.4f} "
                f"({change.interval[0]:+.4f} to {change.interval[1]:+.4f}) | "
                f"{calibration_error(found, Path(gold), label):.3f} |"
            )


if __name__ == "__main__":
    main()
