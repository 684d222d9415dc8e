"""The project's commands, from the sample corpus to a wheel that a clean environment loads."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.vocab import Vocab

from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.spans import layers_of
from tests.conftest import PIPES, RERANKED, ROOT, RunProject

PROJECT = srsly.read_yaml(ROOT / "project.yml")
NOTE = "Alérgico a penicilina; toma bisoprolol 2,5 mg por fibrilación auricular."


def test_the_wheel_says_what_it_is(es_wheel: Path) -> None:
    with zipfile.ZipFile(es_wheel) as archive:
        meta = json.loads(archive.read("es_cardioner/meta.json"))

    assert es_wheel.name.startswith("es_cardioner-0.1.0-")
    assert (meta["lang"], meta["name"], meta["license"]) == ("es", "cardioner", "MIT")
    assert set(meta["labels"]["ner"]) == {"ENFERMEDAD", "FARMACO"}
    assert set(meta["performance"]["ents_per_type"]) == {"ENFERMEDAD", "FARMACO"}
    assert "invented notes" in meta["sources"][0]["name"]
    assert meta["trained_with"]["spacy"] == spacy.__version__
    assert any(need.startswith("spacy_cardioner") for need in meta["requirements"])


def test_a_second_run_skips_what_is_up_to_date(es_wheel: Path, run_project: RunProject) -> None:
    assert run_project("build").count("nothing changed") == 9


def test_the_second_stage_starts_from_the_first(es_wheel: Path, project_dir: Path) -> None:
    run = project_dir / "runs/single/es/cpu/run"
    first, second = (spacy.load(run / f"seed-13/stage{n}/model-last") for n in (1, 2))
    assert second.get_pipe("ner").labels == first.get_pipe("ner").labels
    log = (run / "fold-0/seed-13/stage2/train.log").read_text()
    start = next(line.split() for line in log.splitlines() if line.split()[:2] == ["0", "0"])
    assert float(start[4]) > 5, "the second stage starts with what the first has learned"


def test_a_fold_has_the_same_documents_in_every_language(
    project_dir: Path, run_project: RunProject
) -> None:
    options = {"lang": "xx", "train_options": "-s training.max_epochs=1"}
    for command in ("folds", "convert", "vectors", "gazetteer", "crossval", "evaluate"):
        run_project(command, **options)

    fold = project_dir / "runs/single/xx/cpu/run/fold-0"
    parts = {
        part: [doc for path in (fold / part).iterdir() for doc in read_docbin(path, Vocab())]
        for part in ("train", "held-out")
    }
    names = {part: {doc.user_data["note_id"] for doc in docs} for part, docs in parts.items()}
    assert (len(names["train"]), len(names["held-out"])) == (9, 3)
    assert not names["train"] & names["held-out"], "no document is trained on in any language"
    layers = [layers_of(doc) for doc in parts["train"]]
    assert layers.count({"FARMACO"}) == 18, "only Spanish diseases are annotated"
    assert layers.count({"ENFERMEDAD", "FARMACO"}) == 9
    metrics = project_dir / "runs/single/xx/cpu/metrics"
    assert {path.name for path in metrics.iterdir()} == {
        "ENFERMEDAD_es.json",
        "FARMACO_es.json",
        "FARMACO_en.json",
        "FARMACO_it.json",
        "report.html",
        "report.json",
    }


def test_the_wheel_works_in_a_clean_environment(es_wheel: Path, tmp_path: Path) -> None:
    """What is installed beside it comes from the wheel's own requirements and ours alone."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps"]
    for name in ("build", "run"):
        subprocess.run(
            [*install, "--require-hashes", "-r", f"requirements/{name}.txt"], check=True, cwd=ROOT
        )
    subprocess.run([*install, ROOT], check=True)
    subprocess.run([*install, es_wheel], check=True)
    code = (
        "import json, sys, spacy\n"
        "nlp = spacy.load('es_cardioner')\n"
        f"doc = nlp({NOTE!r})\n"
        "assert doc.text == ''.join(token.text_with_ws for token in doc)\n"
        "heavy = [name for name in ('torch', 'medspacy', 'transformers') if name in sys.modules]\n"
        "print(json.dumps([nlp.lang, nlp.meta['name'], nlp.pipe_names, heavy,"
        " [[t.text for t in nlp.tokenizer('Furosemida40mg/24h')]]]))\n"
    )

    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    lang, name, pipes, heavy, tokens = json.loads(done.stdout)
    assert (lang, name, pipes) == ("es", "cardioner", PIPES)
    assert heavy == []
    assert tokens == [["Furosemida", "40", "mg", "/", "24", "h"]], "the clinical tokenizer"
    pip = [python, "-m", "pip", "check"]
    assert subprocess.run(pip, capture_output=True, text=True).returncode == 0


def test_one_stage_is_a_recipe_too(
    es_wheel: Path, project_dir: Path, run_project: RunProject
) -> None:
    options = {"recipe": "one-stage", "train_options": "-s training.max_epochs=1"}
    for command in ("convert", "vectors", "gazetteer", "train"):
        run_project(command, **options)
    nlp = spacy.load(project_dir / "runs/one-stage/es/cpu/run/pipeline")
    assert set(nlp.get_pipe("ner").labels) == {"ENFERMEDAD", "FARMACO"}


@pytest.mark.slow
def test_the_release_stacks_seeds_and_narrows(project_dir: Path, run_project: RunProject) -> None:
    options = {"recipe": "members", "train_options": "-s training.max_epochs=15"}
    run_project("build", **options)
    run_project("build", lang="xx", **options)
    run = "runs/members/xx/cpu/run"
    narrowed = {"trained": "runs/members/en/cpu/narrowed", "run": run, "lang": "en"}
    run_project("narrowed", metrics="runs/members/xx/cpu/metrics", **narrowed, **options)

    nlp = spacy.load(project_dir / "runs/members/es/cpu/assembled")
    assert nlp.pipe_names == RERANKED
    assert nlp.config["components"]["tok2vec"]["model"]["count"] == 4
    english = spacy.load(project_dir / "runs/members/en/cpu/assembled")
    assert english.pipe_names == PIPES
    assert english.get_pipe("ner").labels == ("FARMACO",)
    (wheel,) = project_dir.glob("runs/members/en/cpu/dist/*.whl")
    with zipfile.ZipFile(wheel) as archive:
        meta = json.loads(archive.read("en_cardioner/meta.json"))
    assert set(meta["performance"]) >= {"FARMACO_en_f"}


def test_a_missing_corpus_is_explained(project_dir: Path) -> None:
    arguments = [sys.executable, "-m", "spacy", "project", "run", "check", "."]

    done = subprocess.run(
        [*arguments, "--vars.corpus", "nowhere"], cwd=project_dir, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "no such folder" in done.stderr
    assert "10.5281/zenodo.10948354" in done.stderr
    assert "MULTICARDIONER_DIR" in done.stderr
    assert "Traceback" not in done.stderr
