"""A transformer stacked beside CNNs: a label has the mean of the scores of those that know it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Adam, Config, fix_random_seed
from typer.testing import CliRunner

from spacy_cardioner.assembly.narrow import narrow
from spacy_cardioner.assembly.rounding import round_weights
from spacy_cardioner.assembly.stack import stack
from spacy_cardioner.cli import app
from spacy_cardioner.corpus import write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import SPANS_KEY, read_entities
from tests.conftest import ROOT
from tests.tiny_encoder import save_tiny_encoder
from tests.unit.assembly.test_stack import MEMBERS, WORDS, examples, make

pytest.importorskip("spacy_transformers", reason="needs the extra trf")

TEXT = " ".join(WORDS)
LABELS = ("ENFERMEDAD", "FARMACO", "SINTOMA")
CNN_LABELS = LABELS[:2]


def with_symptoms(nlp: Language) -> list[Example]:
    [example] = examples()
    doc = example.reference
    spans = [*doc.spans[SPANS_KEY], Span(doc, 7, 8, "SINTOMA")]
    doc.spans[SPANS_KEY] = SpanGroup(doc, name=SPANS_KEY, spans=spans)
    return [Example(Doc(nlp.vocab, words=WORDS), doc)]


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Language:
    """A pipeline with a tiny transformer, which has learned a sentence, with a label more."""
    fix_random_seed(5)
    folder = save_tiny_encoder(tmp_path_factory.mktemp("encoder"), [TEXT] * 20)
    config = Config().from_disk(ROOT / "configs/xx_trf.cfg", interpolate=False)
    config["initialize"] = {}
    config["components"]["transformer"]["model"]["name"] = str(folder)
    nlp = load_model_from_config(config.interpolate(), auto_fill=True)
    optimizer = nlp.initialize(lambda: with_symptoms(nlp), sgd=Adam(0.003))
    for _ in range(12):
        nlp.update(with_symptoms(nlp), sgd=optimizer)
    return nlp


@pytest.fixture(scope="module")
def together(transformer: Language) -> Language:
    return stack([*MEMBERS, transformer], transformer_weight=0.6)


def steps(nlp: Language, words: list[str]) -> dict[str, Any]:
    """The scores of all steps from tag to tag that are allowed, by label."""
    doc = Doc(nlp.vocab, words=words)
    ner: Any = nlp.get_pipe("ner")
    for name in nlp.pipe_names[: nlp.pipe_names.index("ner")]:
        doc = nlp.get_pipe(name)(doc)
    scores = ner.model.predict([doc]).transpose(2, 0, 1, 3)
    return {label: each[each > -1e3] for label, each in zip(ner.labels, scores, strict=True)}


def found(nlp: Language, text: str) -> list[Any]:
    return [
        (*one[:3], pytest.approx(one.score, abs=1e-5, rel=0)) for one in read_entities(nlp(text))
    ]


@settings(deadline=None, max_examples=20)
@given(words=st.lists(st.sampled_from([*WORDS, ".", "palabra"]), min_size=1, max_size=12))
def test_its_scores_are_the_weighted_mean_of_theirs(
    transformer: Language, together: Language, words: list[str]
) -> None:
    cnns, other = [steps(nlp, words) for nlp in MEMBERS], steps(transformer, words)
    both = steps(together, words)
    assert tuple(both) == LABELS
    for label in CNN_LABELS:
        want = 0.6 * other[label] + 0.4 * numpy.mean([cnn[label] for cnn in cnns], axis=0)
        numpy.testing.assert_allclose(both[label], want, rtol=1e-4, atol=1e-4)
    numpy.testing.assert_allclose(both["SINTOMA"], other["SINTOMA"], rtol=1e-4, atol=1e-4)


def test_a_label_of_the_cnn_alone_keeps_its_scores(transformer: Language) -> None:
    drugs = narrow(transformer, lang="xx", labels=["FARMACO", "SINTOMA"])
    both = steps(stack([drugs, MEMBERS[0]]), WORDS)
    assert tuple(both) == LABELS
    alone = steps(MEMBERS[0], WORDS)["ENFERMEDAD"]
    numpy.testing.assert_allclose(both["ENFERMEDAD"], alone, rtol=1e-4, atol=1e-4)


def test_members_stay_as_they_are(transformer: Language) -> None:
    members = [MEMBERS[0], transformer]
    before = [steps(nlp, WORDS) for nlp in members]
    stack(members)
    for nlp, scores in zip(members, before, strict=True):
        after = steps(nlp, WORDS)
        assert all((after[label] == scores[label]).all() for label in scores)


def test_a_note_gets_the_same_answer_in_any_batch(together: Language) -> None:
    notes = [TEXT, "", "\u200b", f"\u200b{TEXT}\u00ad.", "Disnea.", f"{TEXT}. " * 40, " \n"]
    want = [found(together, note) for note in notes]
    assert any(want)
    for size in (2, 7):
        docs = together.pipe(notes, batch_size=size)
        assert [[(*e[:3], e.score) for e in read_entities(doc)] for doc in docs] == want


def test_it_is_saved_and_trained_on_like_any_other(transformer: Language, tmp_path: Path) -> None:
    members = {"a": MEMBERS[0], "trf": transformer, "b": MEMBERS[1]}
    for name, member in members.items():
        member.to_disk(tmp_path / name)
    paths = [str(tmp_path / name) for name in members]
    command("stack", *paths, "-o", str(tmp_path / "new/both"), "--transformer-weight", "0.7")
    saved = spacy.load(tmp_path / "new/both")
    want = stack([*members.values()], transformer_weight=0.7)
    copied = load_model_from_config(want.config.interpolate()).from_bytes(want.to_bytes())
    for nlp in (saved, copied):
        assert found(nlp, TEXT) == found(want, TEXT)
    before = steps(saved, WORDS)
    for _ in range(3):
        losses = saved.update(with_symptoms(saved), sgd=Adam(0.001))
    assert losses["ner"] > 0
    for name in ("tok2vec", "transformer"):
        learned, old = (nlp.get_pipe(name).model.to_bytes() for nlp in (saved, copied))  # type: ignore[attr-defined]
        assert learned != old
    assert any((steps(saved, WORDS)[label] != before[label]).any() for label in LABELS)


def test_it_is_assembled_narrowed_and_rounded_like_any_other(
    together: Language, tmp_path: Path
) -> None:
    together.to_disk(tmp_path / "both")
    write_docbin(tmp_path / "corpus/es.spacy", [eg.reference for eg in with_symptoms(together)])
    config, corpus = str(ROOT / "configs/assemble.cfg"), ["--corpus", str(tmp_path / "corpus")]
    new = ["-o", str(tmp_path / "new"), "--label", "FARMACO"]
    command("assemble", config, str(tmp_path / "both"), "--lang", "es", *corpus, *new)
    nlp = spacy.load(tmp_path / "new")
    assert nlp.pipe_names[2:5] == ["tok2vec", "transformer", "ner"]
    ner: Any = nlp.get_pipe("ner")
    assert ner.active == ("FARMACO",)
    numpy.testing.assert_allclose(steps(nlp, WORDS)["SINTOMA"], steps(together, WORDS)["SINTOMA"])
    small = narrow(together, lang="en", labels=["SINTOMA", "FARMACO"])
    round_weights(small, weight_bits=12, vector_bits=12)
    for label, scores in steps(small, WORDS).items():
        numpy.testing.assert_allclose(scores, steps(together, WORDS)[label], atol=0.05)


def command(*arguments: str) -> None:
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0


def gated(nlp: Language) -> Language:
    changed = narrow(nlp, lang="xx", labels=LABELS)
    changed.add_pipe("cardioner_gate", name="gate", before="transformer")
    return changed


def test_what_does_not_go_together_is_refused(transformer: Language, together: Language) -> None:
    cnn = MEMBERS[0]
    for pipelines, why in (
        ([transformer, cnn, transformer], "several pipelines have a transformer"),
        ([cnn, together], "is a stack already"),
        ([make(2, passes=0, token_transitions=False), transformer], "token_transitions"),
        ([make(2, passes=0, hidden_width=4), transformer], "hidden layer"),
        ([cnn, gated(transformer)], "has a component 'gate', which the others lack"),
    ):
        with pytest.raises(CardionerError, match=why):
            stack(pipelines)
    for weight in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(CardionerError, match="greater than 0 and less than 1"):
            stack([cnn, transformer], transformer_weight=weight)
    assert stack([transformer]) is transformer
