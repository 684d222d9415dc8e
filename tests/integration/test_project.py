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


def test_every_workflow_names_commands_that_exist_and_explain_themselves() -> None:
    commands = {command["name"]: command for command in PROJECT["commands"]}

    assert set(PROJECT["workflows"]) >= {"all", "es", "en", "it", "xx"}
    for workflow in PROJECT["workflows"].values():
        assert set(workflow) <= set(commands)
    assert all(command["help"] for command in commands.values())


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
    assert "nothing changed" in run_project("convert-es")
    assert "nothing changed" in run_project("package-es")


def test_stage_two_goes_on_from_stage_one(es_wheel: Path, project_dir: Path) -> None:
    trained = project_dir / "runs/cpu/es"
    first, second = (spacy.load(trained / stage / "model-last") for stage in ("stage1", "stage2"))

    assert second.get_pipe("ner").labels == first.get_pipe("ner").labels
    log = (trained / "cv-two-stage/fold-0/seed-13/train.log").read_text()
    start = next(line.split() for line in log.splitlines() if line.split()[:2] == ["0", "0"])
    assert float(start[4]) > 5, "the second stage starts with what the first has learned"


def test_the_multilingual_pipeline_has_each_document_in_one_fold(
    project_dir: Path, run_project: RunProject
) -> None:
    steps = ("convert-xx", "vectors-xx", "gazetteer-xx", "stage1-xx", "evaluate-xx")
    for command in ("folds", *steps):
        run_project(command, stage1_epochs=1, stage2_epochs=1)

    fold = project_dir / "runs/cpu/xx/cv-two-stage/fold-0"
    names = {
        part: {doc.user_data["note_id"] for doc in docs}
        for part in ("train", "dev")
        if (docs := read_docbin(fold / f"{part}.spacy", Vocab()))
    }
    assert len(names["train"]) == 9
    assert len(names["dev"]) == 3
    assert not names["train"] & names["dev"], "no document is trained on in any language"
    docs = read_docbin(fold / "train.spacy", Vocab())
    assert len(docs) == 27
    layers = [layers_of(doc) for doc in docs]
    assert layers.count({"FARMACO"}) == 18, "only the Spanish diseases are annotated"
    assert layers.count({"ENFERMEDAD", "FARMACO"}) == 9
    for lang in ("es", "en", "it"):
        name = f"cpu_xx_FARMACO_{lang}_two-stage_held-out.json"
        assert (project_dir / "runs/metrics" / name).exists()


def test_the_wheel_works_in_a_clean_environment(es_wheel: Path, tmp_path: Path) -> None:
    """What is installed beside it comes from the wheel's own requirements and ours alone."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
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


def test_the_union_is_a_workflow_too(
    es_wheel: Path, project_dir: Path, run_project: RunProject
) -> None:
    run_project("union-es")

    nlp = spacy.load(project_dir / "runs/cpu/es/union/model-last")
    assert set(nlp.get_pipe("ner").labels) == {"ENFERMEDAD", "FARMACO"}


@pytest.mark.slow
def test_the_release_puts_four_pipelines_side_by_side(
    es_wheel: Path, project_dir: Path, run_project: RunProject
) -> None:
    for command in ("members-es", "crossval-members-es", "assemble-members-es"):
        run_project(command)

    nlp = spacy.load(project_dir / "runs/cpu/es/assembled")
    assert nlp.pipe_names == RERANKED
    assert nlp.config["components"]["tok2vec"]["model"]["count"] == 4
    assert (project_dir / "runs/metrics/cpu_es_FARMACO_es_members.json").exists()


def test_a_missing_corpus_is_explained(project_dir: Path) -> None:
    arguments = [sys.executable, "-m", "spacy", "project", "run", "check-corpus", "."]

    done = subprocess.run(
        [*arguments, "--vars.corpus", "nowhere"], cwd=project_dir, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "there is no such folder" in done.stderr
    assert "10.5281/zenodo.10948354" in done.stderr
    assert "MULTICARDIONER_DIR" in done.stderr
    assert "Traceback" not in done.stderr
