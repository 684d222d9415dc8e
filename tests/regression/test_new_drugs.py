"""The benchmark that holds drug names out of the training documents."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from spacy.tokens import Doc, SpanGroup

from spacy_cardioner.corpus import read_docbin, write_docbin
from spacy_cardioner.spans import NOTE_ID
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT

SCRIPT = ROOT / "benchmarks" / "new_drugs.py"
NAMES = ["Bisoprolol", "Enalapril", "Ramipril", "Digoxina", "Furosemida", "Atorvastatina"]
TEXT = "{0} pautado. Alergia a {0}. Toma {1}. Además\n{0} y {1}. Sin más. Sigue con {2}."


def document(number: int) -> Doc:
    """A note in which three drugs stand, and once one inside a disease."""
    names = [NAMES[(number + shift) % len(NAMES)] for shift in range(3)]
    nlp = blank("es")
    doc = nlp(TEXT.format(*names))
    spans = [doc[token.i : token.i + 1] for token in doc if token.text in NAMES]
    group = [doc.char_span(s.start_char, s.end_char, "FARMACO") for s in spans]
    allergy = next(token.i for token in doc if token.text == "Alergia")
    group.append(doc.char_span(doc[allergy].idx, spans[1].end_char, "ENFERMEDAD"))
    attrs = {"layers": ["ENFERMEDAD", "FARMACO"]}
    doc.spans["cardioner"] = SpanGroup(
        doc, name="cardioner", spans=[span for span in group if span], attrs=attrs
    )
    doc.user_data[NOTE_ID] = f"note{number}"
    return doc


def run(*arguments: object) -> str:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script writes, with a pipeline that finds nothing."""
    folder = tmp_path_factory.mktemp("new")
    write_docbin(folder / "one" / "es.spacy", [document(number) for number in range(4)])
    write_docbin(folder / "two" / "es.spacy", [document(number) for number in range(4, 6)])
    patterns = [{"label": "FARMACO", "pattern": name.lower()} for name in NAMES]
    (folder / "es.jsonl").write_text("".join(f"{json.dumps(p)}\n" for p in patterns))
    (folder / "out" / "nothing").mkdir(parents=True)
    blank("es").to_disk(folder / "out" / "nothing" / "model-last")
    corpora = [folder / name / "es.spacy" for name in ("one", "two")]
    arguments = ["--patterns", folder / "es.jsonl", "--output", folder / "out", "--share", "0.34"]
    run("--corpus", *corpora, *arguments)
    return folder / "out"


def test_no_sentence_of_the_training_documents_has_a_held_out_name(made: Path) -> None:
    vocab = blank("es").vocab
    names = json.loads((made / "names.json").read_text())["names"]
    train = read_docbin(made / "train.spacy", vocab)

    assert len(names) == 2
    assert not [name for doc in train for name in names if name in doc.text]
    assert len(train) == sum(len(read_docbin(made / f"{n}.spacy", vocab)) for n in ("one", "two"))
    assert any("Sin más." in doc.text for doc in train)
    for doc in train:
        spans = doc.spans["cardioner"]
        assert spans.attrs["layers"] == ["ENFERMEDAD", "FARMACO"]
        drugs = [span.text for span in spans if span.label_ == "FARMACO"]
        assert drugs == [token.text for token in doc if token.text in NAMES]
        assert all(s.text.startswith("Alergia a ") for s in spans if s.label_ == "ENFERMEDAD")


def test_the_test_documents_are_whole_and_have_one(made: Path) -> None:
    names = json.loads((made / "names.json").read_text())["names"]

    for doc in read_docbin(made / "test.spacy", blank("es").vocab):
        assert any(name in doc.text for name in names)
        assert len(doc.spans["cardioner"]) == 7


def test_the_last_stage_finds_what_the_model_cannot(made: Path) -> None:
    figures = json.loads((made / "figures.json").read_text())

    alone, both = figures["nothing, model"], figures["nothing, model and ruler"]
    assert alone["recall"] == 0.0 and alone["new"] == both["new"] > 0
    assert both["recall"] == both["recall_listed"] == 1.0
    assert both["f1_others"] == 1.0
