"""Learning from raw texts, on the sample's own: a tiny encoder and small vectors, made here."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
from spacy.training.initialize import init_vocab
from spacy.util import load_config
from typer.testing import CliRunner

from spacy_cardioner.cli.pretrain import app
from spacy_cardioner.corpus import write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.texts import read_all, read_texts
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT

NOTES = sorted((ROOT / "assets/sample/track1").glob("*/brat/*.txt"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "notes.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        for note in NOTES:
            stream.write(json.dumps({"text": note.read_bytes().decode()}) + "\n")
    return path


def cardioner(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(done.exception, CardionerError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_texts_of_a_docbin(tmp_path: Path) -> None:
    nlp = blank("es")
    notes = ["Toma bisoprolol.\r\n", "", "Niega dolor.  "]
    write_docbin(tmp_path / "notes.spacy", [nlp.make_doc(note) for note in notes])

    assert list(read_texts(tmp_path / "notes.spacy")) == notes


def test_text_that_is_no_unicode(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "Toma"}\n{"text": "biso \\ud800"}\n')
    with pytest.raises(CardionerError, match=r"a\.jsonl:2: the text has a lone surrogate"):
        list(read_texts(tmp_path / "a.jsonl"))


def test_texts_of_a_folder_of_notes(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    notes = ["Toma bisoprolol.\r\nNiega dolor.\n", "\n", "Sin soplos."]
    for number, note in enumerate(notes):
        (texts / f"{number}" / "brat").mkdir(parents=True)
        (texts / f"{number}" / "brat" / "a.txt").write_bytes(note.encode())
    (texts / "0" / "brat" / "a.ann").write_text("not a line of annotations")
    (texts / "b.txt").write_text("uno\ndos\n")

    assert list(read_all([texts / "0", texts / "b.txt"])) == [notes[0], "uno\n", "dos\n"]
    assert list(read_all([texts])) == [*notes, "uno\ndos\n"]
    out = ["--lang", "es", "-o", tmp_path / "out", "--dim", 4, "--buckets", 100, "--epochs", 1]
    cardioner("vectors", "--texts", texts, *out)
    (texts / "0" / "brat" / "a.txt").write_bytes("señal".encode("latin-1"))
    with pytest.raises(CardionerError, match=r"a\.txt:1: not UTF-8"):
        cardioner("vectors", "--texts", texts, *out)


def test_vectors_are_used_by_a_config(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "vectors"
    size = ["--dim", 8, "--buckets", 300, "--epochs", 1]

    cardioner("vectors", "--texts", texts, "--lang", "es", "-o", out, *size)

    nlp = blank("es")
    init_vocab(nlp, vectors=str(out))
    assert nlp.vocab.vectors.shape == (300, 8)
    assert nlp.make_doc("Bisoprololix")[0].has_vector
    same = nlp.make_doc("fibrilación FIBRILACIÓN auricular")
    assert numpy.allclose(same[0].vector, same[1].vector)
    assert not numpy.allclose(same[0].vector, same[2].vector)
    assert spacy.load(out).lang == "es"
    settings = srsly.read_json(out / "manifest.json")["settings"]
    assert (settings["lang"], settings["epochs"], settings["buckets"]) == ("es", 1, 300)


def test_no_words_no_vectors(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(CardionerError, match="no words"):
        cardioner(
            "vectors", "--texts", tmp_path / "empty.txt", "--lang", "es", "-o", tmp_path / "out"
        )


@pytest.mark.parametrize("size", ["6", "6x", "x384", "0x64", "6x65", "big"])
def test_size_that_makes_no_encoder(size: str) -> None:
    mlm = pytest.importorskip("spacy_cardioner.training.mlm")
    with pytest.raises(CardionerError, match="size|multiple"):
        mlm.parse_size(size, 1000)


@pytest.fixture(scope="module")
def scratch(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder made for the texts."""
    pytest.importorskip("spacy_transformers", reason="needs the extra trf")
    pytest.importorskip("accelerate", reason="needs the extra trf")
    out = tmp_path_factory.mktemp("encoder") / "new"
    said = cardioner(
        "mlm", "--texts", texts, "--size", "1x64", "--vocab", 500, "-o", out, "--length", 64,
        "--epochs", 2, "--learning-rate", 0.005,
    )  # fmt: skip
    assert "loss" in said
    return out


def test_new_encoder_learns_and_is_used_by_a_config(scratch: Path) -> None:
    loss = srsly.read_json(scratch / "result.json")["held_out_loss"]
    assert loss["after"] < loss["before"] - 0.3
    assert not (scratch / "checkpoints").exists()

    config = load_config(ROOT / "configs" / "es_trf.cfg")
    config["components"]["transformer"]["model"]["name"] = str(scratch)
    nlp = blank("es")
    nlp.add_pipe("transformer", config={"model": config["components"]["transformer"]["model"]})
    nlp.initialize()
    doc = nlp("Toma bisoprolol por fibrilación auricular.")
    assert doc._.trf_data.width == 64
    assert doc._.trf_data.wordpieces.input_ids.shape[1] > len(doc)


def test_encoder_is_adapted_and_a_finished_training_is_kept(
    scratch: Path, texts: Path, tmp_path: Path
) -> None:
    command = [
        "mlm", "--texts", texts, "--encoder", scratch, "-o", tmp_path / "out", "--epochs", 1,
        "--length", 64, "--learning-rate", 0.001,
    ]  # fmt: skip

    said = cardioner(*command)

    loss = srsly.read_json(tmp_path / "out" / "result.json")["held_out_loss"]
    assert loss["after"] < loss["before"]
    weights = tmp_path / "out" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    assert weights.read_bytes() != (scratch / "model.safetensors").read_bytes()
    assert cardioner(*command) == said
    assert weights.stat().st_mtime_ns == written
    with pytest.raises(CardionerError, match="another output folder"):
        cardioner(*command, "--seed", 7)


def test_stopped_training_goes_on_from_its_checkpoint(
    scratch: Path, texts: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file
    from transformers import TrainerCallback

    from spacy_cardioner.training.mlm import ADAPT, make_trainer, pretrain

    class StopAtTwo(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            control.should_training_stop = state.global_step >= 2

    recipe = replace(ADAPT, epochs=1, length=64, batch=16, save_steps=2, learning_rate=0.001)
    notes = list(read_texts(texts))[:12]
    stopped = make_trainer(notes, str(scratch), tmp_path, recipe)
    stopped.add_callback(StopAtTwo)
    assert stopped.train().global_step == 2
    saved = tmp_path / "checkpoints" / "checkpoint-2" / "model.safetensors"
    weights = load_file(saved)
    marked = "roberta.embeddings.LayerNorm.bias"
    before = weights[marked].copy()
    save_file({**weights, marked: before + 1}, saved, metadata={"format": "pt"})

    result = pretrain([texts], notes, str(scratch), tmp_path, recipe)

    assert result["steps"] > 2
    after = load_file(tmp_path / "model.safetensors")[marked]
    assert numpy.allclose(after, before + 1, atol=0.01)
    assert not numpy.array_equal(after, before + 1)
    assert not saved.exists()


def test_encoder_that_is_not_there(texts: Path, tmp_path: Path) -> None:
    pytest.importorskip("spacy_transformers", reason="needs the extra trf")
    pytest.importorskip("accelerate", reason="needs the extra trf")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CardionerError, match="cannot be loaded"):
        cardioner("mlm", "--texts", texts, "--encoder", tmp_path / "empty", "-o", tmp_path / "out")


def test_encoder_or_size(texts: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["mlm", "--texts", str(texts), "-o", str(tmp_path)])
    assert done.exit_code == 2
    assert "--encoder or --size" in done.output


def test_vectors_from_folders(texts: Path, tmp_path: Path) -> None:
    nlp = blank("es")
    (tmp_path / "corpus" / "it").mkdir(parents=True)
    for name in ("dev", "it/train"):
        doc = nlp.make_doc(f"bisoprolol {name} " * 9)
        write_docbin(tmp_path / "corpus" / f"{name}.spacy", [doc])
    raw = tmp_path / "raw"
    raw.mkdir()
    for lang in ("es", "en", "it"):
        (raw / f"{lang}.jsonl.gz").write_bytes(texts.read_bytes())

    def inputs(lang: str, rawtext: object) -> list[str]:
        out = tmp_path / "out"
        options = ["--lang", lang, "--rawtext", rawtext, "--buckets", 100, "--epochs", 1]
        cardioner("vectors", "--texts", tmp_path / "corpus", *options, "-o", out, "--dim", 4)
        return [each["name"] for each in srsly.read_json(out / "manifest.json")["inputs"]]

    corpus = ["dev.spacy", "train.spacy"]
    assert inputs("es", "") == corpus
    assert inputs("es", raw) == [*corpus, "es.jsonl.gz"]
    assert inputs("xx", raw) == [*corpus, "es.jsonl.gz", "en.jsonl.gz", "it.jsonl.gz"]
    (raw / "en.jsonl.gz").unlink()
    with pytest.raises(CardionerError, match=r"en\.jsonl\.gz.*No such file"):
        inputs("xx", raw)


def test_folder_without_docbins(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    with pytest.raises(CardionerError, match=r"no \.spacy files"):
        cardioner("vectors", "--texts", texts, "--lang", "es", "-o", tmp_path / "out")
