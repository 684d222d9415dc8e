"""Stacked pipelines: one whose scores are the mean of its members' scores."""

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
from thinc.api import Config, fix_random_seed
from typer.testing import CliRunner

from spacy_cardioner.assembly.stack import stack
from spacy_cardioner.cli import app
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import SPANS_KEY
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT

WORDS = "Toma bisoprolol por insuficiencia cardíaca y niega disnea con apixabán".split()
SMALL = {"width": 8, "depth": 1}


def examples() -> list[Example]:
    nlp = blank("es")
    doc = Doc(nlp.vocab, words=WORDS)
    spans = [Span(doc, 1, 2, "FARMACO"), Span(doc, 3, 5, "ENFERMEDAD"), Span(doc, 9, 10, "FARMACO")]
    doc.spans[SPANS_KEY] = SpanGroup(doc, name=SPANS_KEY, spans=spans)
    return [Example(Doc(nlp.vocab, words=WORDS), doc)]


def make(seed: int, *, passes: int = 8, **changes: Any) -> Language:
    """A small pipeline of the CPU family, which has learned a sentence."""
    fix_random_seed(seed)
    config = Config().from_disk(ROOT / "configs/cpu.cfg", interpolate=False)
    config["nlp"]["lang"] = "es"
    config["initialize"] = {}
    config["components"]["tok2vec"]["model"]["encode"].update(SMALL)
    config["components"]["tok2vec"]["model"]["embed"]["tok2vec"]["tok2vec"][
        "include_static_vectors"
    ] = False
    config["components"]["ner"]["model"].update(changes)
    nlp = load_model_from_config(config, auto_fill=True)
    optimizer = nlp.initialize(examples)
    for _ in range(passes):
        nlp.update(examples(), sgd=optimizer)
    return nlp


def steps(nlp: Language, words: list[str]) -> Any:
    """The scores of all steps from tag to tag."""
    doc = Doc(nlp.vocab, words=words)
    for name in ("sentencizer", "gazetteer", "tok2vec"):
        doc = nlp.get_pipe(name)(doc)
    return nlp.get_pipe("ner").model.predict([doc])  # type: ignore[attr-defined]


MEMBERS = [make(seed) for seed in (1, 2, 3)]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([*WORDS, ".", "palabra"]), min_size=1, max_size=12))
def test_its_scores_are_the_mean_of_theirs(words: list[str]) -> None:
    together = stack(MEMBERS)
    want = numpy.mean([steps(member, words) for member in MEMBERS], axis=0)
    allowed = want > -1e4
    numpy.testing.assert_allclose(
        steps(together, words)[allowed], want[allowed], rtol=1e-4, atol=1e-4
    )


def test_members_stay_as_they_are_and_differ() -> None:
    before = [steps(member, WORDS) for member in MEMBERS]
    stack(MEMBERS)
    for member, scores in zip(MEMBERS, before, strict=True):
        numpy.testing.assert_array_equal(steps(member, WORDS), scores)
    assert not numpy.allclose(before[0], before[1])


def test_it_is_saved_trained_on_and_packed_like_any_other(tmp_path: Path) -> None:
    for number, member in enumerate(MEMBERS):
        member.to_disk(tmp_path / str(number))
    paths = [str(tmp_path / str(number)) for number in range(3)]
    arguments = ["stack", *paths, "-o", str(tmp_path / "new/together")]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    again = spacy.load(tmp_path / "new/together")
    numpy.testing.assert_allclose(
        steps(again, WORDS), steps(stack(MEMBERS), WORDS), rtol=1e-5, atol=1e-5
    )
    losses: dict[str, float] = {}
    again.update(examples(), sgd=again.resume_training(), losses=losses)
    assert losses["ner"] > 0
    assert again.config["components"]["tok2vec"]["model"]["count"] == 3


def test_every_encoder_learns() -> None:
    together = stack(MEMBERS)
    model: Any = together.get_pipe("tok2vec").model  # type: ignore[attr-defined]
    docs = [together.get_pipe("gazetteer")(eg.predicted) for eg in examples()]
    vectors, backprop = model(docs, is_train=True)
    assert vectors[0].shape == (len(WORDS), 3 * SMALL["width"])
    for number in range(3):
        gradient = numpy.zeros_like(vectors[0])
        gradient[:, number * SMALL["width"] : (number + 1) * SMALL["width"]] = 1
        backprop([gradient])
        learned = [
            any(node.has_grad(name) and node.get_grad(name).any() for name in node.param_names)
            for node in (layer.layers[1].layers[0] for layer in model.layers)
            for node in node.walk()
            if node.param_names
        ]
        per_member = numpy.array(learned).reshape(3, -1).any(axis=1)
        assert per_member.tolist() == [index <= number for index in range(3)]


def test_one_is_itself() -> None:
    assert stack(MEMBERS[:1]) is MEMBERS[0]


def other_vectors() -> Language:
    nlp = make(2, passes=0)
    nlp.vocab.reset_vectors(width=3)
    return nlp


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (lambda: spacy.blank("es"), "no component 'tok2vec'"),
        (lambda: make(2, passes=0, hidden_width=4), "hidden layer"),
        (lambda: make(2, passes=0, token_transitions=False), "configs of the pipelines differ"),
        (other_vectors, "vectors of the pipelines differ"),
    ],
)
def test_pipelines_that_do_not_go_together_are_refused(other: Any, why: str) -> None:
    with pytest.raises(CardionerError, match=why):
        stack([MEMBERS[0], other()])
