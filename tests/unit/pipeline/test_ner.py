"""The component `cardioner_ner`, trained on notes invented here."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, cast

import numpy
import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import fix_random_seed, load_model, load_model_from_config
from thinc.api import Config

from spacy_cardioner.batch.engine import Annotator
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers.crf import BEGIN, INSIDE, OUTSIDE
from spacy_cardioner.pipeline.ner.component import MultiHeadNER

DISEASE, DRUG = "ENFERMEDAD", "FARMACO"
NESTED = "Alergia a penicilina. Toma bisoprolol por fibrilación auricular."
NOTES = [
    (NESTED, {DISEASE: ["Alergia a penicilina", "fibrilación auricular"], DRUG: ["penicilina"]}),
    ("Tiene alergia a ibuprofeno.", {DISEASE: ["alergia a ibuprofeno"], DRUG: ["ibuprofeno"]}),
    ("Ingresa por insuficiencia cardiaca.", {DISEASE: ["insuficiencia cardiaca"]}),
    ("Tratamiento: furosemida y apixabán.", {DRUG: ["furosemida", "apixabán"]}),
    ("Refiere dolor torácico. Niega fiebre.", {DISEASE: ["dolor torácico", "fiebre"]}),
    ("Sin alteraciones en la exploración.", {}),
]
NOTES[0][1][DRUG].append("bisoprolol")

TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 32,
    "depth": 1,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}


# The three kinds of heads.
HEADS = [
    {"decoder": "crf"},
    {"decoder": "crf", "token_transitions": True},
    {"decoder": "softmax"},
]


def settings_of(
    decoder: str = "crf",
    hidden_width: int = 0,
    token_transitions: bool | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The component's config, with a small encoder."""
    model = {
        "@architectures": "spacy_cardioner.MultiHeadTagger.v1",
        "decoder": decoder,
        "token_transitions": token_transitions,
        "hidden_width": hidden_width,
        "tok2vec": TOK2VEC,
    }
    return {"model": model, **changes}


def gold(nlp: Language, text: str, mentions: dict[str, list[str]], **attrs: Any) -> Doc:
    doc = nlp.make_doc(text)
    spans = [
        doc.char_span(text.index(mention), text.index(mention) + len(mention), label)
        for label, found in mentions.items()
        for mention in found
    ]
    doc.spans["cardioner"] = SpanGroup(doc, spans=spans, attrs=attrs)
    return doc


def examples_of(nlp: Language) -> list[Example]:
    return [Example(nlp.make_doc(text), gold(nlp, text, found)) for text, found in NOTES]


def trained(steps: int = 40, **config: Any) -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("es")
    nlp.add_pipe("cardioner_ner", name="ner", config=settings_of(**config))
    examples = examples_of(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture(scope="module")
def nlp() -> Language:
    return trained()


def found(doc: Doc, key: str = "cardioner") -> list[tuple[str, str]]:
    return [(span.text, span.label_) for span in doc.spans[key]]


def scored(doc: Doc) -> list[tuple[str, str, float]]:
    return [(span.text, span.label_, span._.score) for span in doc.spans["cardioner"]]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("hidden_width", [0, 16])
def test_learns_a_drug_inside_a_disease(head: dict[str, Any], hidden_width: int) -> None:
    nlp = trained(**head, hidden_width=hidden_width)
    doc = nlp(NESTED)
    assert found(doc) == [
        ("Alergia a penicilina", DISEASE),
        ("penicilina", DRUG),
        ("bisoprolol", DRUG),
        ("fibrilación auricular", DISEASE),
    ]
    assert [ent.text for ent in doc.ents] == [
        "Alergia a penicilina",
        "bisoprolol",
        "fibrilación auricular",
    ]
    assert nlp.evaluate(examples_of(nlp))["spans_cardioner_f"] == 1.0


def test_entities_set_before_stay(nlp: Language) -> None:
    doc = nlp.make_doc(NESTED)
    doc.ents = [Span(doc, 2, 4, "OTHER")]
    doc = nlp.get_pipe("ner")(doc)
    assert [ent.label_ for ent in doc.ents] == ["OTHER", DRUG, DISEASE]
    assert len(doc.spans["cardioner"]) == 4


def test_gated_sentences_have_no_entities(nlp: Language) -> None:
    doc = nlp.make_doc(NESTED)
    doc.spans["gated"] = [doc[:4]]
    doc = nlp.get_pipe("ner")(doc)
    assert [ent.text for ent in doc.ents] == ["bisoprolol", "fibrilación auricular"]
    assert len(doc.spans["cardioner"]) == 2


def test_probabilities_travel_with_the_document(nlp: Language) -> None:
    doc = nlp(NESTED)
    group = doc.spans["cardioner"]
    assert group.attrs["layers"] == [DISEASE, DRUG]
    assert [span._.score for span in group] == group.attrs["scores"]
    assert {span._.source for span in group} == {"ner"}
    assert all(0.5 < score <= 1.0 for score in group.attrs["scores"])
    assert doc[2:3]._.score is None
    assert scored(Doc(nlp.vocab).from_bytes(doc.to_bytes())) == scored(doc)
    [again] = DocBin(docs=[doc]).get_docs(nlp.vocab)
    assert scored(again) == scored(doc)
    assert [ent._.score for ent in again.ents] == [ent._.score for ent in doc.ents]


def test_threshold_leaves_out_what_is_improbable() -> None:
    nlp = trained(steps=12)
    everything = scored(nlp(NESTED))
    threshold = sorted(score for *_, score in everything)[1]
    nlp.get_pipe("ner").threshold = threshold
    doc = nlp(NESTED)
    assert scored(doc) == [entity for entity in everything if entity[2] >= threshold]
    assert len(doc.spans["cardioner"].attrs["scores"]) == len(everything) - 1


def test_a_setting_given_at_loading_counts(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    strict = load_model(tmp_path, config={"components.ner.threshold": 1.1})
    assert found(strict(NESTED)) == []


def test_gold_layers_that_a_document_lacks_teach_nothing() -> None:
    nlp = trained(steps=1)
    ner = nlp.get_pipe("ner")
    text, mentions = NOTES[3]
    docs = [nlp.make_doc(text)]
    scores, _ = ner.model.begin_update(docs)

    def gradient(doc: Doc) -> numpy.ndarray:
        _, d_scores = ner.get_loss([Example(docs[0], doc)], scores)
        return numpy.abs(d_scores).sum(axis=(0, 1, 3))

    disease, drug = gradient(gold(nlp, text, mentions, layers=[DRUG]))
    assert disease == 0.0
    assert drug > 0.0
    assert (gradient(gold(nlp, text, mentions)) > 0.0).all()
    assert not gradient(nlp.make_doc(text)).any()


def test_unknown_layers_do_not_count_as_mistakes(nlp: Language) -> None:
    reference = gold(nlp, NESTED, {DRUG: ["penicilina", "bisoprolol"]}, layers=[DRUG])
    scores = nlp.evaluate([Example(nlp.make_doc(NESTED), reference)])
    assert scores["spans_cardioner_f"] == 1.0
    assert set(scores["spans_cardioner_per_type"]) == {DRUG}
    reference = gold(nlp, NESTED, {DRUG: ["penicilina", "bisoprolol"]})
    scores = nlp.evaluate([Example(nlp.make_doc(NESTED), reference)])
    assert scores["spans_cardioner_p"] == 0.5


def test_gold_entities_become_tags_of_the_tokens_predicted_on() -> None:
    nlp = trained(steps=0)
    words = ["Alergia", "a", "penicilina."]
    reference = Doc(nlp.vocab, words=["Alergia", "a", "penicilina", "."], spaces=[1, 1, 0, 0])
    reference.spans["cardioner"] = [
        Span(reference, 0, 2, DISEASE),
        Span(reference, 1, 2, DISEASE),
        Span(reference, 0, 1, DRUG),
        Span(reference, 2, 3, DRUG),  # cannot be aligned
    ]
    eg = Example(Doc(nlp.vocab, words=words), reference)
    tags, known = nlp.get_pipe("ner")._get_targets([eg])
    assert tags.tolist() == [[BEGIN, INSIDE, OUTSIDE], [BEGIN, OUTSIDE, OUTSIDE]]
    assert known.all()


def test_inverse_class_weights_count_the_tags() -> None:
    ner = trained(steps=0, class_weights="inverse").get_pipe("ner")
    n_tokens = sum(len(eg.reference) for eg in examples_of(spacy.blank("es")))
    counts = numpy.array([ner.cfg["tag_counts"][label] for label in ner.labels])
    assert counts[1].tolist() == [6, 0, n_tokens - 6] or counts.sum() == 2 * n_tokens
    numpy.testing.assert_allclose((ner._get_weights() * counts)[0], n_tokens / 3, rtol=1e-5)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("weights", ["inverse", {"B": 3.0, "I": 3.0, "O": 1.0}])
def test_trains_with_weights(head: dict[str, Any], weights: Any) -> None:
    nlp = trained(**head, class_weights=weights)
    assert nlp.evaluate(examples_of(nlp))["spans_cardioner_f"] == 1.0


@pytest.mark.parametrize("init_W", [None, {"@initializers": "glorot_uniform_init.v1"}])
def test_only_heads_that_start_from_something_teach_the_encoder_at_once(init_W: Any) -> None:
    nlp = spacy.blank("es")
    config = settings_of()
    config["model"]["init_W"] = init_W
    ner = nlp.add_pipe("cardioner_ner", name="ner", config=config)
    assert isinstance(ner, MultiHeadNER)
    examples = examples_of(nlp)
    nlp.initialize(lambda: examples)
    ner.update(examples)
    learns = [
        abs(gradient).sum() > 0
        for layer in ner.model.get_ref("tok2vec").walk()
        for _, (_, gradient) in layer.get_gradients().items()
    ]
    assert any(learns) == (init_W is not None)


def test_class_weights_must_be_positive() -> None:
    with pytest.raises(CardionerError, match="class_weights"):
        trained(class_weights={"O": 0.0})


@pytest.mark.parametrize("head", HEADS)
def test_saving_keeps_everything(head: dict[str, Any], tmp_path: Path) -> None:
    nlp = trained(**head, class_weights="inverse")
    nlp.to_disk(tmp_path)
    expected = scored(nlp(NESTED))
    assert len(expected) == 4
    from_disk = load_model(tmp_path)
    assert scored(from_disk(NESTED)) == expected
    from_bytes = spacy.blank("es")
    from_bytes.add_pipe("cardioner_ner", name="ner", config=settings_of(**head))
    from_bytes.from_bytes(nlp.to_bytes())
    assert scored(from_bytes(NESTED)) == expected
    assert from_disk.get_pipe("ner").cfg == nlp.get_pipe("ner").cfg
    assert pickle.loads(pickle.dumps(nlp.get_pipe("ner"))).labels == (DISEASE, DRUG)


def test_a_softmax_has_no_transitions() -> None:
    with pytest.raises(CardionerError, match='token_transitions = true needs decoder = "crf"'):
        trained(decoder="softmax", token_transitions=True)


def test_labels(nlp: Language) -> None:
    ner = nlp.get_pipe("ner")
    assert nlp.pipe_labels["ner"] == ner.label_data == [DISEASE, DRUG]
    assert ner.add_label(DRUG) == 0
    with pytest.raises(ValueError, match="E922"):
        ner.add_label("SINTOMA")
    empty = spacy.blank("es")
    empty.add_pipe("cardioner_ner")
    with pytest.raises(ValueError, match="E143"):
        empty.initialize(lambda: [Example(empty.make_doc("x"), empty.make_doc("x"))])


def test_same_result_in_batches_and_processes(nlp: Language) -> None:
    texts = [text for text, _ in NOTES]
    alone = [scored(nlp(text)) for text in texts]
    for options in ({"batch_size": 4}, {"batch_size": 2, "n_process": 2}):
        for doc, expected in zip(nlp.pipe(texts, **options), alone, strict=True):
            assert [entity[:2] for entity in scored(doc)] == [entity[:2] for entity in expected]
            scores = [entity[2] for entity in expected]
            assert [entity[2] for entity in scored(doc)] == pytest.approx(scores, rel=1e-4)


def test_can_be_switched_off(nlp: Language) -> None:
    with nlp.select_pipes(disable=["ner"]):
        assert "cardioner" not in nlp(NESTED).spans
    assert len(nlp(NESTED).spans["cardioner"]) == 4


def test_serves_another_pipeline(nlp: Language) -> None:
    other = spacy.blank("es")
    other.add_pipe("ner", source=nlp)
    assert scored(other(NESTED)) == scored(nlp(NESTED))


@pytest.mark.parametrize("text", ["", " ", "\n \t\n", "x"])
def test_next_to_nothing(nlp: Language, text: str) -> None:
    doc = nlp(text)
    assert list(doc.spans["cardioner"]) == list(doc.ents) == []
    [_, again, _] = nlp.pipe([NESTED, text, NESTED])
    assert found(again) == []
    nlp.update([Example(nlp.make_doc(text), gold(nlp, text, {}))], sgd=False)


@pytest.mark.parametrize(
    "text", [NESTED * 250, "12,5 | 0,003 | 140/90 | 7.35\n" * 300], ids=["note", "table"]
)
def test_long_texts(nlp: Language, text: str) -> None:
    doc = nlp(text)
    assert len(doc) > 2000
    assert (len(doc.spans["cardioner"]) == 1000) == text.startswith(NESTED)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("Alergia a penicilina.\n\t á🙂\u0301"), max_size=60))
def test_any_text(nlp: Language, text: str) -> None:
    doc = nlp(text)
    assert doc.text == text
    for span in doc.spans["cardioner"]:
        assert span.text == span.text.strip() != ""
        assert 0.0 < span._.score <= 1.0


TRAINING = """
[paths]
train = null

[nlp]
lang = "es"
pipeline = ["tok2vec", "ner"]

[components]

[components.tok2vec]
factory = "tok2vec"

[components.ner]
factory = "cardioner_ner"

[components.ner.model]
@architectures = "spacy_cardioner.MultiHeadTagger.v1"
decoder = "crf"
hidden_width = 0

[components.ner.model.tok2vec]
@architectures = "spacy.Tok2VecListener.v1"
width = 96

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[training]
max_steps = 60
eval_frequency = 20
patience = 0

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.005
"""


def test_spacy_trains_it_over_a_shared_encoder(tmp_path: Path) -> None:
    blank = spacy.blank("es")
    corpus = tmp_path / "train.spacy"
    DocBin(docs=[eg.reference for eg in examples_of(blank)]).to_disk(corpus)
    config = Config().from_str(TRAINING, overrides={"paths.train": str(corpus)})
    nlp = init_nlp(load_model_from_config(config, auto_fill=True).config)
    assert nlp.config["training"]["score_weights"]["spans_cardioner_f"] == 1.0
    _, best = train(nlp, tmp_path, stdout=io.StringIO(), stderr=io.StringIO())
    loaded = load_model(best)
    assert found(loaded(NESTED))[:2] == [("Alergia a penicilina", DISEASE), ("penicilina", DRUG)]
    assert loaded.meta["performance"]["spans_cardioner_f"] > 0.9
    assert isinstance(loaded.get_pipe("ner"), MultiHeadNER)


def test_only_active_labels_are_found(nlp: Language, tmp_path: Path) -> None:
    both = nlp(NESTED)
    drugs = [entity for entity in found(both) if entity[1] == DRUG]
    assert drugs
    assert len(found(both)) > len(drugs)
    nlp.to_disk(tmp_path)
    loaded = load_model(tmp_path, config={"components": {"ner": {"labels": [DRUG]}}})
    ner = cast(MultiHeadNER, loaded.get_pipe("ner"))
    doc = loaded(NESTED)
    assert (found(doc), doc.spans["cardioner"].attrs["layers"]) == (drugs, [DRUG])
    assert [span._.score for span in doc.spans["cardioner"]] == pytest.approx(
        [span._.score for span in both.spans["cardioner"] if span.label_ == DRUG], abs=1e-6
    )
    ner.active = []
    assert found(loaded(NESTED)) == []
    ner.active = [DRUG, DISEASE]
    assert found(loaded(NESTED)) == found(both)
    assert ner.labels == (DISEASE, DRUG)
    # The setting is saved with the pipeline.
    loaded.to_disk(tmp_path / "again")
    assert found(load_model(tmp_path / "again")(NESTED)) == drugs


def test_a_label_without_a_head_is_named(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    loaded = load_model(tmp_path, config={"components": {"ner": {"labels": ["SINTOMA"]}}})
    with pytest.raises(CardionerError, match="no label SINTOMA. Its labels are: ENFERMEDAD, FAR"):
        loaded(NESTED)
    with pytest.raises(CardionerError, match="must be a list"):
        cast(MultiHeadNER, loaded.get_pipe("ner")).active = DRUG  # type: ignore[assignment]


def test_annotate_opens_the_labels_that_are_asked_for(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path / "both")
    config = {"components": {"ner": {"labels": [DRUG]}}}
    load_model(tmp_path / "both", config=config).to_disk(tmp_path / "drugs")
    notes = [SourceNote("a", NESTED)]
    for only, labels in (((), {DRUG}), ((DISEASE,), {DISEASE}), ((DRUG, DISEASE), {DRUG, DISEASE})):
        [annotated] = Annotator(Settings(str(tmp_path / "drugs"), only=only))(notes)
        assert {mention.label for mention in annotated.mentions} == labels
