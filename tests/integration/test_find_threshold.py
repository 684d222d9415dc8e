"""spaCy's own `find-threshold` and the setting `threshold` of `cardioner_ner`."""

from __future__ import annotations

from pathlib import Path

import pytest
from spacy.cli.find_threshold import find_threshold

from spacy_cardioner.corpus import write_docbin
from tests.unit.pipeline.test_ner import NESTED, examples_of, trained


def test_spacy_finds_the_best_threshold(tmp_path: Path) -> None:
    nlp = trained(steps=5)
    nlp.to_disk(tmp_path / "model")
    write_docbin(tmp_path / "gold.spacy", [eg.reference for eg in examples_of(nlp)])
    best, score, scores = find_threshold(
        str(tmp_path / "model"),
        tmp_path / "gold.spacy",
        pipe_name="ner",
        threshold_key="threshold",
        scores_key="spans_cardioner_f",
        n_trials=11,
    )
    assert list(scores) == pytest.approx([n / 10 for n in range(11)])
    assert score == scores[best] == max(scores.values())
    # More is left out as the threshold rises: the scores are those of different predictions.
    assert len(set(scores.values())) > 2
    assert scores[1.0] == 0.0
    ner = nlp.get_pipe("ner")
    ner.threshold = best  # type: ignore[attr-defined]
    doc = nlp(NESTED)
    assert all(span._.score >= best for span in doc.spans["cardioner"])
