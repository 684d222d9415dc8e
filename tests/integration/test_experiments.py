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
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.campaign import prepare, read_campaign
from spacy_cardioner.training.experiments import run_experiments, table
from spacy_cardioner.training.folds import make_folds, write_folds
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

    # What is done is taken as it stands, unless it was done otherwise.
    (folder / "predictions-en.tsv").write_text("kept")
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (folder / "predictions-en.tsv").read_text() == "kept"
    changed = read_campaign(campaign_file)
    pieces = {**changed.pieces, "ner": {"training.dropout": 0.5}}
    with pytest.raises(CardionerError, match="en-2: holds results of other data, settings"):
        run_experiments(replace(changed, seeds=[2], pieces=pieces), ["ner"], tmp_path)


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


CODE = """
from pathlib import Path
from spacy.util import registry

@registry.callbacks("own.touch.v1")
def create_touch(path: str):
    return lambda nlp: Path(path).touch()
"""


def test_experiments_share_a_first_stage_and_run_code_of_their_own(
    campaign_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(CODE)
    touched = tmp_path / "touched"
    touch = {"initialize.after_init": {"@callbacks": "own.touch.v1", "path": str(touched)}}
    campaign = read_campaign(campaign_file)
    pieces = {**campaign.pieces, "touch": touch}
    campaign = replace(campaign, seeds=[2], code=str(tmp_path / "own.py"), pieces=pieces)
    run_experiments(campaign, ["ner+averaged+touch", "ner+touch"], tmp_path, jobs=2)
    assert (tmp_path / "ner+touch/en-2/scores.json").exists()
    folder = tmp_path / "ner+averaged+touch/en-2"
    assert (folder / "scores.json").exists()
    assert {path.name for path in (folder / "fold-0").iterdir()} == {"2", "102"}
    assert len(list((tmp_path / "stage1").iterdir())) == 1
    assert touched.exists()


def test_what_is_not_there_is_made_in_order(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    write = 'python -c "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"'
    made = {
        str(tmp_path / "{lang}.texts"): f"{write} {{path}} first",
        str(tmp_path / "en.texts"): f"{write} {{path}} $WORD",
        str(tmp_path / "{lang}.vectors"): f"{write} {{path}} {tmp_path}/{{lang}}.texts",
        str(tmp_path / "{lang}.unused"): 'python -c "raise SystemExit(3)"',
    }
    settings = settings_of(tmp_path, prepare=made)
    settings["pieces"]["ner"] = {"initialize.vectors": str(tmp_path / "{lang}.vectors")}
    srsly.write_yaml(tmp_path / "experiments.yml", settings)
    campaign = read_campaign(tmp_path / "experiments.yml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORD", "last")
        prepare(campaign, ["ner"])
    # Only what is needed; what others need first; of two entries for a path the last.
    assert (tmp_path / "en.texts").read_text() == "last"
    assert (tmp_path / "en.vectors").read_text() == f"{tmp_path}/en.texts"
    assert capfd.readouterr().out.count("Running command") == 2

    prepare(campaign, ["ner"])
    assert "Running command" not in capfd.readouterr().out


def test_later_pieces_win_and_know_the_language(campaign_file: Path) -> None:
    campaign = read_campaign(campaign_file)
    config = campaign.make_config("ner+wide", "en", "stage1")
    assert config["components"]["tok2vec"]["model"] == {"@architectures": "none for en"}
    assert config["training"]["max_epochs"] == 2


def test_what_is_wrong_is_said(campaign_file: Path, tmp_path: Path) -> None:
    with pytest.raises(CardionerError, match="no piece 'vectors'.*known: averaged, ner"):
        run_experiments(read_campaign(campaign_file), ["ner+vectors"], tmp_path)
    with pytest.raises(CardionerError, match="not a file of experiments"):
        read_campaign(tmp_path / "missing.yml")
    srsly.write_yaml(tmp_path / "bad.yml", {"languages": ["en"]})
    with pytest.raises(CardionerError, match="bad.yml: not a file of experiments .missing 6"):
        read_campaign(tmp_path / "bad.yml")
    srsly.write_yaml(tmp_path / "bad.yml", settings_of(tmp_path, languages="en"))
    with pytest.raises(CardionerError, match="bad.yml: languages and seeds are lists"):
        read_campaign(tmp_path / "bad.yml")
    campaign = read_campaign(campaign_file)
    pieces = {**campaign.pieces, "typo": {"trainig.max_epochs": 1}, "deep": {"nlp.lang.x": 1}}
    campaign = replace(campaign, pieces=pieces)
    with pytest.raises(CardionerError, match=r"'typo' sets trainig.max_epochs; no section"):
        run_experiments(campaign, ["typo"], tmp_path)
    with pytest.raises(CardionerError, match=r"sets nlp.lang.x; but lang is no section"):
        run_experiments(campaign, ["deep"], tmp_path)
    with pytest.raises(CardionerError, match=r"no-gold: no such folder; it is the gold of A en"):
        run_experiments(replace(campaign, gold={"en": {"A": "no-gold"}}), ["ner"], tmp_path)
    unset = {"en": {"A": "${NOT_SET}/brat"}}
    with pytest.raises(CardionerError, match=r"variable NOT_SET is not set; .*\{NOT_SET\}/brat"):
        run_experiments(replace(campaign, gold=unset), ["ner"], tmp_path)
    with pytest.raises(CardionerError, match="no gold folder for 'it'"):
        run_experiments(replace(campaign, languages=["it"]), ["ner"], tmp_path)
    makes = {campaign.folds + ".other": "python -c 'raise SystemExit(3)'"}
    lacking = replace(campaign, folds=campaign.folds + ".other", prepare=makes)
    with pytest.raises(CardionerError, match="failed \\(3\\): python -c"):
        run_experiments(lacking, ["ner"], tmp_path)
    with pytest.raises(SystemExit):
        run_experiments(replace(read_campaign(campaign_file), code="none.py"), ["ner"], tmp_path)
    with pytest.raises(CardionerError, match=r"train\.log: the training failed"):
        run_experiments(read_campaign(campaign_file), ["wide"], tmp_path)
