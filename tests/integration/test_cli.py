"""The command line as a person meets it: help, exit codes, messages without tracebacks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from spacy.vocab import Vocab

from spacy_cardioner.cli import app
from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.spans import layers_of
from tests.conftest import ROOT

SAMPLE = ROOT / "assets/sample"
DRUGS = SAMPLE / "track2/cardioccc_dev/es/brat"
DISEASES = SAMPLE / "track1/cardioccc_dev/brat"
RECIPE = str(ROOT / "configs/single.yml")


def cardioner(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spacy_cardioner", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done


def test_convert_and_audit(tmp_path: Path) -> None:
    out, audit = tmp_path / "new" / "x.spacy", tmp_path / "audit.json"

    done = cardioner(
        "convert", DRUGS, DISEASES, "--lang", "es", "--label", "FARMACO=DRUG", "-o", out, "--strict"
    )

    assert done.returncode == 0, done.stderr
    assert "12 documents" in done.stdout
    labels = {span.label_ for doc in read_docbin(out, Vocab()) for span in doc.spans["cardioner"]}
    assert labels == {"DRUG", "ENFERMEDAD"}
    done = cardioner("audit", DRUGS, "--lang", "es", "--only", "FARMACO", "-o", audit)
    assert done.returncode == 0
    assert json.loads(audit.read_text())["entities"]["FARMACO"]["read"] == 106


def test_convert_and_split_find_the_folders_of_a_corpus(tmp_path: Path) -> None:
    done = cardioner("convert", "--corpus", SAMPLE, "--lang", "xx", "-o", tmp_path)

    assert done.returncode == 0, done.stderr
    files = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*.spacy")}
    assert set(files) == {
        f"{part}/{lang}.spacy" for part in ("temist", "cardioccc") for lang in ("es", "en", "it")
    }
    assert all(str(path) in done.stdout for path in files.values())
    for name, layers in {"es": {"ENFERMEDAD", "FARMACO"}, "it": {"FARMACO"}}.items():
        docs = read_docbin(files[f"cardioccc/{name}.spacy"], Vocab())
        assert len(docs) == 12
        assert all(layers_of(doc) == layers for doc in docs)

    cardioner("split", "--corpus", SAMPLE, "--folds", 4, "-o", tmp_path / "corpus.json")
    cardioner("split", DRUGS, "--folds", 4, "-o", tmp_path / "folders.json")
    same = [(tmp_path / name).read_text() for name in ("corpus.json", "folders.json")]
    assert same[0] == same[1]


def test_a_malformed_file_is_named_and_good_ones_beside_it_are_kept(tmp_path: Path) -> None:
    corpus, out = tmp_path / "corpus", tmp_path / "x.spacy"
    corpus.mkdir()
    for name, ann in {"a": "T1\tX 0 4\tTosa\n", "b": "T1\tX 0 3\tTos\nT2\tX 2 99\tno\n"}.items():
        (corpus / f"{name}.txt").write_text("Tosa y fiebre")
        (corpus / f"{name}.ann").write_text(ann)

    done = cardioner("convert", corpus, "--lang", "es", "-o", out)
    assert done.returncode == 1
    assert "b.ann:2:" in done.stderr
    assert "fiebre" not in done.stderr
    assert not out.exists()

    done = cardioner("convert", corpus, "--lang", "es", "-o", out, "--lenient")
    assert done.returncode == 0
    assert "b.ann:2: malformed" in done.stdout
    assert "b.ann:1: moved X 0 3 to 0 4" in done.stdout
    assert len(read_docbin(out, Vocab())) == 2


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="the system has no /dev/stdout")
def test_results_can_go_to_standard_output() -> None:
    done = cardioner("split", DRUGS, "--folds", 4, "-o", "/dev/stdout")
    assert done.returncode == 0, done.stderr
    assert '"folds"' in done.stdout


def test_strict_makes_a_loss_an_error(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_text("bisoprolol")
    (corpus / "a.ann").write_text("T1\tX 0 3\tbis\nT2\tX 3 6\topr\n")

    done = cardioner("convert", corpus, "--lang", "es", "-o", tmp_path / "x", "--strict")

    assert done.returncode == 1
    assert f"1 entities would be lost:\n{corpus}/a.ann:2: lost X 3 6 to 0 10" in done.stderr
    assert not (tmp_path / "x").exists()


def test_the_documentation_names_commands_that_exist() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"(?:^|`|\| )cardioner ([a-z][a-z-]+)", text, re.MULTILINE))
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]

    assert named
    assert named <= known


def test_split(tmp_path: Path) -> None:
    out = tmp_path / "folds.json"

    done = cardioner("split", DRUGS, "--folds", 4, "-o", out)

    assert done.returncode == 0
    assert [len(fold) for fold in json.loads(out.read_text())["folds"]] == [3, 3, 3, 3]
    assert cardioner("split", DRUGS, "--folds", 13, "-o", out).returncode == 1


def test_card(tmp_path: Path) -> None:
    template, metrics = tmp_path / "template.json", tmp_path / "metrics"
    sources = [{"name": "both"}, {"name": "one", "languages": ["es"]}]
    description = {"es": "enfermedades", "xx": "drugs"}
    template.write_text(json.dumps({"description": description, "sources": sources}))
    gold = SAMPLE / "track2/cardioccc_dev/es/tsv/multicardioner_track2_cardioccc_dev_es.tsv"
    out = tmp_path / "card.json"
    evaluate = ["evaluate", "--gold", gold, "--pred", gold]
    for lang in ("es", "it"):
        assert cardioner(*evaluate, "-o", metrics / f"FARMACO_{lang}.json").returncode == 0

    done = cardioner("card", template, "--metrics", metrics, "--lang", "xx", "-o", out)

    assert done.returncode == 0, done.stderr
    card = json.loads(out.read_text())
    perfect = {"p": 1.0, "r": 1.0, "f": 1.0}
    assert card["performance"] == {
        "ents_per_type": {"FARMACO": perfect, "FARMACO (it)": perfect},
        # What spaCy writes into the package's README.
        **{f"FARMACO_{name}_{short}": 1.0 for name in ("es", "it") for short in "prf"},
    }
    assert card["description"] == "drugs"
    assert card["sources"] == [{"name": "both"}]


def test_card_says_what_is_wrong(tmp_path: Path) -> None:
    sample, out = ROOT / "configs/card_sample.json", tmp_path / "card.json"
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "FARMACO_es.json").write_text("{}")
    done = cardioner("card", sample, "--lang", "es", "--metrics", tmp_path / "metrics", "-o", out)
    assert done.returncode == 1
    assert "not a result of `cardioner evaluate`" in done.stderr
    done = cardioner("card", ROOT / "configs/card_release.json", "--lang", "fr", "-o", out)
    assert done.returncode == 1
    assert "not for 'fr'" in done.stderr


@pytest.mark.parametrize("corpus", ["", "nowhere", str(DRUGS)])
def test_a_corpus_that_is_not_there(corpus: str) -> None:
    done = cardioner("check-corpus", corpus)

    assert done.returncode == 1
    assert "10.5281/zenodo.10948354" in done.stderr


def test_the_sample_has_the_layout_of_the_corpus() -> None:
    assert cardioner("check-corpus", SAMPLE).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "x", "--lang", "es"],
        ["convert", "--lang", "es", "-o", "y"],
        ["convert", "x", "--corpus", "c", "--lang", "es", "-o", "y"],
        ["convert", "x", "--lang", "es", "-o", "y", "--label", "A"],
        ["convert", "x", "--lang", "es", "-o", "y", "--discontinuous", "all"],
        ["split", "x", "--folds", "1", "-o", "y"],
        ["split", "-o", "y"],
        [
            "crossval",
            RECIPE,
            "--corpus",
            "c",
            "--lang",
            "es",
            "--folds",
            "f",
            "-o",
            "o",
            "--set",
            "a",
        ],
        ["nothing"],
    ],
)
def test_wrong_usage_has_status_2(arguments: list[str]) -> None:
    done = cardioner(*arguments)

    assert done.returncode == 2
    assert "Usage:" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "nowhere", "--lang", "es", "-o", "y"],
        ["convert", str(DRUGS), "--lang", "qq", "-o", "y"],
        ["audit", "nowhere", "--lang", "es"],
        ["convert", "--corpus", "nowhere", "--lang", "es", "-o", "y"],
        ["convert", "--corpus", str(SAMPLE), "--lang", "fr", "-o", "y"],
        ["split", "nowhere", "-o", "y"],
        ["split", "--corpus", "nowhere", "-o", "y"],
        ["crossval", "r", "--corpus", "c", "--lang", "es", "--folds", "f", "-o", "o"],
        ["card", "nowhere", "--lang", "es", "-o", "y"],
        ["convert", str(DRUGS), "--lang", "es", "-o", "/dev/null/y"],
        ["split", str(DRUGS), "-o", "/dev/null/y"],
        ["card", str(ROOT / "configs/card_sample.json"), "--lang", "es", "-o", "/dev/null/y"],
    ],
)
def test_input_at_fault_has_status_1(arguments: list[str]) -> None:
    done = cardioner(*arguments)

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
