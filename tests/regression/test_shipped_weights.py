"""The weights in assets/pipelines, and what they find in the sample notes, stay the same.

tests/data/shipped.jsonl has the checksum of every file of weights, and the entities that each
pipeline found in the notes of assets/ when it was trained: start, end, label, score and code.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly

from spacy_cardioner.batch.mentions import doc_entities
from tests.conftest import ROOT
from tests.shipped import shipped

LANGS = ("es", "en", "it", "xx")
EXPECTED: list[dict[str, Any]] = list(srsly.read_jsonl(ROOT / "tests/data/shipped.jsonl"))


@pytest.fixture(scope="module", params=LANGS)
def pipeline(request: pytest.FixtureRequest) -> Path:
    """The folder of a pipeline, unpacked from its wheel."""
    return shipped(request.param)


def expected(lang: str, key: str) -> list[dict[str, Any]]:
    rows = [row for row in EXPECTED if row["pipeline"] == lang and key in row]
    assert rows
    return rows


def test_the_weights_are_the_same_bytes(pipeline: Path) -> None:
    lang = pipeline.name[:2]
    for row in expected(lang, "file"):
        found = hashlib.sha256((pipeline / row["file"]).read_bytes()).hexdigest()
        assert found == row["sha256"], row["file"]


def test_the_entities_are_the_same(pipeline: Path) -> None:
    nlp = spacy.load(pipeline)
    for row in expected(pipeline.name[:2], "note"):
        text = (ROOT / row["note"]).read_bytes().decode()
        found = doc_entities(nlp(text))
        assert [[e.start, e.end, e.label, e.kb_id] for e in found] == [
            [start, end, label, code] for start, end, label, _, code in row["entities"]
        ], row["note"]
        scores = [score for *_, score, _ in row["entities"]]
        assert [e.score for e in found] == pytest.approx(scores, abs=1e-5), row["note"]


def test_patterns_are_stored_once(pipeline: Path) -> None:
    assert [path.parent.name for path in pipeline.rglob("patterns.jsonl")] == ["gazetteer"]
