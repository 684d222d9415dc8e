"""One language and some labels of a pipeline: what stays is found as before."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import spacy
from typer.testing import CliRunner

from spacy_cardioner.assembly.narrow import narrow
from spacy_cardioner.assembly.stack import stack
from spacy_cardioner.cli import app
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import SPANS_KEY
from tests.unit.assembly.test_stack import MEMBERS, WORDS, examples, make, steps

TEXT = " ".join(WORDS)


@pytest.mark.parametrize("label", ["FARMACO", "ENFERMEDAD"])
@pytest.mark.parametrize("members", [1, 3])
def test_the_label_that_stays_is_scored_as_before(label: str, members: int) -> None:
    nlp = stack(MEMBERS[:members])
    before = steps(nlp, WORDS)
    assert narrow(nlp, lang="it").get_pipe("ner").labels == nlp.get_pipe("ner").labels
    small = narrow(nlp, lang="it", labels=[label])
    head = nlp.get_pipe("ner").labels.index(label)  # type: ignore[attr-defined]
    numpy.testing.assert_allclose(steps(small, WORDS)[:, :, 0], before[:, :, head], rtol=1e-5)
    assert small.lang == small.vocab.lang == "it"
    assert small.get_pipe("ner").labels == (label,)  # type: ignore[attr-defined]
    numpy.testing.assert_array_equal(steps(nlp, WORDS), before)


def test_entities_are_called_by_their_label() -> None:
    nlp = make(1, passes=100)
    before = nlp(TEXT)
    for label in ("FARMACO", "ENFERMEDAD"):
        after = narrow(nlp, lang="en", labels=[label])(TEXT)
        want = [(s.text, s.label_) for s in before.spans[SPANS_KEY] if s.label_ == label]
        assert [(s.text, s.label_) for s in after.spans[SPANS_KEY]] == want
        assert want


def test_it_is_saved_and_trained_on_like_any_other(tmp_path: Path) -> None:
    MEMBERS[0].to_disk(tmp_path / "all")
    arguments = ["narrow", str(tmp_path / "all"), "--lang", "en", "--label", "FARMACO"]
    arguments += ["-o", str(tmp_path / "new/one")]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    again = spacy.load(tmp_path / "new/one")
    numpy.testing.assert_allclose(
        steps(again, WORDS),
        steps(narrow(MEMBERS[0], lang="en", labels=["FARMACO"]), WORDS),
        rtol=1e-5,
        atol=1e-5,
    )
    losses: dict[str, float] = {}
    again.update(examples(), sgd=again.resume_training(), losses=losses)
    assert losses["ner"] > 0


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(CardionerError, match="no label SINTOMA; its labels are: ENFERMEDAD, FARM"):
        narrow(MEMBERS[0], lang="en", labels=["SINTOMA"])
    with pytest.raises(CardionerError, match="no cardioner_ner named 'ner'"):
        narrow(spacy.blank("es"), lang="en", labels=["FARMACO"])
