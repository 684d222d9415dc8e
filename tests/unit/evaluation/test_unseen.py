"""Recall on names that the training texts have, and on those that they lack."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import srsly
from click.testing import CliRunner, Result
from typer.main import get_command

from spacy_cardioner.brat import note_from_entities, write_note, write_tsv
from spacy_cardioner.cli import app
from spacy_cardioner.evaluation.unseen import Training, occurrences, recalls, words_of
from spacy_cardioner.spans import Entity

NOTES = {
    "a": ("Infarto agudo, ANGINA y asma.", {"Infarto agudo": "E", "ANGINA": "E", "asma": "E"}),
    "b": ("Embolia tras infarto.", {"Embolia": "E", "infarto": "E"}),
}
TRAINED = {"a": "Asma.", "t": "Tiene infarto, agudo; sin ángina. Asmático."}


def cardioner(*arguments: object) -> Result:
    return CliRunner().invoke(get_command(app), [str(word) for word in arguments])


def entities(name: str) -> list[Entity]:
    text, mentions = NOTES[name]
    found = [(text.index(mention), label, mention) for mention, label in mentions.items()]
    return [Entity(at, at + len(word), label, word) for at, label, word in found]


def put(folder: Path) -> Path:
    for name, (text, _) in NOTES.items():
        write_note(note_from_entities(name, text, entities(name)), folder)
    return folder


def test_names_are_words_in_a_row_without_case_and_accents() -> None:
    names = {words_of(name) for name in ("Infarto AGUDO", "angína", "asma", "agudo infarto", "+")}
    words = {name: [words_of(text)] for name, text in TRAINED.items()}
    assert occurrences(words, names) == {
        ("infarto", "agudo"): {"t"},
        ("angina",): {"t"},
        ("asma",): {"a"},
        ("agudo", "infarto"): set(),
        (): set(),
    }


def test_a_document_is_no_training_text_of_its_own() -> None:
    gold = {name: entities(name) for name in NOTES}
    words = {name: [words_of(text)] for name, text in TRAINED.items()}
    pred = {"a": gold["a"][1:], "b": [*gold["b"][:1], *gold["b"][:1]]}

    found = recalls(gold, pred, Training(words))["E"]
    assert (found.seen.gold, found.seen.right) == (3, 1), "infarto agudo, ANGINA, infarto"
    assert (found.unseen.gold, found.unseen.right) == (2, 2), "asma stands in the document itself"
    assert (found.seen.recall, found.unseen.recall) == (pytest.approx(1 / 3), 1.0)
    # Another pipeline was trained without the document t.
    found = recalls(gold, pred, Training(words, {"a": {"t"}, "b": {"t"}}))["E"]
    assert (found.seen.gold, found.unseen.gold) == (1, 4)


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_training_gold_adds_a_table(tmp_path: Path, kind: str) -> None:
    gold = put(tmp_path / "gold")
    train = tmp_path / "train"
    if kind == "folder":
        write_note(note_from_entities("t", TRAINED["t"], []), train)
    else:
        train = train.with_suffix(".tsv")
        names = ("infarto, agudo", "ángina", "infarto")
        write_tsv(train, {"t": [Entity(0, len(name), "E", name) for name in names]})
    arguments = ["evaluate", "--gold", gold, "--pred", gold, "--resamples", 5]

    done = cardioner(*arguments, "--training", train, "-o", tmp_path / "m.json")
    assert done.exit_code == 0, done.exception
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["E", "1.0000", "3", "3", "1.0000", "2", "2"] in rows
    result = json.loads((tmp_path / "m.json").read_text())
    assert result["names"]["E"]["unseen"] == {"gold": 2, "right": 2, "recall": 1.0}
    assert len(result["manifest"]["inputs"]) == 3
    assert "unseen" not in cardioner(*arguments).stdout


def test_a_run_was_trained_on_the_general_cases_and_the_other_folds(tmp_path: Path) -> None:
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    for part, name, text in (
        ("distemist_train", "t", "Angina."),
        ("cardioccc_dev", "a", "Asma y angina."),
        ("cardioccc_dev", "b", "Infarto y asma."),
    ):
        words = re.finditer(r"\w{2,}", text)
        found = [Entity(*word.span(), "ENFERMEDAD", word[0]) for word in words]
        write_note(note_from_entities(name, text, found), corpus / part / "brat")
    write_tsv(run / "es.tsv", {})
    (run / "documents.txt").write_text("a\nb\n")
    arguments = ["evaluate", "--corpus", corpus, "--lang", "es", "--pred", run, "--resamples", 5]

    for folds, seen in ([["a"], ["b"]], 3), ([["a", "b"]], 1):
        srsly.write_json(run / "folds.json", folds)
        done = cardioner(*arguments, "--unseen", "-o", tmp_path / "m")
        assert done.exit_code == 0, done.exception
        (found_in,) = json.loads((tmp_path / "m/ENFERMEDAD_es.json").read_text())["names"].values()
        assert (found_in["seen"]["gold"], found_in["unseen"]["gold"]) == (seen, 4 - seen)
        row = ["ENFERMEDAD", "es", "0.0000", str(seen), "0", "0.0000", str(4 - seen), "0"]
        assert row in [line.split() for line in done.stdout.splitlines()]
    gold = corpus / "cardioccc_dev/brat"
    assert cardioner("evaluate", "--gold", gold, "--pred", gold, "--unseen").exit_code == 2
    assert cardioner(*arguments, "--training", gold).exit_code == 2
