"""Many cross-validations from one file: what was changed, in which language, with which seed.

The file (YAML) says where the data is and names *pieces*, each a few settings of a training config:

    languages: [es, en]
    seeds: [1, 2, 3]
    config: configs/{lang}_cpu.cfg
    corpus: runs/corpus/{lang}/{part}/{source}.spacy
    sources: {xx: [es, en, it]}
    folds: runs/folds.json
    gold:
      es: {ENFERMEDAD: "${MULTICARDIONER_DIR}/track1/cardioccc_dev/brat"}
    pieces:
      always:
        nlp.lang: "{lang}"
        stage1: {training.max_epochs: 3}
        stage2: {training.max_epochs: 5}
      crf: {components.ner.model.decoder: crf}

An experiment is some pieces joined by "+", as in "crf+vectors". Its config is the base config with
the settings of the piece "always" and of its own pieces, later ones winning; a value replaces the
whole section of that name. Settings under "stage1" and "stage2" hold for that stage alone. A piece
with the entry ``runs: 3`` has three second stages with other seeds, whose weights are averaged.

A pipeline learns from the corpora of its language, or of the languages that `sources` gives it, and
is scored on each of them.

Each experiment is a first stage on one part of the corpus and, from its weights, a second stage on
the other part for each fold. First stages with the same settings are trained once. What is done is
not done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import spacy
import srsly
from spacy.cli.train import train as spacy_train
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Config

from spacy_cardioner.annotate.engine import Mention, doc_entities
from spacy_cardioner.brat import Entity, write_tsv
from spacy_cardioner.corpus import NOTE_ID, read_docbin, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.evaluation.evaluate import evaluate
from spacy_cardioner.splits import read_folds
from spacy_cardioner.training.averaging import average_weights

STAGE1, STAGE2 = "temist", "cardioccc"
ALWAYS = "always"
RUNS = "runs"


@dataclass(frozen=True)
class Campaign:
    """What a file of experiments says. The module's description explains each entry."""

    languages: Sequence[str]
    seeds: Sequence[int]
    config: str
    corpus: str
    folds: str
    gold: Mapping[str, Mapping[str, str]]
    pieces: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def part(self, lang: str, part: str) -> dict[str, Path]:
        """The DocBins of a part of the corpus for a pipeline's language, by their own languages."""
        pattern = os.path.expandvars(self.corpus)
        return {
            source: Path(pattern.format(lang=lang, part=part, source=source))
            for source in self.sources.get(lang, [lang])
        }

    def tasks(self, lang: str) -> dict[str, tuple[str, str, Path]]:
        """What a pipeline is scored on, by its name: language, label and gold folder."""
        return {
            f"{label} {source}": (source, label, Path(os.path.expandvars(gold)))
            for source in self.part(lang, STAGE2)
            for label, gold in self.gold[source].items()
        }

    def make_config(self, name: str, lang: str, stage: str) -> Config:
        """The training config of an experiment, without the paths of the data.

        name (str): The experiment: pieces joined by "+".
        lang (str): The language, also put in place of ``{lang}`` in settings.
        stage (str): "stage1" or "stage2".
        RAISES (CardionerError): There is no piece of such a name.
        """
        config = Config().from_disk(self.config.format(lang=lang), interpolate=False)
        own = name.split("+")
        if unknown := [piece for piece in own if piece not in self.pieces]:
            known = ", ".join(sorted(self.pieces))
            raise CardionerError(f"there is no piece '{unknown[0]}' of experiments; known: {known}")
        for piece in (ALWAYS, *own):
            found = self.pieces.get(piece, {})
            for key, value in {**found, **found.get(stage, {})}.items():
                if key not in (RUNS, "stage1", "stage2"):
                    _put(config, key, _formatted(value, lang))
        return config

    def runs(self, name: str) -> int:
        """How many second stages of an experiment are averaged."""
        found = [self.pieces[piece].get(RUNS) for piece in name.split("+")]
        return max(filter(None, found), default=1)


class Job(NamedTuple):
    """One experiment in one language with one seed."""

    name: str
    lang: str
    seed: int


def read_campaign(path: Path) -> Campaign:
    """Read a file of experiments.

    RAISES (CardionerError): The file is missing, no YAML, or lacks an entry.
    """
    try:
        return Campaign(**srsly.read_yaml(path))
    except (OSError, ValueError, TypeError) as error:
        raise CardionerError(f"{path}: not a file of experiments ({error})") from error


def run_experiments(
    campaign: Campaign,
    names: Sequence[str],
    output: Path,
    *,
    jobs: int = 1,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Train and score every experiment in every language with every seed, seed after seed.

    campaign (Campaign): The data and the pieces.
    names (Sequence[str]): The experiments.
    output (Path): Folder of the results: ``NAME/LANG-SEED/`` with the configs, the predictions
        of all folds and ``scores.json``.
    jobs (int): How many run at the same time, each in a process with one thread.
    report (Callable): Called with a line when one is done.
    """
    todo = [Job(n, lang, s) for s in campaign.seeds for n in names for lang in campaign.languages]
    for job in todo:
        campaign.make_config(job.name, job.lang, "stage1")
    _write_folds(campaign, output)
    todo = [job for job in todo if not (_folder(output, job) / "scores.json").exists()]
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with _environment(one_thread):
        context = multiprocessing.get_context("spawn")
        # A process a job: what a training leaves in memory goes with it.
        with context.Pool(jobs, maxtasksperchild=1) as pool:
            tasks = [(campaign, job, output) for job in todo]
            for line in pool.imap_unordered(_run, tasks, chunksize=1):
                report(line)


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


def _write_folds(campaign: Campaign, output: Path) -> None:
    """Write the training and the held-out documents of each fold, for all experiments."""
    folds = read_folds(Path(campaign.folds))
    for lang in campaign.languages:
        for source, path in campaign.part(lang, STAGE2).items():
            docs = {doc.user_data[NOTE_ID]: doc for doc in _docs(path)}
            for number, names in enumerate(folds):
                train = [doc for name, doc in docs.items() if name not in set(names)]
                _write(output, lang, number, "train", source, train)
                _write(output, lang, number, "dev", source, [docs[name] for name in names])


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
    stage1 = _first_stage(campaign, job, output)
    config = continued(campaign.make_config(job.name, job.lang, "stage2"), stage1)
    found: dict[str, dict[str, list[Mention]]] = {s: {} for s in campaign.part(job.lang, STAGE2)}
    for number in range(len(read_folds(Path(campaign.folds)))):
        data = _fold(output, job.lang, number, "train")
        seeds = [job.seed + 100 * run for run in range(campaign.runs(job.name))]
        models = [train(config, folder / f"fold-{number}" / str(s), data, s) for s in seeds]
        nlp = average_weights([spacy.load(model) for model in models])
        for source, mentions in found.items():
            held_out = _docs(_fold(output, job.lang, number, "dev") / f"{source}.spacy")
            mentions.update(predict(nlp, held_out))
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


def _first_stage(campaign: Campaign, job: Job, output: Path) -> Path:
    """The folder of the trained first stage; one with the same settings is taken again."""
    config = campaign.make_config(job.name, job.lang, "stage1")
    key = hashlib.sha256(config.to_str(interpolate=False).encode()).hexdigest()[:12]
    folder = output / "stage1" / f"{job.lang}-{job.seed}-{key}"
    data = next(iter(campaign.part(job.lang, STAGE1).values())).parent
    return train(config, folder, data, job.seed)


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
    RAISES (CardionerError): The training failed; the log says why.
    """
    model = folder / "model-last"
    if (folder / "done").exists():
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
    shutil.rmtree(folder / "model-best", ignore_errors=True)
    (folder / "done").touch()
    return model


def predict(nlp: Language, docs: Iterable[Doc]) -> Iterator[tuple[str, list[Mention]]]:
    """Annotate documents anew: names and what was found."""
    docs = list(docs)
    for doc, result in zip(docs, nlp.pipe(doc.text for doc in docs), strict=True):
        yield doc.user_data[NOTE_ID], doc_entities(result)


def _docs(path: Path) -> list[Doc]:
    return read_docbin(path, Vocab())


def _put(config: Config, key: str, value: Any) -> None:
    """Set a section or a setting by its dotted name; sections on the way are made."""
    *sections, last = key.split(".")
    target: dict[str, Any] = config
    for section in sections:
        target = target.setdefault(section, {})
    target[last] = value


def _formatted(value: Any, lang: str) -> Any:
    """A copy of a setting in which ``{lang}`` is the language."""
    return json.loads(json.dumps(value).replace("{lang}", lang))


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
