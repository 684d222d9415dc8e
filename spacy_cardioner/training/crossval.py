"""Cross-validation by document: train on the other folds, predict the held-out one, pool all.

Each document of the corpus that is split is predicted once, by a model that never saw it, in no
language. What does not depend on the fold, such as a first stage on another corpus, is trained
beforehand and named in the overrides.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import spacy
from spacy.tokens import Doc
from spacy.util import load_config
from spacy.vocab import Vocab

from spacy_cardioner.assembly.stack import stack
from spacy_cardioner.batch.mentions import doc_entities
from spacy_cardioner.brat import Entity, read_tsv, write_tsv
from spacy_cardioner.corpus import NOTE_ID, docs_by_name, read_docbin, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import claim, manifest

# A file in the folder of a finished training.
DONE = "done"


@dataclass(frozen=True)
class Experiment:
    """What is trained in each fold.

    config (Path): A training config of spaCy, with the settings ``paths.train`` and ``paths.dev``.
    split (Sequence[Path]): DocBins of the documents that the folds are made of, one a language.
    extra (Sequence[Path]): DocBins that are added to the training part of every fold.
    overrides (Mapping[str, str]): Settings of the config, e.g. ``{"paths.stage1": "models/es"}``.
        In a value, ``{seed}`` stands for the seed.
    gpu_id (int): The GPU to train on, -1 for the CPU.
    seeds (Sequence[int]): Each fold is trained with each of them, and the pipelines are put side by
        side, see `stacking`. Without any, it is trained once, with the config's own seed.
    """

    config: Path
    split: Sequence[Path]
    extra: Sequence[Path] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    gpu_id: int = -1
    seeds: Sequence[int] = ()

    def settings(self, seed: int | None) -> dict[str, str]:
        """The overrides for a seed."""
        if seed is None:
            return dict(self.overrides)
        return {key: value.replace("{seed}", str(seed)) for key, value in self.overrides.items()}

    def manifest(self, folds: Sequence[Sequence[str]]) -> dict[str, object]:
        """What the results depend on; paths among the overrides count by their content."""
        paths = [
            Path(value)
            for seed in self.seeds or (None,)
            for key, value in self.settings(seed).items()
            if key.startswith("paths.")
        ]
        settings = {k: v for k, v in self.overrides.items() if not k.startswith("paths.")}
        return manifest(
            [self.config, *self.split, *self.extra, *dict.fromkeys(paths)],
            {
                "overrides": settings,
                "seeds": list(self.seeds),
                "folds": [list(fold) for fold in folds],
            },
        )


def cross_validate(
    experiment: Experiment,
    folds: Sequence[Sequence[str]],
    output: Path,
    *,
    chosen: Sequence[int] | None = None,
    jobs: int = 1,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Train and predict each fold; one that is finished already is not done again.

    Writes to `output` a folder a fold (documents, training log, model, predictions), a manifest,
    ``documents.txt`` with the names of the predicted documents, and a table of the predicted
    entities for each DocBin that was split, named like it: ``es.spacy`` gives ``es.tsv``.

    experiment (Experiment): What to train.
    folds (Sequence[Sequence[str]]): Document names of each fold.
    output (Path): The folder to write to.
    chosen (Sequence[int]): Numbers of the folds to do, from 0; None does all.
    jobs (int): Folds trained at the same time, each on one thread.
    report (Callable): Called with a line when a fold is done.
    RAISES (CardionerError): `output` holds another experiment; documents do not fit the folds;
        a training failed.
    """
    numbers = list(range(len(folds)) if chosen is None else chosen)
    if bad := [number for number in numbers if not 0 <= number < len(folds)]:
        raise CardionerError(f"there is no fold {bad[0]}: they are 0 to {len(folds) - 1}")
    split = {path.stem: _by_name(path, folds) for path in experiment.split}
    extra = [doc for path in experiment.extra for doc in read_docbin(path, Vocab())]
    claim(output, experiment.manifest(folds))

    def run(number: int) -> None:
        folder, held_out = output / f"fold-{number}", set(folds[number])
        if not all((folder / f"{stem}.tsv").exists() for stem in split):
            train = [
                doc for docs in split.values() for name, doc in docs.items() if name not in held_out
            ]
            held = {stem: [docs[name] for name in folds[number]] for stem, docs in split.items()}
            write_docbin(folder / "train.spacy", [*extra, *train])
            write_docbin(folder / "dev.spacy", [doc for docs in held.values() for doc in docs])
            _train(experiment, folder)
            _predict(folder, held)
        report(f"fold {number} of 0 to {len(folds) - 1} done")

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, numbers))
    for stem in split:
        parts = [read_tsv(output / f"fold-{number}" / f"{stem}.tsv") for number in numbers]
        pooled = {name: found for part in parts for name, found in part.items()}
        write_tsv(output / f"{stem}.tsv", dict(sorted(pooled.items())))
    names = sorted(name for number in numbers for name in folds[number])
    (output / "documents.txt").write_text("".join(f"{n}\n" for n in names), encoding="utf-8")


def _by_name(path: Path, folds: Sequence[Sequence[str]]) -> dict[str, Doc]:
    docs = docs_by_name(path)
    if sorted(docs) != sorted(name for fold in folds for name in fold):
        raise CardionerError(
            f"{path}: its documents are not those of the folds; make the folds from this corpus"
        )
    return docs


def _train(experiment: Experiment, folder: Path) -> None:
    """Train all members of one fold; ``model-last`` is the pipeline that they make."""
    config = load_config(experiment.config, overrides=dict(experiment.overrides))
    seeds = experiment.seeds or [int(config["system"]["seed"])]
    members = [spacy.load(_train_member(experiment, folder, seed)) for seed in seeds]
    stack(members).to_disk(folder / "model-last")


def _train_member(experiment: Experiment, folder: Path, seed: int) -> Path:
    """Run ``spacy train`` in processes and on a thread of its own, unless that was done."""
    settings = {
        **experiment.settings(seed),
        "paths.train": str(folder / "train.spacy"),
        "paths.dev": str(folder / "dev.spacy"),
        "system.seed": str(seed),
    }
    run = folder / f"seed-{seed}"
    if (run / DONE).exists():
        return run / "model-last"
    run.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "spacy", "train", str(experiment.config)]
    command += ["--output", str(run), "--gpu-id", str(experiment.gpu_id)]
    command += [part for key, value in settings.items() for part in (f"--{key}", value)]
    log = run / "train.log"
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(
            command, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, **one_thread}
        )
    if done.returncode:
        raise CardionerError(f"{log}: the training failed; the end of this file says why")
    (run / DONE).touch()
    return run / "model-last"


def _predict(folder: Path, held: Mapping[str, Sequence[Doc]]) -> None:
    """Annotate the held-out documents with the last weights of the training."""
    nlp = spacy.load(folder / "model-last")
    for stem, docs in held.items():
        pairs = zip(docs, nlp.pipe(doc.text for doc in docs), strict=True)
        found = {
            doc.user_data[NOTE_ID]: [Entity(*mention[:4]) for mention in doc_entities(result)]
            for doc, result in pairs
        }
        write_tsv(folder / f"{stem}.tsv", found)
