"""The commands that read BRAT folders, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from spacy.vocab import Vocab
from typer.main import get_command

from spacy_cardioner.cli import app
from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.errors import CardionerError
from tests.integration.test_cli import DISEASES, DRUGS, SAMPLE


def cardioner(*arguments: object) -> Result:
    return CliRunner().invoke(get_command(app), [str(word) for word in arguments])


@pytest.mark.parametrize("options", [["--label", "Drug=FARMACO"], ["--only", "DRUG"]])
@pytest.mark.parametrize("command", [["convert", "-o", "x.spacy"], ["audit"]])
def test_labels_that_do_not_occur_are_an_error_that_lists_those_that_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cardioner(*command, DRUGS, DISEASES, "--lang", "es", *options)
    assert isinstance(done.exception, CardionerError)
    assert str(done.exception).endswith("; there are ENFERMEDAD, FARMACO")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "labels",
    [["FARMACO"], ["=X"], ["FARMACO="], ["FARMACO=A B"], ["A=B=C"], ["FARMACO=A", "FARMACO=B"]],
)
def test_what_is_no_renaming_is_wrong_usage(labels: list[str]) -> None:
    options = [word for label in labels for word in ("--label", label)]
    for command in (
        ["audit", DRUGS, "--lang", "es"],
        ["evaluate", "--gold", DRUGS, "--pred", DRUGS],
    ):
        done = cardioner(*command, *options)
        assert done.exit_code == 2
        assert "is not OLD=NEW" in done.output


def test_a_corpus_has_the_labels_of_its_languages(tmp_path: Path) -> None:
    """English and Italian have no diseases."""
    only = ["convert", "--corpus", SAMPLE, "--only", "ENFERMEDAD", "-o", tmp_path / "all"]
    assert cardioner(*only, "--lang", "xx").exit_code == 0
    done = cardioner(*only, "--lang", "en")
    assert str(done.exception).endswith("; there are FARMACO")


def test_upper_case_endings_are_read_by_all_commands(tmp_path: Path) -> None:
    drugs, diseases = tmp_path / "drugs", tmp_path / "diseases"
    lines = {drugs: "FARMACO 5 15\tbisoprolol", diseases: "ENFERMEDAD 20 24\tasma"}
    endings = [(".TXT", ".ANN"), (".txt", ".ANN"), (".Txt", ".ann")]
    for folder, line in lines.items():
        folder.mkdir()
        for number, (txt, ann) in enumerate(endings):
            (folder / f"N{number}{txt}").write_text("Toma bisoprolol por asma")
            (folder / f"N{number}{ann}").write_text(f"T1\t{line}\n")

    done = cardioner("convert", drugs, diseases, "--lang", "es", "-o", tmp_path / "x.spacy")
    assert done.exit_code == 0, done.output
    docs = read_docbin(tmp_path / "x.spacy", Vocab())
    assert [doc.user_data["note_id"] for doc in docs] == ["N0", "N1", "N2"]
    assert all(len(doc.spans["cardioner"]) == 2 for doc in docs)
    assert "3 documents" in cardioner("audit", drugs, "--lang", "es").stdout
    cardioner("split", drugs, "--folds", 3, "-o", tmp_path / "folds.json")
    folds: list[list[Any]] = json.loads((tmp_path / "folds.json").read_text())["folds"]
    assert sorted(folds) == [["N0"], ["N1"], ["N2"]]
    done = cardioner("evaluate", "--gold", drugs, "--pred", drugs, "--resamples", 10)
    assert done.exit_code == 0 and "1.0000" in done.stdout


@pytest.mark.parametrize("command", ["audit", "split"])
def test_a_result_replaces_the_old_one_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    out = tmp_path / "out.json"
    out.write_text("old")
    inode = out.stat().st_ino
    options = ["--lang", "es"] if command == "audit" else []
    monkeypatch.setattr("os.fsync", _full)
    done = cardioner(command, DRUGS, *options, "-o", out)
    assert isinstance(done.exception, OSError)
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert (out.read_text(), out.stat().st_ino) == ("old", inode)
    monkeypatch.undo()
    assert cardioner(command, DRUGS, *options, "-o", out).exit_code == 0
    assert json.loads(out.read_text())


def _full(descriptor: int) -> None:
    raise OSError(28, "No space left on device")
