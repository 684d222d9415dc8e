"""What a sentence gate spares the encoder, on English drugs: recall, sentences, time, entities.

Takes a transformer pipeline that was trained on DrugTEMIST and four fifths of CardioCCC, such as
`benchmarks/minilm_drugs.py` makes. Trains a gate on the same documents, tunes it on those of the
second fold, which the gate alone does not train on, and measures on the first fold, which neither
has seen (`cardioner split`, seed 13):

    MULTICARDIONER_DIR=... python benchmarks/gate.py --pipeline output/minilm/model-last \
        --windows sentence -o output/gate

With `--windows sentence`, each sentence is a window of its own, whether there is a gate or not.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import spacy
import srsly
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch
from thinc.api import Adam

from spacy_cardioner.brat import Entity
from spacy_cardioner.corpus import NOTE_ID, SPANS_KEY, convert
from spacy_cardioner.evaluation.scores import score
from spacy_cardioner.splits import make_folds
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.manifest import manifest

LABEL = "FARMACO"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pipeline", type=Path, required=True, help="trained, with `transformer`")
    parser.add_argument("--output", "-o", type=Path, required=True, help="folder for the result")
    parser.add_argument("--windows", choices=("context", "sentence"), default="sentence")
    parser.add_argument("--window", type=int, default=128, help="most tokens of a window")
    parser.add_argument("--context", type=int, default=0, help="tokens on each side")
    parser.add_argument("--epochs", type=int, default=5, help="of the gate")
    parser.add_argument("--recall", type=float, default=0.999)
    parser.add_argument("--documents", type=int, help="measure on so many, not the whole fold")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def read(corpus: Path) -> tuple[list[Doc], list[Doc], list[Doc]]:
    """RETURNS (tuple): Documents to train the gate on, to tune it on, and to measure on."""
    nlp = blank("en")
    cardiology = convert([corpus / "cardioccc_dev" / "en" / "brat"], nlp)
    folds = make_folds(doc.user_data[NOTE_ID] for doc in cardiology)
    measured, tuned = set(folds[0]), set(folds[1])
    training = convert([corpus / "drugtemist_train" / "en" / "brat"], nlp)
    training += [doc for doc in cardiology if doc.user_data[NOTE_ID] not in measured | tuned]
    return (
        training,
        [doc for doc in cardiology if doc.user_data[NOTE_ID] in tuned],
        [doc for doc in cardiology if doc.user_data[NOTE_ID] in measured],
    )


def examples(docs: list[Doc]) -> list[Example]:
    nlp = blank("en")
    return [Example(nlp(doc.text), doc) for doc in docs]


def train_gate(
    training: list[Doc], tuning: list[Doc], epochs: int, recall: float, folder: Path
) -> Language:
    fix_random_seed(13)
    nlp = blank("en")
    gate: Any = nlp.add_pipe("sentence_gate")
    sgd = Adam(0.001)
    nlp.initialize(lambda: examples(training), sgd=sgd)
    for _ in range(epochs):
        for batch in minibatch(examples(training), 8):
            gate.update(batch, drop=0.1, sgd=sgd)
    with gate.model.use_params(sgd.averages):
        gate.tune(examples(tuning), recall=recall)
        nlp.to_disk(folder)
    return spacy.load(folder)


def entities(doc: Doc) -> list[Entity]:
    spans = doc.spans.get(SPANS_KEY, doc.ents)
    return [Entity(span.start_char, span.end_char, span.label_, span.text) for span in spans]


def predict(nlp: Language, docs: list[Doc]) -> tuple[dict[str, list[Entity]], float]:
    """RETURNS (tuple): The entities of each document, and the seconds that it took."""
    start = time.perf_counter()
    found = {
        doc.user_data[NOTE_ID]: entities(out)
        for doc, out in zip(docs, nlp.pipe(doc.text for doc in docs), strict=True)
    }
    return found, time.perf_counter() - start


def main() -> None:
    options = arguments()
    if "MULTICARDIONER_DIR" not in os.environ:
        raise SystemExit("Set MULTICARDIONER_DIR to the folder that holds track1 and track2")
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    training, tuning, measured = read(Path(os.environ["MULTICARDIONER_DIR"]) / "track2")
    measured = measured[: options.documents]
    gate_nlp = train_gate(training, tuning, options.epochs, options.recall, options.output / "gate")
    scores = gate_nlp.get_pipe("sentence_gate").score(
        [Example(gate_nlp(doc.text), doc) for doc in measured]
    )

    windows = {
        "@span_getters": f"spacy_cardioner.{options.windows}_windows.v1",
        "window": options.window,
        "context": options.context,
    }
    settings = {f"components.transformer.model.get_spans.{k}": v for k, v in windows.items()}
    nlp = spacy.load(options.pipeline, config=settings)
    nlp.add_pipe("sentence_gate", source=gate_nlp, before="transformer")
    next(iter(nlp.pipe([measured[0].text])))  # warm
    gated, gated_seconds = predict(nlp, measured)
    with nlp.select_pipes(disable="sentence_gate"):
        whole, whole_seconds = predict(nlp, measured)

    gold = {doc.user_data[NOTE_ID]: entities(doc) for doc in measured}
    differ = sum(len(set(gated[name]) ^ set(whole[name])) for name in whole)
    result = {
        "gate": scores,
        "seconds": {"with": round(gated_seconds, 2), "without": round(whole_seconds, 2)},
        "times_faster": round(whole_seconds / gated_seconds, 2),
        "entities": sum(map(len, whole.values())),
        "entities_that_differ": differ,
        "f1": {
            "with": score(gold, gated, labels=[LABEL]).strict.micro.f1,
            "without": score(gold, whole, labels=[LABEL]).strict.micro.f1,
        },
        "documents": len(measured),
        "manifest": manifest(
            [options.pipeline / "config.cfg"],
            {k: v for k, v in vars(options).items() if k not in ("pipeline", "output")},
        ),
    }
    srsly.write_json(options.output / "result.json", result)
    print(srsly.json_dumps({k: v for k, v in result.items() if k != "manifest"}, indent=2))


if __name__ == "__main__":
    main()
