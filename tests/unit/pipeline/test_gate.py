"""A sentence gate: sentences that have no entity are not encoded, and the others do not notice."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import fix_random_seed, load_config, minibatch
from thinc.api import Adam, Config

from spacy_cardioner.corpus import convert, read_docbin, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers.windows import GATED, gated_tokens
from spacy_cardioner.pipeline.gate.component import create_tune_gate
from spacy_cardioner.spans import SPANS_KEY
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT
from tests.tiny_encoder import LISTENER, encoded, encoder_config, n_pieces, save_tiny_encoder, step

SAMPLE = ROOT / "assets" / "sample" / "track2"

CONFIG = """
[paths]
train = null

[nlp]
lang = "es"
pipeline = ["sentencizer","gate"]

[nlp.tokenizer]
@tokenizers = "spacy_cardioner.ClinicalTokenizer.v1"

[components]

[components.sentencizer]
factory = "sentencizer"

[components.gate]
factory = "cardioner_gate"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[training]
seed = 1
gpu_allocator = null
dev_corpus = "corpora.dev"
train_corpus = "corpora.train"
max_epochs = 12
patience = 0
eval_frequency = 1000

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.01
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folders = [SAMPLE / stage / "es" / "brat" for stage in ("drugtemist_train", "cardioccc_dev")]
    path = tmp_path_factory.mktemp("corpus") / "es.spacy"
    write_docbin(path, [doc for folder in folders for doc in convert([folder], blank("es"))])
    return path


@pytest.fixture(scope="module")
def gate(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a gate that learned from the sample, and was tuned on it."""
    output = tmp_path_factory.mktemp("gate")
    nlp = init_nlp(Config().from_str(CONFIG, overrides={"paths.train": str(corpus)}))
    train(nlp, output, stdout=io.StringIO(), stderr=io.StringIO())
    trained = spacy.load(output / "model-last")
    pipe: Any = trained.get_pipe("gate")
    pipe.tune(gold(trained, corpus), recall=1.0)
    trained.to_disk(output / "tuned")
    return output / "tuned"


def gold(nlp: Language, corpus: Path) -> list[Example]:
    return [Example(nlp(doc.text), doc) for doc in read_docbin(corpus, nlp.vocab)]


def test_gate_spares_sentences_and_lets_those_with_entities_through(
    gate: Path, corpus: Path
) -> None:
    nlp = spacy.load(gate)

    scores = nlp.get_pipe("gate").score(gold(nlp, corpus))

    assert scores["gate_recall"] == 1.0
    assert scores["gate_spared"] > 0.3


@pytest.mark.parametrize("recall", [1.0, 0.9, 0.5])
def test_threshold_is_the_highest_with_that_recall(gate: Path, corpus: Path, recall: float) -> None:
    nlp = spacy.load(gate)
    pipe: Any = nlp.get_pipe("gate")
    examples = gold(nlp, corpus)

    threshold = pipe.tune(examples, recall=recall)

    assert pipe.score(gold(nlp, corpus))["gate_recall"] >= recall
    pipe.threshold = threshold * 1.01
    assert pipe.score(gold(nlp, corpus))["gate_recall"] < recall


@pytest.mark.parametrize("share", [1.0, 0.8, 0.5])
def test_at_least_so_many_sentences_are_open(gate: Path, corpus: Path, share: float) -> None:
    nlp = spacy.load(gate)
    pipe: Any = nlp.get_pipe("gate")

    least = pipe.tune(gold(nlp, corpus), recall=0.1)
    threshold = pipe.tune(gold(nlp, corpus), recall=0.1, open_sentences=share)

    assert threshold < least
    assert 1 - pipe.score(gold(nlp, corpus))["gate_spared"] >= share
    pipe.threshold = threshold * 1.01
    assert 1 - pipe.score(gold(nlp, corpus))["gate_spared"] < share


def test_threshold_of_the_config_wins(gate: Path) -> None:
    text = "Toma bisoprolol.\nVive solo."
    closed = spacy.load(gate, config={"components": {"gate": {"threshold": 1.1}}})
    open_ = spacy.load(gate, config={"components": {"gate": {"threshold": 0.0}}})

    assert gated_tokens(closed(text)).all()
    assert not gated_tokens(open_(text)).any()


def test_what_is_not_annotated_is_no_negative_example(corpus: Path) -> None:
    nlp = blank("es")
    pipe: Any = nlp.add_pipe("cardioner_gate")
    examples = gold(blank("es"), corpus)[:2]
    pipe.initialize(lambda: examples, labels=["ENFERMEDAD", "FARMACO"])
    scores = pipe.model.predict([eg.predicted for eg in examples])

    _, gradients = pipe.get_loss(examples, scores)

    for eg, gradient in zip(examples, gradients, strict=True):
        drugs = {token.i for span in eg.reference.spans[SPANS_KEY] for token in span}
        assert set(numpy.flatnonzero(gradient[:, 0]).tolist()) == drugs


def test_no_sentences_no_gate(gate: Path) -> None:
    nlp = spacy.load(gate, exclude=["sentencizer"])
    with pytest.raises(CardionerError, match="sentencizer"):
        nlp("Toma bisoprolol. Vive solo.")


def test_nothing_to_tune_on(gate: Path) -> None:
    nlp = spacy.load(gate)
    with pytest.raises(CardionerError, match="no sentence"):
        nlp.get_pipe("gate").tune([])
    assert len(nlp("")) == 0


@pytest.fixture(scope="module")
def nlp(gate: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Language:
    """A pipeline with that gate, an encoder and spaCy's `ner`, overfitted to the sample."""
    pytest.importorskip("spacy_transformers", reason="needs the extra trf")
    texts = [doc.text for doc in read_docbin(corpus, spacy.blank("es").vocab)]
    encoder = save_tiny_encoder(tmp_path_factory.mktemp("encoder"), texts)
    fix_random_seed(1)
    nlp = spacy.load(gate)
    windows = {"@span_getters": "spacy_cardioner.sentence_windows.v1", "window": 96, "context": 4}
    nlp.add_pipe("transformer", config=encoder_config(encoder, windows))
    parser = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 32,
        "maxout_pieces": 2,
        "use_upper": False,
        "tok2vec": LISTENER,
    }
    nlp.add_pipe("ner", config={"model": parser})
    with nlp.select_pipes(enable=["sentencizer"]):
        examples = gold(nlp, corpus)[:12]
    sgd = Adam(0.005, use_averages=False)
    with nlp.select_pipes(enable=["transformer", "ner"]):
        nlp.initialize(lambda: examples, sgd=sgd)
        for _ in range(20):
            for batch in minibatch(examples, 3):
                step(nlp, list(batch), sgd)
    return nlp


def entities(doc: Doc) -> set[tuple[int, int, str]]:
    return {(ent.start, ent.end, ent.label_) for ent in doc.ents}


def test_gated_sentences_are_not_encoded_and_the_others_do_not_change(
    nlp: Language, corpus: Path
) -> None:
    texts = [doc.text for doc in read_docbin(corpus, nlp.vocab)][:12]
    encoder = nlp.get_pipe("transformer")

    with encoded(encoder) as masks:
        gated = list(nlp.pipe(texts))
    with nlp.select_pipes(disable=["gate"]), encoded(encoder) as all_masks:
        whole = list(nlp.pipe(texts))

    spared = sum(len(doc.spans[GATED]) for doc in gated)
    assert spared > len(texts)
    read = [s.text for doc in encoder.model.attrs["get_spans"](gated) for s in doc]
    tokenizer = encoder.model.tokenizer
    assert n_pieces(masks) == sum(map(len, tokenizer(read)["input_ids"]))
    sentences = sum(1 for doc in whole for _ in doc.sents)
    assert sentences - spared <= len(read) < sentences  # a long sentence has several windows
    assert n_pieces(masks) < n_pieces(all_masks)
    found = 0
    for doc, other in zip(gated, whole, strict=True):
        closed = gated_tokens(doc)
        outside = {ent for ent in entities(other) if not closed[ent[0] : ent[1]].any()}
        assert entities(doc) == outside
        found += len(outside)
        zero = doc._.trf_data.align.lengths == 0
        assert zero[closed].all()
    assert found > 20


def test_note_without_any_open_sentence(nlp: Language) -> None:
    nlp.get_pipe("gate").threshold = 1.1
    try:
        with encoded(nlp.get_pipe("transformer")) as masks:
            docs = list(nlp.pipe(["Vive solo. No fuma.", "", "Toma bisoprolol."]))
    finally:
        nlp.get_pipe("gate").threshold = None

    assert [entities(doc) for doc in docs] == [set(), set(), set()]
    assert max(mask.shape[1] for mask in masks) < 8


@pytest.fixture(scope="module")
def by_config(nlp: Language, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That pipeline with another gate, by the config that the project has for it."""
    output = tmp_path_factory.mktemp("by_config")
    with nlp.select_pipes(disable=["gate"]):
        nlp.to_disk(output / "trained")
    srsly.write_jsonl(output / "drugs.jsonl", [{"label": "FARMACO", "pattern": "bisoprolol"}])
    paths = {"trained": output / "trained", "gazetteer": output / "drugs.jsonl"}
    paths |= {"train": corpus, "dev": corpus}
    overrides = {f"paths.{name}": str(path) for name, path in paths.items()}
    config = load_config(ROOT / "configs" / "gate.cfg", overrides={"nlp.lang": "es", **overrides})
    train(init_nlp(config), output, stdout=io.StringIO(), stderr=io.StringIO())
    return output


def test_config_adds_a_gate_and_changes_nothing_else(
    nlp: Language, by_config: Path, corpus: Path
) -> None:
    loaded = spacy.load(by_config / "model-last")
    texts = [doc.text for doc in read_docbin(corpus, nlp.vocab)][:12]

    docs = list(loaded.pipe(texts))

    assert loaded.pipe_names == ["sentencizer", "gazetteer", "gate", "transformer", "ner"]
    assert sum(len(doc.spans[GATED]) for doc in docs) > len(texts)
    with loaded.select_pipes(disable=["gate"]):
        whole = list(loaded.pipe(texts))
    for doc, other, annotated in zip(docs, whole, read_docbin(corpus, nlp.vocab), strict=False):
        right = {(span.start, span.end, span.label_) for span in annotated.spans[SPANS_KEY]}
        assert entities(doc) & right == entities(other) & right
    [windows] = loaded.get_pipe("transformer").model.attrs["get_spans"](whole[:1])
    assert [(window.start, window.end) for window in windows] == [
        (max(sent.start - 8, 0), min(sent.end + 8, len(whole[0]))) for sent in whole[0].sents
    ]
    weights, trained = (
        each.get_pipe("transformer").model.transformer.state_dict() for each in (loaded, nlp)
    )
    assert all(weights[name].equal(tensor) for name, tensor in trained.items())


def test_gated_pipeline_is_loaded_where_nothing_else_was(by_config: Path) -> None:
    """Before spaCy has met an encoder, it knows no span getters."""
    code = "import sys, spacy; print(spacy.load(sys.argv[1]).pipe_names)"

    run = subprocess.run(
        [sys.executable, "-c", code, str(by_config / "model-last")], capture_output=True, text=True
    )

    assert "gate" in run.stdout, run.stderr


def test_tuning_counts_the_entities_that_are_right(by_config: Path, corpus: Path) -> None:
    """A drug that the pipeline does not find, in a sentence like no other, is no loss."""
    nlp = spacy.load(by_config / "model-last")
    pipe: Any = nlp.get_pipe("gate")
    docs = [nlp.make_doc(doc.text) for doc in read_docbin(corpus, nlp.vocab)]
    for doc, annotated in zip(docs, read_docbin(corpus, nlp.vocab), strict=True):
        odd = doc[:1]
        spans = [doc[span.start : span.end] for span in annotated.spans[SPANS_KEY]]
        doc.spans[SPANS_KEY] = [Span(doc, odd.start, odd.end, label="FARMACO"), *spans]
        doc.spans[SPANS_KEY].attrs["layers"] = ["FARMACO"]
    path = by_config / "odd.spacy"
    write_docbin(path, docs)

    with nlp.select_pipes(enable=["sentencizer", "gazetteer"]):
        annotated = pipe.tune(gold(nlp, path), recall=1.0)

    create_tune_gate(path, 1.0)(nlp)

    assert annotated < pipe.cfg["tuned"]


def test_gate_is_saved_with_the_pipeline(nlp: Language, corpus: Path, tmp_path: Path) -> None:
    texts = [doc.text for doc in read_docbin(corpus, nlp.vocab)][:5]
    nlp.to_disk(tmp_path)

    loaded = spacy.load(tmp_path)

    for doc, other in zip(loaded.pipe(texts), nlp.pipe(texts), strict=True):
        assert gated_tokens(doc).tolist() == gated_tokens(other).tolist()
        assert entities(doc) == entities(other)
