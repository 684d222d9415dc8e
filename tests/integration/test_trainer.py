"""The trainer: stages, seeds and folds; each document annotated by a pipeline that never saw it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Config

from spacy_cardioner.brat import read_tsv
from spacy_cardioner.corpus import convert, docs_by_name, read_docbin, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.evaluation.held_out import predict_held_out
from spacy_cardioner.processes import in_processes
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training import trainer
from spacy_cardioner.training.folds import make_folds
from spacy_cardioner.training.recipe import Recipe, Stage
from spacy_cardioner.training.trainer import Run, cross_validate, train
from tests.conftest import ROOT

SAMPLE = ROOT / "assets/sample/track2"
QUICK = {"training.max_epochs": 1, "components.tok2vec.model.depth": 1}
BASELINE = [Stage(["cardioccc"], str(ROOT / "configs/baseline.cfg"))]
RECIPE = Recipe(BASELINE, seeds=[13], settings=[QUICK])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for part, source in (("temist", "drugtemist_train"), ("cardioccc", "cardioccc_dev")):
        docs = convert([SAMPLE / source / "en/brat"], blank("en"))
        write_docbin(folder / part / "en.spacy", docs)
    return folder


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[Stage]:
    """The two stages of the CPU family, without vectors and gazetteer."""
    config = Config().from_disk(ROOT / "configs/cpu.cfg", interpolate=False)
    config["initialize"] = {}
    model = config["components"]["tok2vec"]["model"]
    model["embed"]["tok2vec"]["tok2vec"]["include_static_vectors"] = False
    model["encode"]["depth"] = 1
    path = tmp_path_factory.mktemp("configs") / "cpu.cfg"
    config.to_disk(path)
    second = Config().from_disk(ROOT / "configs/stage2_cpu.cfg", interpolate=False)
    second["initialize"] = {}
    second.to_disk(path.with_name("stage2.cfg"))
    return [Stage(["temist"], str(path)), Stage(["cardioccc"], str(path.with_name("stage2.cfg")))]


def names(path: Path) -> list[str]:
    return [doc.user_data["note_id"] for doc in read_docbin(path, Vocab())]


def folds_of(corpus: Path, folds: int) -> list[list[str]]:
    return make_folds(names(corpus / "cardioccc/en.spacy"), folds)


def test_folds_are_trained_pooled_and_kept(corpus: Path, tmp_path: Path) -> None:
    folds = folds_of(corpus, 2)
    run = Run(RECIPE, "en", corpus, tmp_path)

    cross_validate(run, folds, chosen=[1])

    assert names(tmp_path / "fold-1/held-out/en.spacy") == folds[1]
    assert names(tmp_path / "fold-1/train/en.spacy") == folds[0]
    assert (tmp_path / "documents.txt").read_text().split() == folds[1]
    assert not (tmp_path / "fold-0").exists()
    # A finished fold is not trained again.
    found = {"start": 0, "end": 3, "label": "FARMACO", "text": "abc", "score": None}
    row = {"id": folds[1][0], "entities": [found]}
    srsly.write_jsonl(tmp_path / "fold-1/en.jsonl", [row])
    cross_validate(replace(run, jobs=2), folds)
    pooled = read_tsv(tmp_path / "en.tsv")
    assert [entity.text for entity in pooled[folds[1][0]]] == ["abc"]
    assert set(pooled) <= {name for fold in folds for name in fold}
    assert len(list(srsly.read_jsonl(tmp_path / "en.jsonl"))) == len(folds[0]) + 1

    other = replace(run, recipe=RECIPE.with_settings({"training.dropout": 0.5}))
    with pytest.raises(CardionerError, match="holds results of other"):
        cross_validate(other, folds)
    with pytest.raises(CardionerError, match="cross-validated with other folds"):
        cross_validate(run, folds[::-1])


def test_stages_continue_and_seeds_are_stacked(
    corpus: Path, stages: list[Stage], tmp_path: Path
) -> None:
    recipe = Recipe(stages, seeds=[4, 7], settings=[{"training.max_epochs": 1}])
    run = Run(recipe, "en", corpus, tmp_path, jobs=2)
    folds = folds_of(corpus, 2)

    stacked = spacy.load(train(run))

    assert stacked.config["components"]["tok2vec"]["model"]["count"] == 2
    for seed in (4, 7):
        first, second = (tmp_path / f"seed-{seed}/stage{number}" for number in (1, 2))
        assert spacy.load(first / "model-last").config["system"]["seed"] == seed
        config = (second / "config.cfg").read_text()
        assert str(first / "model-last") in config and str(corpus / "cardioccc") in config
        # The second stage starts with what the first has learned.
        log = (second / "train.log").read_text()
        assert "ENTS_F" in log or "SPANS_C" in log
    # First stages do not depend on the fold.
    finished = (tmp_path / "seed-4/stage1/done").stat().st_mtime_ns
    cross_validate(run, folds, chosen=[0])
    assert (tmp_path / "seed-4/stage1/done").stat().st_mtime_ns == finished
    assert not (tmp_path / "fold-0/seed-4/stage1").exists()
    assert spacy.load(tmp_path / "fold-0/pipeline").pipe_names == stacked.pipe_names
    # Without the other fold, nothing can be predicted for its documents.
    docs = docs_by_name(corpus / "cardioccc/en.spacy")
    held_out = predict_held_out(tmp_path, docs)
    first = [next(held_out) for _ in folds[0]]
    assert [doc.user_data["note_id"] for _, doc, _ in first] == folds[0]
    assert all(doc.text == found.text for _, doc, found in first)
    with pytest.raises(CardionerError, match="fold-1"):
        next(held_out)


def test_a_stage_may_train_on_several_parts(corpus: Path, tmp_path: Path) -> None:
    stages = [Stage(["temist", "cardioccc"], BASELINE[0].config)]
    run = Run(replace(RECIPE, stages=stages), "en", corpus, tmp_path)
    cross_validate(run, folds_of(corpus, 2), chosen=[0])
    log = (tmp_path / "fold-0/seed-13/stage1/train.log").read_text()
    assert "Saved pipeline" in log or "model-last" in log
    assert not (tmp_path / "fold-0/seed-13/stage1/train").exists(), "copies are removed"


def test_each_fold_has_texts_of_its_own_teacher(
    corpus: Path, stages: list[Stage], tmp_path: Path
) -> None:
    """A teacher that saw a fold would tell its pipeline what stands in the held-out documents."""
    silver = tmp_path / "silver"
    for name in ("all", "fold-1"):
        shutil.copytree(corpus / "temist", silver / name)
    teacher = replace(stages[1], parts=["silver"])
    one = {"training.max_epochs": 1}
    recipe = Recipe([stages[0], teacher, stages[1]], seeds=[4], settings=[one])
    run = Run(recipe, "en", corpus, tmp_path / "run", silver=silver)

    cross_validate(run, folds_of(corpus, 2), chosen=[1])

    folder = tmp_path / "run/fold-1/seed-4"
    assert str(silver / "fold-1") in (folder / "stage2/config.cfg").read_text()
    assert str(folder / "stage2/model-last") in (folder / "stage3/config.cfg").read_text()
    assert (tmp_path / "run/seed-4/stage1/done").exists(), "the same for all folds"
    assert not (folder / "stage1").exists()
    with pytest.raises(CardionerError, match="fold-0: not found; .* the part 'silver'"):
        cross_validate(run, folds_of(corpus, 2), chosen=[0])
    assert run.part_folder("silver", None) == silver / "all"


def test_a_recipe_without_silver_has_fewer_stages(stages: list[Stage]) -> None:
    parts = [["temist", "silver"], ["silver"], ["cardioccc"]]
    recipe = Recipe([replace(stages[0], parts=names) for names in parts], seeds=[4])
    assert [stage.parts for stage in recipe.without("silver").stages] == [["temist"], ["cardioccc"]]


def test_a_language_may_lack_notes_of_the_folds(corpus: Path, tmp_path: Path) -> None:
    """Notes that were annotated in another language alone are in the folds too."""
    folds = folds_of(corpus, 2)
    others = [[*fold, f"otra{number}"] for number, fold in enumerate(folds)]
    trainer._write_fold(Run(RECIPE, "en", corpus, tmp_path), others, 1)
    assert names(tmp_path / "fold-1/held-out/en.spacy") == folds[1]
    assert names(tmp_path / "fold-1/train/en.spacy") == folds[0]


def test_faults_are_named(corpus: Path, tmp_path: Path) -> None:
    run = Run(RECIPE, "en", corpus, tmp_path / "a")
    folds = folds_of(corpus, 3)
    with pytest.raises(CardionerError, match="there is no fold 3: they are 0 to 2"):
        cross_validate(run, folds, chosen=[3])
    with pytest.raises(CardionerError, match="en.spacy: its documents are not those of the folds"):
        cross_validate(replace(run, output=tmp_path / "b"), folds[:2])
    broken = RECIPE.with_settings({"training.max_epochs": "many"})
    with pytest.raises(CardionerError, match="seed-13/stage1/train.log: the training failed"):
        train(Run(broken, "en", corpus, tmp_path / "c"))
    with pytest.raises(CardionerError, match="folds.json: not found"):
        next(predict_held_out(tmp_path / "d", {}))
    assert not (tmp_path / "a").exists(), "nothing was written"


def die_at(task: int) -> None:
    """A training that the system kills; the others end by themselves, or never."""
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(task)


def test_a_training_that_is_killed_ends_the_run_at_once() -> None:
    start = time.monotonic()
    with pytest.raises(CardionerError, match=r"a process died \(SIGKILL\).*run the same command"):
        list(in_processes(3, die_at, [1000, 0, 1, 2]))
    assert time.monotonic() - start < 100
    assert not multiprocessing.active_children()


def fail(task: Exception) -> None:
    raise task


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (CardionerError("a.txt: one", "two"), "^a.txt: one\ntwo$"),
        (KeyError("secreto"), "^KeyError <9 characters, sha256 ....>$"),
    ],
)
def test_the_error_of_a_training_is_told(error: Exception, message: str) -> None:
    with pytest.raises(CardionerError, match=message):
        list(in_processes(2, fail, [error]))


ORPHAN = """
import multiprocessing, sys, time, threading
from spacy_cardioner.processes import in_processes

if __name__ == "__main__":
    threading.Thread(target=lambda: list(in_processes(1, time.sleep, [1000])), daemon=True).start()
    while not (children := multiprocessing.active_children()):
        time.sleep(0.01)
    print(children[0].pid, flush=True)
    time.sleep(1000)
"""


def test_a_training_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = Path("/proc", parent.stdout.readline().strip())
    assert child.exists()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while child.exists() and "(zombie)" not in (child / "status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_file_of_a_fold_is_complete_or_absent(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fold that has its file counts as finished, so half a file would stay for good."""
    (tmp_path / "fold-0/held-out").mkdir(parents=True)
    shutil.copy(corpus / "cardioccc/en.spacy", tmp_path / "fold-0/held-out/en.spacy")
    blank("en").to_disk(tmp_path / "pipeline")
    monkeypatch.setattr(trainer, "_stack", lambda run, number: tmp_path / "pipeline")
    row, rows = trainer._row, []

    def broken(doc: Doc) -> dict[str, Any]:
        rows.append(row(doc))
        return rows[0] if len(rows) == 1 else {"id": object()}

    monkeypatch.setattr(trainer, "_row", broken)
    with pytest.raises(TypeError):
        trainer._predict_fold(Run(RECIPE, "en", corpus, tmp_path), 0)
    assert len(rows) > 1
    assert [path.name for path in (tmp_path / "fold-0").iterdir()] == ["held-out"]
