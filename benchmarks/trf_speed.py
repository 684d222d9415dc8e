"""Measure the speed of a transformer pipeline on a CPU, with each optimisation.

Needs the pipeline of `benchmarks/hf_baseline.py` and the same with a sentence gate, which
`benchmarks/gate.py` makes. Measures words per second of CPU time on one thread, on the first fold
of CardioCCC, which neither has seen. All ratios are of one run:

    MULTICARDIONER_DIR=... python benchmarks/trf_speed.py \
        --pipeline output/recipes/ours/fold-0/model-last \
        --gated output/gate/model-last -o output/trf_speed.json

"plain" encodes all windows of a batch of notes together, padded to the longest, as
spacy-transformers does. Entities that differ are those of only one of two runs: lower precision
against float32, and the gate against the same pipeline without it.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

# Before numpy is imported.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import spacy
import srsly
import torch
from spacy.tokens import Doc

from spacy_cardioner.corpus import convert
from spacy_cardioner.evaluation.scores import score
from spacy_cardioner.files import manifest
from spacy_cardioner.layers import transformer
from spacy_cardioner.spans import NOTE_ID, SPANS_KEY, Entity
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.folds import make_folds

LABEL = "FARMACO"
GATE = "gate"

Found = dict[str, list[Entity]]


class Run(NamedTuple):
    """A pipeline as it is run, and the run that its entities should be the same as."""

    name: str
    gated: bool
    precision: str = "float32"
    buckets: bool = True
    gate_open: bool = False
    same_as: str | None = None


RUNS = (
    Run("plain", False, buckets=False),
    Run("buckets", False, same_as="plain"),
    Run("buckets, bfloat16", False, "bfloat16", same_as="plain"),
    Run("sentence windows, buckets, bfloat16", True, "bfloat16", gate_open=True),
    Run("gate, buckets, bfloat16", True, "bfloat16", same_as="sentence windows, buckets, bfloat16"),
    Run("gate, buckets", True),
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pipeline", type=Path, required=True, help="trained, without a gate")
    parser.add_argument("--gated", type=Path, required=True, help="the same with a gate")
    parser.add_argument("--output", "-o", type=Path, required=True, help="JSON file")
    parser.add_argument("--documents", type=int, help="measure on so many, not the whole fold")
    parser.add_argument("--runs", nargs="*", help="some of them alone: " + "; ".join(list_runs()))
    return parser.parse_args()


def list_runs() -> list[str]:
    return [run.name for run in RUNS]


def read(corpus: Path) -> list[Doc]:
    cardiology = convert([corpus / "cardioccc_dev" / "en" / "brat"], blank("en"))
    measured = make_folds(doc.user_data[NOTE_ID] for doc in cardiology)[0]
    return [doc for doc in cardiology if doc.user_data[NOTE_ID] in set(measured)]


def entities(doc: Doc) -> list[Entity]:
    spans = doc.spans.get(SPANS_KEY, doc.ents)
    return [Entity(span.start_char, span.end_char, span.label_, span.text) for span in spans]


def predict(run: Run, folder: Path, docs: list[Doc]) -> tuple[Found, float]:
    """RETURNS (tuple): The entities of each document, and the seconds of CPU time that it took."""
    transformer.MAX_PIECES, transformer.MAX_PADDING = (8192, 64) if run.buckets else (2**62, 2**62)
    nlp = spacy.load(folder, config={"components.transformer.model.precision": run.precision})
    if run.gate_open:
        nlp.disable_pipe(GATE)
    list(nlp.pipe([docs[0].text]))  # The copy in lower precision is made.
    start = time.process_time()
    found = {
        doc.user_data[NOTE_ID]: entities(out)
        for doc, out in zip(docs, nlp.pipe(doc.text for doc in docs), strict=True)
    }
    return found, time.process_time() - start


def main() -> None:
    options = arguments()
    if "MULTICARDIONER_DIR" not in os.environ:
        raise SystemExit("Set MULTICARDIONER_DIR to the folder that holds track1 and track2")
    torch.set_num_threads(1)
    docs = read(Path(os.environ["MULTICARDIONER_DIR"]) / "track2")[: options.documents]
    gold = {doc.user_data[NOTE_ID]: entities(doc) for doc in docs}
    words = sum(map(len, docs))
    found: dict[str, Found] = {}
    results: dict[str, Any] = {}
    first = None
    for run in RUNS:
        if options.runs and run.name not in options.runs:
            continue
        folder = options.gated if run.gated else options.pipeline
        found[run.name], seconds = predict(run, folder, docs)
        first = first or seconds
        other = found.get(run.same_as or "")
        results[run.name] = {
            "words_a_second": round(words / seconds),
            "times_as_fast": round(first / seconds, 2),
            "f1": round(score(gold, found[run.name], labels=[LABEL]).strict.micro.f1, 4),
            "entities": sum(map(len, found[run.name].values())),
            "entities_that_differ": other
            and sum(len(set(other[name]) ^ set(found[run.name][name])) for name in gold),
        }
        print(f"{run.name}: {results[run.name]}", flush=True)
    srsly.write_json(
        options.output,
        {
            "runs": results,
            "documents": len(docs),
            "words": words,
            "manifest": manifest(
                [options.pipeline / "config.cfg", options.gated / "config.cfg"],
                {"documents": options.documents},
            ),
        },
    )


if __name__ == "__main__":
    main()
