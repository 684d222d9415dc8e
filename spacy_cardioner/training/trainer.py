"""The trainer: the stages of a recipe, with several seeds, on all documents or fold by fold.

The folder of a run holds

- ``seed-13/stage1``, ``seed-13/stage2``: config, log and pipeline of each stage, trained on all
  documents. ``pipeline`` is the stack of all seeds;
- ``fold-0``: the data of a fold, ``seed-13/stage2`` trained without it, and the stacked
  ``pipeline``;
- ``es.tsv`` and ``es.jsonl`` with the entities that the pipelines of the folds find in their
  held-out documents, ``documents.txt`` with the names of these, and ``folds.json``.

A stage that does not train on the part of the corpus that is split into folds is trained once for
all folds. Finished trainings are not repeated: the same call resumes a run that was interrupted.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import srsly
from spacy.cli.train import train as spacy_train
from spacy.tokens import Doc
from spacy.vocab import Vocab
from tqdm import tqdm

from spacy_cardioner.assembly.stack import stack
from spacy_cardioner.brat import write_tsv
from spacy_cardioner.corpus import docs_by_name, read_docbin, write_docbin
from spacy_cardioner.errors import CardionerError, reason, shown
from spacy_cardioner.evaluation.held_out import (
    FOLDS,
    PIPELINE,
    Folds,
    annotate_again,
    fold_folder,
)
from spacy_cardioner.files import claimed, manifest, write_texts
from spacy_cardioner.layout import SPLIT, languages_of
from spacy_cardioner.loading import load_pipeline, save_pipeline
from spacy_cardioner.processes import in_processes
from spacy_cardioner.spans import NOTE_ID, Entity, read_entities
from spacy_cardioner.training.recipe import SILVER, Recipe

# A file in the folder of a finished training.
DONE = "done"
# How spaCy reports an error in its log.
ENDED = re.compile(r"(Encountered\s+exception:\s+)(.+)", re.DOTALL)  # perhaps on several lines


@dataclass(frozen=True)
class Run:
    """A recipe applied to a corpus.

    corpus (Path): Folder with the DocBins that `cardioner convert --corpus` writes.
    paths (Mapping[str, str]): Settings of ``[paths]``, for the configs that have them.
    silver (Path | None): Folder with the part "silver": its folder "all" for all documents, and
        "fold-0", ... for the folds, annotated by a teacher that was not trained on the fold.
        Without it, the recipe must not have this part.
    jobs (int): Number of trainings at the same time, each in a process with one thread.
    """

    recipe: Recipe
    lang: str
    corpus: Path
    output: Path
    paths: Mapping[str, str] = field(default_factory=dict)
    gpu_id: int = -1
    jobs: int = 1
    silver: Path | None = None

    def claimed(self) -> contextlib.AbstractContextManager[None]:
        """Check that the folder holds this run or nothing, and keep other processes out.

        RAISES (CardionerError): It holds a run with other settings, data or versions, or another
            process writes there.
        """
        stages = range(len(self.recipe.stages))
        settings = {
            "configs": [self.recipe.config(stage, self.lang) for stage in stages],
            "seeds": list(self.recipe.seeds),
            "lang": self.lang,
        }
        inputs = [self.corpus, *map(Path, self.paths.values())]
        if self.silver is not None:
            inputs.append(self.silver)
        return claimed(self.output, manifest(inputs, settings))

    def part_folder(self, part: str, fold: int | None) -> Path:
        """The folder with the documents of a part to train on."""
        if part == SILVER and self.silver is not None:
            return self.silver / "all" if fold is None else fold_folder(self.silver, fold)
        if part == SPLIT and fold is not None:
            return fold_folder(self.output, fold) / "train"
        return self.corpus / part

    def stage_folder(self, stage: int, seed: int, fold: int | None) -> Path:
        """The folder of one training. Trainings that do not depend on the fold share theirs."""
        split = any({SPLIT, SILVER} & set(s.parts) for s in self.recipe.stages[: stage + 1])
        parent = self.output if fold is None or not split else fold_folder(self.output, fold)
        return parent / f"seed-{seed}" / f"stage{stage + 1}"


def train(run: Run) -> Path:
    """Train all stages with all seeds on all documents, and stack the pipelines.

    RETURNS (Path): Folder of the stacked pipeline.
    RAISES (CardionerError): The folder holds another run, or a training failed.
    """
    with run.claimed():
        _train_stages(run, [None])
        return _stack(run, None)


def cross_validate(run: Run, folds: Folds, chosen: Sequence[int] | None = None) -> None:
    """Train without each fold, and annotate its documents with the stacked pipelines.

    chosen (Sequence[int] | None): Numbers of the folds, from 0. Default: those of the recipe.
    RAISES (CardionerError): The run, the folds and the documents do not agree; a training failed.
    """
    with run.claimed():
        wanted = chosen or run.recipe.folds
        numbers = list(range(len(folds)) if wanted is None else wanted)
        if bad := [number for number in numbers if not 0 <= number < len(folds)]:
            raise CardionerError(f"there is no fold {bad[0]}: they are 0 to {len(folds) - 1}")
        path = run.output / FOLDS
        plain = [list(names) for names in folds]
        if path.exists() and srsly.read_json(path) != plain:
            raise CardionerError(
                f"{run.output}: was cross-validated with other folds (see {FOLDS})"
            )
        write_texts({path: srsly.json_dumps(plain, indent=2)})
        for number in numbers:
            _write_fold(run, folds, number)
        _train_stages(run, numbers)
        _each(run.jobs, partial(_predict_fold, run), numbers, "predict")
        for lang in languages_of(run.lang):
            files = [fold_folder(run.output, number) / f"{lang}.jsonl" for number in numbers]
            rows = sorted((row for f in files for row in srsly.read_jsonl(f)), key=itemgetter("id"))
            _write_rows(run.output / f"{lang}.jsonl", rows)
            found = {row["id"]: [Entity(**entity) for entity in row["entities"]] for row in rows}
            write_tsv(run.output / f"{lang}.tsv", found)
        names = sorted(name for number in numbers for name in folds[number])
        write_texts({run.output / "documents.txt": "".join(f"{n}\n" for n in names)})


def _write_fold(run: Run, folds: Folds, number: int) -> None:
    """Write the documents of a fold, and those of the other folds to train on."""
    for lang in languages_of(run.lang):
        path = run.corpus / SPLIT / f"{lang}.spacy"
        docs = docs_by_name(path)
        # A language may lack some notes of the others.
        if not set(docs) <= {name for names in folds for name in names}:
            raise CardionerError(
                f"{path}: its documents are not those of the folds; split this corpus into folds"
            )
        ours = [name for name in folds[number] if name in docs]
        others = [name for name in docs if name not in folds[number]]
        for part, names in (("train", others), ("held-out", ours)):
            file = fold_folder(run.output, number) / part / f"{lang}.spacy"
            if not file.exists():
                write_docbin(file, [docs[name] for name in names])


def _train_stages(run: Run, folds: Sequence[int | None]) -> None:
    """Train stage after stage; within a stage, all seeds and folds at the same time."""
    for stage in range(len(run.recipe.stages)):
        tasks = [(stage, seed, fold) for seed in run.recipe.seeds for fold in folds]
        folders = {run.stage_folder(*task): task for task in tasks}
        todo = [folder for folder in folders if not (folder / DONE).exists()]
        for folder in todo:
            _write_config(run, *folders[folder])
        _each(run.jobs, partial(_train, run.gpu_id), todo, f"stage {stage + 1}")


def _write_config(run: Run, stage: int, seed: int, fold: int | None) -> None:
    """Write the complete config of one training into its folder."""
    config = run.recipe.config(stage, run.lang)
    folder = run.stage_folder(stage, seed, fold)
    folder.mkdir(parents=True, exist_ok=True)
    if stage:
        before = str(run.stage_folder(stage - 1, seed, fold) / "model-last")
        if run.recipe.stages[stage].config:
            config["paths"]["stage1"] = before
        else:
            config["components"] = {name: {"source": before} for name in config["nlp"]["pipeline"]}
            config["initialize"].pop("components", None)
            if config["initialize"].get("vectors"):
                config["initialize"]["vectors"] = before
    data = {part: run.part_folder(part, fold) for part in run.recipe.stages[stage].parts}
    for part, source in data.items():
        if not source.is_dir():
            raise CardionerError(f"{source}: not found; the recipe trains on the part '{part}'")
    *_, train_path = data.values()
    dev = train_path if fold is None else fold_folder(run.output, fold) / "held-out"
    if len(data) > 1:  # spaCy reads one folder
        train_path = folder / "train"
        for part, source in data.items():
            shutil.copytree(source, train_path / part, dirs_exist_ok=True)
    given = {"train": str(train_path), "dev": str(dev)}
    config["paths"].update(given | {k: v for k, v in run.paths.items() if k in config["paths"]})
    config["system"]["seed"] = seed
    config.to_disk(folder / "config.cfg", interpolate=False)


class _Log(io.TextIOWrapper):
    """A log in which what ended a training is `shown`, as it may quote a text."""

    def write(self, text: str) -> int:
        """Write a text."""
        return super().write(ENDED.sub(lambda found: found[1] + shown(found[2]), text))


def _train(gpu_id: int, folder: Path) -> None:
    """Train a config with ``spacy train``; the last weights are used."""
    log = folder / "train.log"
    with (
        _Log(log.open("wb"), "utf-8") as stream,
        contextlib.redirect_stdout(stream),
        contextlib.redirect_stderr(stream),
    ):
        try:
            spacy_train(folder / "config.cfg", folder, use_gpu=gpu_id)
        except SystemExit as error:
            raise CardionerError(f"{log}: the training failed; see the end of this file") from error
        except (OSError, ValueError) as error:
            raise CardionerError(f"{folder}: the training failed ({reason(error)})") from error
    for unused in ("model-best", "train"):
        shutil.rmtree(folder / unused, ignore_errors=True)
    (folder / DONE).touch()


def _stack(run: Run, fold: int | None) -> Path:
    """Stack the pipelines of all seeds."""
    last = len(run.recipe.stages) - 1
    folders = [run.stage_folder(last, seed, fold) for seed in run.recipe.seeds]
    stacked = (run.output if fold is None else fold_folder(run.output, fold)) / PIPELINE
    save_pipeline(stack([load_pipeline(folder / "model-last") for folder in folders]), stacked)
    return stacked


def _predict_fold(run: Run, number: int) -> None:
    """Stack the pipelines of a fold, and annotate its documents."""
    folder = fold_folder(run.output, number)
    langs = languages_of(run.lang)
    if all((folder / f"{lang}.jsonl").exists() for lang in langs):
        return
    nlp = load_pipeline(_stack(run, number))
    for lang in langs:
        docs = read_docbin(folder / "held-out" / f"{lang}.spacy", Vocab())
        rows = [_row(found) for _, found in annotate_again(nlp, docs)]
        _write_rows(folder / f"{lang}.jsonl", rows)


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSONL file, which is complete or absent: a fold that has its file is finished."""
    write_texts({path: "".join(f"{srsly.json_dumps(row)}\n" for row in rows)})


def _row(doc: Doc) -> dict[str, Any]:
    """The entities of a document with character boundaries, as `cardioner annotate` writes them."""
    entities = [
        {
            "start": (span := doc[entity.start : entity.end]).start_char,
            "end": span.end_char,
            "label": entity.label,
            "text": span.text,
            "score": entity.score,
        }
        for entity in read_entities(doc)
    ]
    return {"id": doc.user_data[NOTE_ID], "entities": entities}


def _each(jobs: int, function: Callable[[Any], None], tasks: Sequence[Any], title: str) -> None:
    """Call a function for each task in a process of its own, and show the progress."""
    calls = in_processes(jobs, function, tasks)
    for _ in tqdm(calls, title, len(tasks), disable=not tasks or None):
        pass
