"""Many cross-validations from one file (see `campaign`): which variant, language and seed.

Each experiment is a first stage on one part of the corpus and, from its weights, a second stage on
the other part for each fold. First stages with the same settings are trained once. What is done is
not done again; that settings or data have changed since then is an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import shutil
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import spacy
import srsly
from spacy.cli._util import import_code
from spacy.cli.train import train as spacy_train
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Config

from spacy_cardioner.batch.mentions import Mention, doc_entities
from spacy_cardioner.brat import Entity, write_tsv
from spacy_cardioner.corpus import NOTE_ID, docs_by_name, read_docbin, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.evaluation.evaluate import evaluate
from spacy_cardioner.files import claim, manifest
from spacy_cardioner.training.averaging import average_weights
from spacy_cardioner.training.campaign import STAGE1, STAGE2, Campaign, prepare
from spacy_cardioner.training.crossval import DONE
from spacy_cardioner.training.folds import read_folds


class Job(NamedTuple):
    """One experiment in one language with one seed."""

    name: str
    lang: str
    seed: int


def run_experiments(
    campaign: Campaign,
    names: Sequence[str],
    output: Path,
    *,
    jobs: int = 1,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Train and score every experiment in every language with every seed, seed after seed.

    What they need is made first, see `prepare`.

    campaign (Campaign): The data and the pieces.
    names (Sequence[str]): The experiments.
    output (Path): Folder of the results: ``NAME/LANG-SEED/`` with the configs, the predictions
        of all folds and ``scores.json``.
    jobs (int): How many run at the same time, each in a process with one thread.
    report (Callable): Called with a line when one is done.
    """
    todo = [Job(n, lang, s) for s in campaign.seeds for n in names for lang in campaign.languages]
    # Here too, because a mistake in it would end a process of the pool without a word.
    import_code(campaign.code)
    _check_gold(campaign)
    prepare(campaign, names)
    for job in todo:
        claim(_folder(output, job), _manifest(campaign, job))
    todo = [job for job in todo if not (_folder(output, job) / "scores.json").exists()]
    _write_data(campaign, output)
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with _environment(one_thread):
        context = multiprocessing.get_context("spawn")
        # A process a job: what a training leaves in memory goes with it.
        with context.Pool(jobs, maxtasksperchild=1) as pool:
            # First stages apart, so that no two processes train one that experiments share.
            firsts = {_first_folder(campaign, job, output): job for job in todo}
            tasks = [(campaign, job, output) for job in firsts.values()]
            list(pool.imap_unordered(_first_stage, tasks, chunksize=1))
            tasks = [(campaign, job, output) for job in todo]
            for line in pool.imap_unordered(_run, tasks, chunksize=1):
                report(line)
            pool.close()
            pool.join()


def _check_gold(campaign: Campaign) -> None:
    for lang in campaign.languages:
        for source in campaign.sources.get(lang, [lang]):
            if source not in campaign.gold:
                raise CardionerError(f"the campaign names no gold folder for '{source}'")
        for name, (_, _, gold) in campaign.tasks(lang).items():
            if not gold.exists():
                raise CardionerError(f"{gold}: no such folder; it is the gold of {name}")


def _manifest(campaign: Campaign, job: Job) -> dict[str, Any]:
    configs = {s: campaign.make_config(job.name, job.lang, s) for s in ("stage1", "stage2")}
    named = campaign.inputs(job.lang, configs.values())
    files = sorted(path for path in map(Path, named) if path.name and path.exists())
    return manifest(files, {"configs": configs, "runs": campaign.runs(job.name), "seed": job.seed})


def table(campaign: Campaign, names: Sequence[str], output: Path) -> Iterator[list[str]]:
    """Rows of the strict micro F1: the mean over the seeds, and the lowest and highest.

    RETURNS (Iterator[list[str]]): A row with the titles, then one for each experiment; a cell is
        empty where nothing is done.
    """
    columns = [(lang, task) for lang in campaign.languages for task in campaign.tasks(lang)]
    titles = [task if task.endswith(lang) else f"{task} ({lang})" for lang, task in columns]
    yield ["experiment", *titles]
    for name in names:
        cells = []
        for lang, task in columns:
            paths = [_folder(output, Job(name, lang, s)) / "scores.json" for s in campaign.seeds]
            found = [srsly.read_json(path)[task] for path in paths if path.exists()]
            cells.append(_cell([report["strict"]["micro"]["f1"] for report in found]))
        yield [name, *cells]


def _cell(f1: Sequence[float]) -> str:
    if len(f1) < 2:
        return "".join(f"{value:.4f}" for value in f1)
    return f"{statistics.mean(f1):.4f} ({min(f1):.4f} to {max(f1):.4f})"


def _folder(output: Path, job: Job) -> Path:
    return output / job.name / f"{job.lang}-{job.seed}"


def _write_data(campaign: Campaign, output: Path) -> None:
    """Write the documents of the first stage; of each fold those to train on and those held out."""
    folds = read_folds(Path(campaign.folds))
    for lang in campaign.languages:
        parts = [campaign.part(lang, part) for part in (STAGE1, STAGE2)]
        inputs = [Path(campaign.folds), *(path for part in parts for path in part.values())]
        claim(_first_data(output, lang).parent, manifest(inputs, {}))
        for source, path in parts[0].items():
            if not (first := _first_data(output, lang) / f"{source}.spacy").exists():
                write_docbin(first, read_docbin(path, Vocab()))
        for source, path in parts[1].items():
            docs = docs_by_name(path)
            if unknown := [n for names in folds for n in names if n not in docs]:
                raise CardionerError(f"{path}: has no document {unknown[0]}, which is in a fold")
            for number, names in enumerate(folds):
                train = [doc for name, doc in docs.items() if name not in set(names)]
                _write(output, lang, number, "train", source, train)
                _write(output, lang, number, "dev", source, [docs[name] for name in names])


def _first_data(output: Path, lang: str) -> Path:
    return output / "data" / lang / STAGE1


def _fold(output: Path, lang: str, number: int, part: str) -> Path:
    return output / "data" / f"{lang}-{number}" / part


def _write(
    output: Path, lang: str, number: int, part: str, source: str, docs: Sequence[Doc]
) -> None:
    path = _fold(output, lang, number, part) / f"{source}.spacy"
    if not path.exists():
        write_docbin(path, docs)


def _run(task: tuple[Campaign, Job, Path]) -> str:
    """One experiment in one language with one seed, in a process of its own."""
    campaign, job, output = task
    folder = _folder(output, job)
    stage1 = _first_stage(task)
    config = continued(campaign.make_config(job.name, job.lang, "stage2"), stage1)
    found: dict[str, dict[str, list[Mention]]] = {s: {} for s in campaign.part(job.lang, STAGE2)}
    for number in range(len(read_folds(Path(campaign.folds)))):
        data = _fold(output, job.lang, number, "train")
        seeds = [job.seed + 100 * run for run in range(campaign.runs(job.name))]
        models = [train(config, folder / f"fold-{number}" / str(s), data, s) for s in seeds]
        nlp = average_weights([spacy.load(model) for model in models])
        for source, mentions in found.items():
            path = _fold(output, job.lang, number, "dev") / f"{source}.spacy"
            mentions.update(predict(nlp, read_docbin(path, Vocab())))
    scores = {}
    for source, mentions in found.items():
        _write_predictions(folder / f"predictions-{source}", mentions)
    for name, (source, label, gold) in campaign.tasks(job.lang).items():
        evaluation = evaluate(gold, folder / f"predictions-{source}.tsv", labels=[label])
        scores[name] = evaluation.to_dict()
    srsly.write_json(folder / "scores.json", scores)
    f1 = [f"{name} {scored['strict']['micro']['f1']:.4f}" for name, scored in scores.items()]
    return f"{job.name} {job.lang} seed {job.seed}: " + ", ".join(f1)


def _write_predictions(path: Path, found: Mapping[str, Sequence[Mention]]) -> None:
    """Write predictions as the task's table, and with their probabilities as JSONL."""
    entities = {name: [Entity(*m[:4]) for m in mentions] for name, mentions in found.items()}
    write_tsv(path.with_suffix(".tsv"), entities)
    rows = [{"id": n, "entities": [m._asdict() for m in each]} for n, each in found.items()]
    srsly.write_jsonl(path.with_suffix(".jsonl"), rows)


def _first_folder(campaign: Campaign, job: Job, output: Path) -> Path:
    """The folder of a first stage; those with the same settings have the same."""
    config = campaign.make_config(job.name, job.lang, "stage1")
    key = hashlib.sha256(config.to_str(interpolate=False).encode()).hexdigest()[:12]
    return output / "stage1" / f"{job.lang}-{job.seed}-{key}"


def _first_stage(task: tuple[Campaign, Job, Path]) -> Path:
    """Train a first stage, unless that was done, and return where the pipeline is."""
    campaign, job, output = task
    import_code(campaign.code)
    config = campaign.make_config(job.name, job.lang, "stage1")
    folder = _first_folder(campaign, job, output)
    return train(config, folder, _first_data(output, job.lang), job.seed)


def continued(config: Config, trained: Path) -> Config:
    """The config that trains on from the weights of a trained pipeline.

    config (Config): A config with the same components.
    trained (Path): The pipeline's folder.
    """
    config = config.copy()
    config["components"] = {name: {"source": str(trained)} for name in config["nlp"]["pipeline"]}
    config["initialize"].pop("components", None)
    if config["initialize"].get("vectors"):
        config["initialize"]["vectors"] = str(trained)
    return config


def train(config: Config, folder: Path, data: Path, seed: int) -> Path:
    """Run ``spacy train``, unless that was done; the last weights are what counts.

    config (Config): The config, which is written beside the weights.
    folder (Path): Where the pipeline and the log go.
    data (Path): The folder of the training documents.
    seed (int): Of everything that is drawn at random.
    RETURNS (Path): The folder of the trained pipeline.
    RAISES (CardionerError): The training failed.
    """
    model = folder / "model-last"
    if (folder / DONE).exists():
        return model
    folder.mkdir(parents=True, exist_ok=True)
    config.to_disk(folder / "config.cfg", interpolate=False)
    # Nothing is chosen while training: look once at one document.
    settings = {"paths.train": str(data), "paths.dev": str(data), "system.seed": seed}
    settings |= {"training.eval_frequency": 10**6, "corpora.dev.limit": 1}
    log = folder / "train.log"
    with log.open("w", encoding="utf-8") as stream, contextlib.redirect_stdout(stream):
        try:
            spacy_train(folder / "config.cfg", folder, overrides=settings)
        except SystemExit as error:
            raise CardionerError(f"{log}: the training failed; the file says why") from error
        except (OSError, ValueError) as error:
            raise CardionerError(f"{folder}: the training failed: {error}") from error
    shutil.rmtree(folder / "model-best", ignore_errors=True)
    (folder / DONE).touch()
    return model


def predict(nlp: Language, docs: Iterable[Doc]) -> Iterator[tuple[str, list[Mention]]]:
    """Annotate documents anew: names and what was found."""
    docs = list(docs)
    for doc, result in zip(docs, nlp.pipe(doc.text for doc in docs), strict=True):
        yield doc.user_data[NOTE_ID], doc_entities(result)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, which new processes take over."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
