"""The transformer family, with an encoder made here: no test asks for a download."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from spacy.cli.package import package
from spacy.language import DEFAULT_CONFIG, Language
from spacy.tokens import Doc
from spacy.training.batchers import minibatch_by_words
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config, load_model_from_config, registry, resolve_dot_names

from spacy_cardioner.corpus import convert, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import read_entities
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.schedules import warmup_linear_epochs
from tests.conftest import ROOT
from tests.racing import THREADS, quick_switches
from tests.tiny_encoder import MAX_WORDPIECES, save_tiny_encoder

pytest.importorskip("spacy_transformers", reason="needs the extra trf")

SAMPLE = ROOT / "assets" / "sample"
CONFIGS = ROOT / "configs"
LANGUAGES = ("es", "en", "it", "xx")
TEXT = "Alérgico a penicilina. Tratamiento: bisoprolol 2,5 mg y apixabán 5 mg cada 12 h.\n"
NUMBERS = "1234567,8910 987654321 0,000123456 31415926535 "
# A few steps at a rate that teaches an untrained encoder something.
QUICK = {
    "training.max_epochs": 60,
    "training.eval_frequency": 1000,
    "training.optimizer.learn_rate.initial_rate": 0.005,
}

Entities = list[tuple[int, int, str]]


def entities(nlp: Language, texts: list[str]) -> list[Entities]:
    return [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in nlp.pipe(texts)]


def run_training(config: Path, output: Path, overrides: dict[str, Any]) -> Language:
    """Train as ``spacy train`` does; give back the pipeline as it is in memory."""
    nlp = init_nlp(load_config(config, overrides=overrides, interpolate=False))
    return train(nlp, output, stdout=io.StringIO(), stderr=io.StringIO())[0]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """DocBins of the sample: both layers of the first and of the second stage."""
    folder = tmp_path_factory.mktemp("corpus")
    parts = {
        "stage1": ("track1/distemist_train/brat", "track2/drugtemist_train/es/brat"),
        "stage2": ("track1/cardioccc_dev/brat", "track2/cardioccc_dev/es/brat"),
    }
    for name, tracks in parts.items():
        docs = convert([SAMPLE / track for track in tracks], blank("es"))
        write_docbin(folder / f"{name}.spacy", docs)
    return {name: folder / f"{name}.spacy" for name in parts}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    files = sorted((SAMPLE / "track1" / "distemist_train" / "brat").glob("*.txt"))
    return [file.read_bytes().decode() for file in files]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"), texts)


@pytest.fixture(scope="module")
def stage1(
    tmp_path_factory: pytest.TempPathFactory, corpora: dict[str, Path], encoder: Path
) -> tuple[Language, Path]:
    """The pipeline after a first stage: as it is in memory, and the folder where it was saved."""
    output = tmp_path_factory.mktemp("stage1")
    paths = {"paths.train": str(corpora["stage1"]), "paths.dev": str(corpora["stage2"])}
    pattern = {"label": "FARMACO", "pattern": "bisoprolol", "id": "C07AB07"}
    srsly.write_jsonl(output / "drugs.jsonl", [pattern])
    paths["paths.gazetteer"] = str(output / "drugs.jsonl")
    name = {"components.transformer.model.name": str(encoder)}
    nlp = run_training(CONFIGS / "es_trf.cfg", output, {**QUICK, **paths, **name})
    shutil.rmtree(encoder)
    return nlp, output / "model-last"


def test_pipeline_learns_and_finds_the_same_once_reloaded(
    stage1: tuple[Language, Path], texts: list[str]
) -> None:
    nlp, saved = stage1

    found = entities(nlp, texts)

    assert sum(map(len, found)) > len(texts)
    assert entities(spacy.load(saved), texts) == found


def test_second_stage_goes_on_from_the_first(
    stage1: tuple[Language, Path], corpora: dict[str, Path], texts: list[str], tmp_path: Path
) -> None:
    nlp, saved = stage1
    overrides = {
        **QUICK,
        "nlp.lang": "es",
        "paths.stage1": str(saved),
        "paths.train": str(corpora["stage2"]),
        "paths.dev": str(corpora["stage2"]),
    }
    config = load_config(CONFIGS / "stage2_trf.cfg", overrides=overrides, interpolate=False)

    start = init_nlp(config)
    assert start.get_pipe("transformer").listening_components == ["ner"]
    assert start.tokenizer.to_bytes() == nlp.tokenizer.to_bytes()
    assert entities(start, texts) == entities(nlp, texts)

    before = start.get_pipe("transformer").model.to_bytes()
    trained, _ = train(start, tmp_path, stdout=io.StringIO(), stderr=io.StringIO())
    assert trained.get_pipe("transformer").model.to_bytes() != before
    found = entities(trained, texts)
    assert entities(spacy.load(tmp_path / "model-last"), texts) == found


def test_wheel_needs_no_encoder_and_finds_the_same(
    stage1: tuple[Language, Path],
    texts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nlp, saved = stage1
    (tmp_path / "packages").mkdir()
    package(
        saved,
        tmp_path / "packages",
        name="cardioner_trf",
        version="1.2.3",
        create_sdist=False,
        create_wheel=True,
        silent=True,
    )
    [wheel] = tmp_path.rglob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")

    loaded = spacy.load("es_cardioner_trf")

    assert wheel.name.startswith("es_cardioner_trf-1.2.3-")
    needs = {Requirement(need).name for need in distribution("es_cardioner_trf").requires or ()}
    assert {"spacy", "spacy_cardioner", "spacy-transformers"} <= needs
    assert entities(loaded, texts) == entities(nlp, texts)


@pytest.mark.parametrize(
    "text",
    [TEXT * 170, NUMBERS * 750, "ñ" * 2000 + " " + TEXT * 170],
    ids=["text", "numbers", "long word"],
)
def test_long_note_loses_no_token(stage1: tuple[Language, Path], text: str) -> None:
    nlp, _ = stage1

    doc = nlp(text)

    assert doc.text == text
    assert len(doc) >= 3000
    assert doc._.trf_data.wordpieces.input_ids.shape[1] <= MAX_WORDPIECES
    pieces = doc._.trf_data.align.lengths
    assert len(pieces) == len(doc)
    assert [token.i for token in doc if not token.is_space and not pieces[token.i]] == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text() | st.sampled_from([TEXT * 10, NUMBERS * 40, "ñ" * 900]), max_size=4))
def test_windows_hold_all_tokens_and_fit(stage1: tuple[Language, Path], parts: list[str]) -> None:
    nlp, _ = stage1
    encoder = nlp.get_pipe("transformer").model
    doc = nlp.make_doc(" ".join(parts))

    [windows] = encoder.attrs["get_spans"]([doc])

    assert {token.i for window in windows for token in window} == set(range(len(doc)))
    for window in windows:
        assert len(window) == 1 or len(encoder.tokenizer(window.text).input_ids) <= MAX_WORDPIECES


def test_every_note_comes_out(stage1: tuple[Language, Path], texts: list[str]) -> None:
    nlp, _ = stage1
    notes = [*texts, "", TEXT * 200, " \n"]

    assert [doc.text for doc in nlp.pipe(notes)] == notes


def scored(doc: Doc) -> list[Any]:
    """What is found, with scores that may differ by rounding."""
    return [(*one[:3], pytest.approx(one.score, abs=1e-5, rel=0)) for one in read_entities(doc)]


@pytest.mark.parametrize("batch_size", [1, 8, 64])
def test_a_note_gets_the_same_answer_in_any_batch(
    stage1: tuple[Language, Path], texts: list[str], batch_size: int
) -> None:
    nlp, _ = stage1
    notes = [*texts, "", "Coronaria derecha: oclusión crónica", "Toma bisoprolol.", TEXT * 40]
    Random(batch_size).shuffle(notes)

    docs = [*nlp.pipe(notes, batch_size=batch_size)]

    assert [scored(doc) for doc in docs] == [read_entities_of(nlp, note) for note in notes]


def read_entities_of(nlp: Language, note: str) -> list[Any]:
    return [(*one[:3], one.score) for one in read_entities(nlp(note))]


@pytest.mark.parametrize("odd", ["\u200b", "\u00ad", "\ufeff", "\u200e"])
def test_what_nobody_sees_changes_nothing(
    stage1: tuple[Language, Path], texts: list[str], odd: str
) -> None:
    nlp, _ = stage1
    [want], *others = entities(nlp, texts[:1]), *entities(nlp, texts[1:3])
    assert want
    written = odd + texts[0].replace(" ", "\u00a0")
    found, *rest = entities(nlp, [written, odd, *texts[1:3]])
    assert [(start - 1, end - 1, label) for start, end, label in found] == want
    assert rest == [[], *others]
    assert nlp(odd)._.trf_data.align.lengths.tolist() == [0]


def test_two_processes_give_the_same_answer(
    stage1: tuple[Language, Path], texts: list[str], tmp_path: Path
) -> None:
    """In a process that torch uses with one thread: after others, a fork of it would block."""
    nlp, saved = stage1
    srsly.write_json(tmp_path / "texts.json", texts)
    code = (
        "import spacy, srsly; from spacy_cardioner.spans import read_entities\n"
        f"nlp, texts = spacy.load({str(saved)!r}), srsly.read_json('texts.json')\n"
        "docs = nlp.pipe(texts, n_process=2, batch_size=3)\n"
        "found = [[[*one[:3], one.score] for one in read_entities(doc)] for doc in docs]\n"
        "srsly.write_json('found.json', found)"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=120
    )

    found = [[(*one,) for one in of_note] for of_note in srsly.read_json(tmp_path / "found.json")]
    want = [scored(nlp(text)) for text in texts]
    assert found == want


def test_threads_share_an_encoder(stage1: tuple[Language, Path]) -> None:
    nlp, _ = stage1
    notes = [TEXT * length for length in (1, 5, 2, 9)] * 4
    want = [read_entities_of(nlp, note) for note in notes]

    with quick_switches(), ThreadPoolExecutor(THREADS) as threads:
        docs = [*threads.map(nlp, notes * 2)]

    assert [scored(doc) for doc in docs] == want * 2
    assert [scored(nlp(note)) for note in notes] == want


@pytest.mark.parametrize("name", [*(f"{lang}_trf" for lang in LANGUAGES), "stage2_trf"])
def test_training_reads_every_note(name: str, tmp_path: Path) -> None:
    nlp = blank("es")
    docs = [nlp(TEXT * length) for length in (1, 40, 500, 2)]
    assert len(docs[2]) > 3000
    write_docbin(tmp_path / "notes.spacy", docs)
    config = load_config(CONFIGS / f"{name}.cfg", interpolate=False)
    config["paths"].update(train=str(tmp_path / "notes.spacy"), dev=str(tmp_path / "notes.spacy"))
    config = DEFAULT_CONFIG.merge(config).interpolate()

    for corpus in resolve_dot_names(config, ["corpora.train", "corpora.dev"]):
        examples = list(corpus(nlp))
        assert sorted(len(example) for example in examples) == sorted(map(len, docs))
        batches = registry.resolve(config["training"])["batcher"](examples)
        assert sum(map(len, batches)) == len(docs)


def test_learning_rate_rises_and_falls_to_zero_with_the_last_epoch(tmp_path: Path) -> None:
    nlp = blank("es")
    docs = [nlp(TEXT * length) for length in range(1, 41)]
    write_docbin(tmp_path / "notes.spacy", docs)
    schedule = registry.schedules.get("spacy_cardioner.warmup_linear_epochs.v1")

    rates = list(islice(schedule(0.5, 0.1, 4, tmp_path, 1000), 200))

    batches = len(list(minibatch_by_words(docs, size=1000)))
    steps = rates.index(0, 1)
    assert steps == pytest.approx(4 * batches, rel=0.15)
    top = rates.index(0.5)
    assert top == round(0.1 * steps)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert set(rates[steps:]) == {0}


def test_learning_rate_asks_for_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CardionerError, match="max_epochs"):
        next(warmup_linear_epochs(0.5, 0.1, 0, tmp_path, 1000))
    with pytest.raises(CardionerError, match="paths.train"):
        next(warmup_linear_epochs(0.5, 0.1, 10, None, 1000))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_configs_of_all_languages_build_the_same_pipeline(lang: str) -> None:
    def read(name: str) -> Any:
        return load_config(CONFIGS / f"{name}.cfg", interpolate=False)

    config, spanish = read(f"{lang}_trf"), read("es_trf")
    config["paths"]["gazetteer"] = spanish["paths"]["gazetteer"] = "drugs.jsonl"

    nlp = load_model_from_config(config.interpolate(), auto_fill=True)

    assert nlp.lang == lang
    assert nlp.pipe_names == ["sentencizer", "gazetteer", "transformer", "ner"]
    for each in (config, spanish):
        each["nlp"]["lang"] = each["components"]["transformer"]["model"]["name"] = ""
    assert config == spanish


def test_second_stage_trains_as_the_first() -> None:
    first = load_config(CONFIGS / "es_trf.cfg", interpolate=False)
    second = load_config(CONFIGS / "stage2_trf.cfg", interpolate=False)

    for each in (first, second):
        each["training"]["optimizer"]["learn_rate"]["initial_rate"] = 0
        each["nlp"]["lang"] = ""

    for section in ("system", "nlp", "corpora", "training"):
        assert second[section] == first[section]


def test_note_of_no_tokens_is_encoded(stage1: tuple[Language, Path]) -> None:
    nlp, _ = stage1
    assert nlp.get_pipe("transformer").model.attrs["get_spans"]([Doc(nlp.vocab)]) == [[]]
