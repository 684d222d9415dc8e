"""Measure training and inference of `cardioner_ner` against spaCy's `ner` on the same encoder.

Usage: python benchmarks/ner_speed.py [DOCBIN] [--words 60000] [--rounds 3]

Both pipelines have the encoder of configs/baseline.cfg and numpy's matrix multiplication. They
alternate, on one thread and the same documents. Prints words per second of CPU time, the best round
of each. Only the ratios are comparable. Without a DocBin, the sample corpus is used.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Before numpy is imported.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from spacy.language import Language
from spacy.training import Example
from spacy.training.batchers import minibatch_by_words
from spacy.util import load_config, load_model_from_config
from thinc.api import Adam, Optimizer

from spacy_cardioner.corpus import convert, read_docbin
from spacy_cardioner.tokenizer import blank

ROOT = Path(__file__).parent.parent
SAMPLE = [
    ROOT / "assets/sample" / part
    for part in ("track1/cardioccc_dev/brat", "track2/cardioccc_dev/es/brat")
]
HEADS = {
    "ner": {},
    "cardioner_ner, softmax": {"decoder": "softmax"},
    "cardioner_ner, crf": {"decoder": "crf"},
    "cardioner_ner, crf, token_transitions": {"decoder": "crf", "token_transitions": True},
}


def make(head: dict[str, Any]) -> Language:
    """The baseline pipeline, or the same with our component in place of spaCy's."""
    config = load_config(ROOT / "configs/baseline.cfg", overrides={"nlp.lang": "es"})
    config["nlp"]["after_pipeline_creation"] = {"@callbacks": "spacy_cardioner.use_numpy_blas.v1"}
    if head:
        model = {"@architectures": "spacy_cardioner.MultiHeadTagger.v1", "hidden_width": 0, **head}
        model["tok2vec"] = config["components"]["ner"]["model"]["tok2vec"]
        config["components"]["ner"] = {"factory": "cardioner_ner", "model": model}
    return load_model_from_config(config, auto_fill=True)


def train(nlp: Language, examples: list[Example], optimizer: Optimizer) -> None:
    """One pass over the documents."""
    for batch in minibatch_by_words(examples, 1000, discard_oversize=False):
        nlp.update(batch, drop=0.1, sgd=optimizer)


def infer(nlp: Language, examples: list[Example]) -> None:
    """Find the entities of tokenized documents."""
    docs = [nlp.make_doc(example.text) for example in examples]
    for name in ("tok2vec", "ner"):
        docs = list(nlp.get_pipe(name).pipe(docs, batch_size=64))  # type: ignore[attr-defined]


def seconds(run: Callable[[], None]) -> float:
    """CPU time of a call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """Print a table of words a second, and the ratios to spaCy's `ner`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("docbin", type=Path, nargs="?")
    parser.add_argument("--words", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    pipelines = {name: make(head) for name, head in HEADS.items()}
    vocab = blank("es").vocab
    docs = read_docbin(args.docbin, vocab) if args.docbin else convert(SAMPLE, blank("es"))
    chosen, words = [], 0
    while words < args.words:
        doc = docs[len(chosen) % len(docs)]
        chosen.append(doc)
        words += len(doc)
    best: dict[tuple[str, str], float] = {}
    data, optimizers = {}, {}
    for name, nlp in pipelines.items():
        data[name] = [Example(nlp.make_doc(doc.text), doc) for doc in chosen]
        nlp.initialize(lambda name=name: data[name])
        optimizers[name] = Adam(0.001, L2=0.01, grad_clip=1.0, use_averages=True)
        train(nlp, data[name], optimizers[name])
    for _ in range(args.rounds):
        for name, nlp in pipelines.items():
            runs = {
                "training": seconds(partial(train, nlp, data[name], optimizers[name])),
                "inference": seconds(partial(infer, nlp, data[name])),
            }
            for what, took in runs.items():
                best[name, what] = max(best.get((name, what), 0.0), words / took)
    print("| component | training, words/s | ratio | inference, words/s | ratio |")
    print("|---|---|---|---|---|")
    for name in HEADS:
        cells = [
            f"{best[name, what]:,.0f} | {best[name, what] / best['ner', what]:.2f}"
            for what in ("training", "inference")
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
