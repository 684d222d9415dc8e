from __future__ import annotations

from pathlib import Path

import pytest

from spacy_cardioner.corpus import NOTE_ID, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.heldout import predict_held_out


@pytest.fixture
def crossval(tmp_path: Path) -> Path:
    """Two folds whose models know another word each, and the documents."""
    nlp = blank("es")
    ruler = nlp.add_pipe("entity_ruler")
    for fold, word in enumerate(("bisoprolol", "apixabán")):
        ruler.clear()  # type: ignore[attr-defined]
        ruler.add_patterns([{"label": "FARMACO", "pattern": word}])  # type: ignore[attr-defined]
        (tmp_path / f"fold-{fold}").mkdir()
        nlp.to_disk(tmp_path / f"fold-{fold}" / "model-last")
    docs = [nlp.make_doc("Toma bisoprolol y apixabán.") for _ in range(3)]
    for name, doc in zip("abc", docs, strict=True):
        doc.user_data[NOTE_ID] = name
    write_docbin(tmp_path / "gold.spacy", docs)
    return tmp_path


def test_each_document_is_predicted_by_the_model_of_its_fold(crossval: Path) -> None:
    pairs = list(predict_held_out(crossval, crossval / "gold.spacy", [["a", "c"], ["b"]]))
    found = {doc.user_data[NOTE_ID]: [ent.text for ent in doc.ents] for _, doc in pairs}
    assert found == {"a": ["bisoprolol"], "c": ["bisoprolol"], "b": ["apixabán"]}
    assert [gold.user_data[NOTE_ID] for gold, _ in pairs] == ["a", "c", "b"]
    assert not any(gold.ents for gold, _ in pairs)


def test_a_missing_document_is_named(crossval: Path) -> None:
    with pytest.raises(CardionerError, match="has no document d, which is in fold 1"):
        list(predict_held_out(crossval, crossval / "gold.spacy", [["a"], ["d"]]))
