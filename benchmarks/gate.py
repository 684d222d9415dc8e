"""How much a sentence gate spares the encoder on English drugs, and what it loses.

Takes a transformer pipeline that was trained on DrugTEMIST and four fifths of CardioCCC, such as
`benchmarks/hf_baseline.py` makes. Trains a gate by `configs/gate.cfg` on the same documents, tunes
it on one half of the fifth that is left, and measures on the other half; then the other way round.
That fifth is the first fold (`cardioner split`, seed 13):

    MULTICARDIONER_DIR=... OMP_NUM_THREADS=1 python benchmarks/gate.py --gazetteer en.jsonl \
        --pipeline output/recipes/ours/fold-0/model-last -o output/gate

The pipeline with the gate is `output/gate/model-last`, tuned on the first half; its speed:
`benchmarks/trf_speed.py`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import spacy
import srsly
import torch
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config

from spacy_cardioner.corpus import convert, write_docbin
from spacy_cardioner.files import manifest
from spacy_cardioner.layers.windows import gated_tokens
from spacy_cardioner.pipeline.gate.component import create_tune_gate
from spacy_cardioner.spans import NOTE_ID, SPANS_KEY
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.folds import make_folds

CONFIG = Path(__file__).parents[1] / "configs" / "gate.cfg"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pipeline", type=Path, required=True, help="trained, with `transformer`")
    parser.add_argument("--gazetteer", type=Path, required=True, help="drugs, a patterns file")
    parser.add_argument("--output", "-o", type=Path, required=True, help="folder for everything")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--recall", type=float, default=0.999)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def prepare(corpus: Path, output: Path) -> list[list[Doc]]:
    """Write the documents to train on, and both halves of those to tune and to measure on.

    RETURNS (list[list[Doc]]): The halves.
    """
    nlp = blank("en")
    training = convert([corpus / "drugtemist_train" / "en" / "brat"], nlp)
    cardiology = convert([corpus / "cardioccc_dev" / "en" / "brat"], nlp)
    held_out = set(make_folds(doc.user_data[NOTE_ID] for doc in cardiology)[0])
    training += [doc for doc in cardiology if doc.user_data[NOTE_ID] not in held_out]
    measured = [doc for doc in cardiology if doc.user_data[NOTE_ID] in held_out]
    halves = [measured[::2], measured[1::2]]
    for name, docs in (("train", training), ("first", halves[0]), ("second", halves[1])):
        write_docbin(output / f"{name}.spacy", docs)
    return halves


def measure(nlp: Language, measured: list[Doc]) -> dict[str, Any]:
    """How the gate does by what is annotated, and by what the pipeline finds with it open."""
    gate: Any = nlp.get_pipe("gate")
    texts = [doc.text for doc in measured]
    with nlp.select_pipes(disable="gate"):
        found = [set(entities(doc)) for doc in nlp.pipe(texts)]
    with nlp.select_pipes(enable=["sentencizer", "gazetteer", "gate"]):
        gated = list(nlp.pipe(texts))
    closed = [gated_tokens(doc) for doc in gated]
    lost = [
        {(start, end) for start, end in spans if tokens[start:end].all()}
        for spans, tokens in zip(found, closed, strict=True)
    ]
    annotated = [set(entities(doc)) for doc in measured]
    right = [one & other for one, other in zip(found, annotated, strict=True)]
    wrong = [one - other for one, other in zip(found, annotated, strict=True)]
    scores = gate.score(map(Example, gated, measured))
    return {
        "threshold": gate.cfg["tuned"],
        **scores,
        "spared_tokens": float(sum(tokens.sum() for tokens in closed) / sum(map(len, closed))),
        "entities": {
            name: {"found": sum(map(len, sets)), "lost": count_common(sets, lost)}
            for name, sets in (("right", right), ("wrong", wrong))
        },
        "documents": len(measured),
    }


def entities(doc: Doc) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in doc.spans.get(SPANS_KEY, doc.ents)]


def count_common(first: list[set[Any]], second: list[set[Any]]) -> int:
    return sum(len(one & other) for one, other in zip(first, second, strict=True))


def main() -> None:
    options = arguments()
    if "MULTICARDIONER_DIR" not in os.environ:
        raise SystemExit("Set MULTICARDIONER_DIR to the folder that holds track1 and track2")
    torch.set_num_threads(options.threads)
    first, second = prepare(Path(os.environ["MULTICARDIONER_DIR"]) / "track2", options.output)
    settings = {
        "nlp.lang": "en",
        "training.max_epochs": options.epochs,
        "training.before_to_disk.recall": options.recall,
    }
    paths = {
        "paths.trained": str(options.pipeline),
        "paths.gazetteer": str(options.gazetteer),
        "paths.train": str(options.output / "train.spacy"),
        "paths.dev": str(options.output / "first.spacy"),
    }
    train(CONFIG, options.output, overrides={**settings, **paths})
    nlp = spacy.load(options.output / "model-last")
    result = {"tuned on the first half, measured on the second": measure(nlp, second)}
    tuning = load_config(CONFIG)["training"]["before_to_disk"]
    del tuning["@callbacks"]
    tuning |= {"path": options.output / "second.spacy", "recall": options.recall}
    create_tune_gate(**tuning)(nlp)
    result["tuned on the second half, measured on the first"] = measure(nlp, first)
    inputs = [options.pipeline / "config.cfg", options.gazetteer, CONFIG]
    inputs += [options.output / f"{name}.spacy" for name in ("train", "first", "second")]
    result["manifest"] = manifest(inputs, settings)
    srsly.write_json(options.output / "result.json", result)
    print(srsly.json_dumps({k: v for k, v in result.items() if k != "manifest"}, indent=2))


if __name__ == "__main__":
    main()
