"""Many cross-validations from one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import srsly
from typer.testing import CliRunner

from spacy_cardioner.brat import read_tsv
from spacy_cardioner.cli import app
from spacy_cardioner.corpus import convert, read_docbin, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.splits import make_folds, write_folds
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.experiments import read_campaign, run_experiments, table
from tests.conftest import ROOT

SAMPLE = ROOT / "assets/sample/track2"


def settings_of(folder: Path, **changed: Any) -> dict[str, Any]:
    return {
        "languages": ["en"],
        "seeds": [1, 2],
        "config": str(ROOT / "configs/baseline_cpu.cfg"),
        "corpus": str(folder / "{lang}/{part}/{source}.spacy"),
        "folds": str(folder / "folds.json"),
        "gold": {"en": {"FARMACO": str(SAMPLE / "cardioccc_dev/en/brat")}},
        "pieces": {
            "always": {
                "nlp.lang": "{lang}",
                "training.max_epochs": 1,
                "components.tok2vec.model.depth": 1,
                "stage1": {"training.max_epochs": 2},
            },
            "ner": {},
            "averaged": {"runs": 2},
            "wide": {"components.tok2vec.model": {"@architectures": "none for {lang}"}},
        },
        **changed,
    }


@pytest.fixture(scope="module")
def campaign_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("campaign")
    for part, source in (("temist", "drugtemist_train"), ("cardioccc", "cardioccc_dev")):
        docs = convert([SAMPLE / source / "en/brat"], blank("en"))
        write_docbin(folder / f"en/{part}/en.spacy", docs)
    names = [path.stem for path in (SAMPLE / "cardioccc_dev/en/brat").glob("*.txt")]
    write_folds(folder / "folds.json", make_folds(names, 2), 13)
    srsly.write_yaml(folder / "experiments.yml", settings_of(folder))
    return folder / "experiments.yml"


def test_experiments_run_once_and_give_a_table(campaign_file: Path, tmp_path: Path) -> None:
    arguments = ["experiments", str(campaign_file), "ner", "-o", str(tmp_path), "--seed", "2"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    folder = tmp_path / "ner" / "en-2"
    f1 = srsly.read_json(folder / "scores.json")["FARMACO en"]["strict"]["micro"]["f1"]
    assert f"| ner | {f1:.4f} |" in done.stdout

    everything = {path.stem for path in (SAMPLE / "cardioccc_dev/en/brat").glob("*.txt")}
    assert {row["id"] for row in srsly.read_jsonl(folder / "predictions-en.jsonl")} == everything
    assert set(read_tsv(folder / "predictions-en.tsv")) <= everything
    # Each stage has its own settings; the second starts from the first's weights.
    (stage1,) = (tmp_path / "stage1").iterdir()
    assert "max_epochs = 2" in (stage1 / "config.cfg").read_text()
    config = (folder / "fold-0/2/config.cfg").read_text()
    assert "max_epochs = 1" in config
    assert str(stage1 / "model-last") in config
    held_out = {
        d.user_data["note_id"]
        for d in read_docbin(tmp_path / "data/en-0/dev/en.spacy", blank("en").vocab)
    }
    trained = {
        d.user_data["note_id"]
        for d in read_docbin(tmp_path / "data/en-0/train/en.spacy", blank("en").vocab)
    }
    assert held_out | trained == everything
    assert not held_out & trained

    # What is done is taken as it stands.
    (folder / "predictions-en.tsv").write_text("kept")
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (folder / "predictions-en.tsv").read_text() == "kept"


def test_the_table_gives_mean_and_spread(campaign_file: Path, tmp_path: Path) -> None:
    campaign = read_campaign(campaign_file)
    for seed, f1 in ((1, 0.5), (2, 0.6)):
        folder = tmp_path / "ner" / f"en-{seed}"
        folder.mkdir(parents=True)
        srsly.write_json(folder / "scores.json", {"FARMACO en": {"strict": {"micro": {"f1": f1}}}})
    rows = list(table(campaign, ["ner", "other"], tmp_path))
    assert rows == [
        ["experiment", "FARMACO en"],
        ["ner", "0.5500 (0.5000 to 0.6000)"],
        ["other", ""],
    ]


def test_second_stages_are_averaged(campaign_file: Path, tmp_path: Path) -> None:
    campaign = replace(read_campaign(campaign_file), seeds=[2])
    run_experiments(campaign, ["ner+averaged"], tmp_path)
    folder = tmp_path / "ner+averaged/en-2"
    assert (folder / "scores.json").exists()
    assert {path.name for path in (folder / "fold-0").iterdir()} == {"2", "102"}


def test_later_pieces_win_and_know_the_language(campaign_file: Path) -> None:
    campaign = read_campaign(campaign_file)
    config = campaign.make_config("ner+wide", "en", "stage1")
    assert config["components"]["tok2vec"]["model"] == {"@architectures": "none for en"}
    assert config["training"]["max_epochs"] == 2


def test_what_is_wrong_is_said(campaign_file: Path, tmp_path: Path) -> None:
    with pytest.raises(CardionerError, match="no piece 'vectors'.*known: always, averaged, ner"):
        run_experiments(read_campaign(campaign_file), ["ner+vectors"], tmp_path)
    with pytest.raises(CardionerError, match="not a file of experiments"):
        read_campaign(tmp_path / "missing.yml")
    srsly.write_yaml(tmp_path / "bad.yml", {"languages": ["en"]})
    with pytest.raises(CardionerError, match="not a file of experiments"):
        read_campaign(tmp_path / "bad.yml")
    with pytest.raises(CardionerError, match=r"train\.log: the training failed"):
        run_experiments(read_campaign(campaign_file), ["wide"], tmp_path)
