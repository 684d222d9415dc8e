"""Experiments: variants of a recipe, cross-validated, in one table."""

from __future__ import annotations

from pathlib import Path

import pytest
import srsly
from typer.testing import CliRunner

from spacy_cardioner.brat import read_tsv
from spacy_cardioner.cli import app
from spacy_cardioner.corpus import convert, write_docbin
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.experiments import run_experiments
from spacy_cardioner.training.folds import make_folds, write_folds
from spacy_cardioner.training.recipe import read_recipe
from spacy_cardioner.training.trainer import Run
from tests.conftest import ROOT

SAMPLE = ROOT / "assets/sample"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe, DocBins and folds."""
    folder = tmp_path_factory.mktemp("experiments")
    for part, source in (("temist", "drugtemist_train"), ("cardioccc", "cardioccc_dev")):
        docs = convert([SAMPLE / "track2" / source / "en/brat"], blank("en"))
        write_docbin(folder / f"corpus/{part}/en.spacy", docs)
    names = [path.stem for path in (SAMPLE / "track2/cardioccc_dev/en/brat").glob("*.txt")]
    write_folds(folder / "folds.json", make_folds(names, 2), 13)
    config = str(ROOT / "configs/baseline.cfg")
    recipe = {
        "seeds": [1, 2],
        "stages": {"cpu": [{"config": config, "parts": ["temist"]}, {"parts": ["cardioccc"]}]},
        "pieces": {
            "always": {"training.max_epochs": 1, "components.tok2vec.model.depth": 1},
            "ner": {},
        },
    }
    srsly.write_yaml(folder / "experiments.yml", recipe)
    return folder


def test_experiments_run_once_and_print_a_table(folder: Path, tmp_path: Path) -> None:
    arguments = ["experiments", str(folder / "experiments.yml"), "ner", "-o", str(tmp_path)]
    arguments += ["--lang", "en", "--corpus", str(folder / "corpus"), "--gold", str(SAMPLE)]
    arguments += ["--folds", str(folder / "folds.json"), "--seed", "2"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    run = tmp_path / "ner/en-2"
    f1 = srsly.read_json(run / "scores.json")["FARMACO en"]
    assert f"| ner | {f1:.4f} |" in done.stdout
    everything = {path.stem for path in (SAMPLE / "track2/cardioccc_dev/en/brat").glob("*.txt")}
    assert {row["id"] for row in srsly.read_jsonl(run / "en.jsonl")} == everything
    assert set(read_tsv(run / "en.tsv")) <= everything
    # The second stage has the config of the first, and starts from its weights.
    config = (run / "fold-0/seed-2/stage2/config.cfg").read_text()
    assert str(run / "seed-2/stage1/model-last") in config

    (run / "en.tsv").write_text("kept")
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (run / "en.tsv").read_text() == "kept"


def test_the_table_has_mean_and_spread(folder: Path, tmp_path: Path) -> None:
    recipe = read_recipe(folder / "experiments.yml")
    for seed, f1 in ((1, 0.5), (2, 0.6)):
        (tmp_path / f"ner/en-{seed}").mkdir(parents=True)
        srsly.write_json(tmp_path / f"ner/en-{seed}/scores.json", {"FARMACO en": f1})
    base = Run(recipe, "en", folder / "corpus", tmp_path)
    assert list(run_experiments(base, ["ner"], [], [SAMPLE])) == [
        ["experiment", "FARMACO en"],
        ["ner", "0.5500 (0.5000 to 0.6000)"],
    ]
