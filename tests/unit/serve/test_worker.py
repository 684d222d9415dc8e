"""What a worker does with its pipelines: labels and context change without loading again."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy

from spacy_cardioner.batch import engine
from spacy_cardioner.batch.readers import SourceNote
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.serve.settings import Service
from spacy_cardioner.serve.worker import Annotators, Choice


@pytest.fixture
def model(tmp_path: Path) -> str:
    nlp = spacy.blank("es", meta={"name": "small"})
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": label, "pattern": label.lower()} for label in ("FIEBRE", "TOS")])
    nlp.to_disk(tmp_path / "small")
    return str(tmp_path / "small")


def labels(annotators: Annotators, choice: Choice, text: str = "fiebre y tos") -> list[str]:
    [found] = annotators(choice, [SourceNote("n", text)])
    assert not found.note.fault
    return [mention.label for mention in found.mentions]


def test_labels_are_those_of_each_request(model: str) -> None:
    annotators = Annotators(Service((model,)))
    [about] = annotators.describe()["pipelines"]
    assert (about["name"], about["lang"], about["threshold"]) == ("es_small", "es", None)
    assert set(about["labels"]) == {"FIEBRE", "TOS"}
    for only, expected in (((), ["FIEBRE", "TOS"]), (("TOS",), ["TOS"]), ((), ["FIEBRE", "TOS"])):
        assert labels(annotators, Choice("es_small", only)) == expected


def test_words_do_not_take_more_and_more_memory(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_NEW_WORDS", 500)
    annotators = Annotators(Service((model,)))
    choice = Choice("es_small", ("TOS",), False)
    strings = annotators.by_name["es_small"].nlp.vocab.strings
    most = len(strings) + 500 + 100
    loaded = set()
    for start in range(0, 3000, 100):
        words = " ".join(f"palabra{number}" for number in range(start, start + 100))
        assert labels(annotators, choice, f"{words} fiebre y tos") == ["TOS"]
        nlp = annotators.by_name["es_small"].nlp
        assert len(nlp.vocab.strings) <= most + 10
        loaded.add(id(nlp))
    assert len(loaded) > 2


def test_what_a_pipeline_cannot_do_is_a_fault_of_the_notes(model: str) -> None:
    annotators = Annotators(Service((model,)))
    notes = [SourceNote("a", "fiebre"), SourceNote("b", "tos")]
    found = annotators(Choice("es_small", ("NONE",)), notes)
    assert [one.note.id for one in found] == ["a", "b"]
    assert all("NONE" in one.note.fault for one in found)
    assert labels(annotators, Choice("es_small")) == ["FIEBRE", "TOS"]


def test_pipelines_have_different_names(model: str) -> None:
    with pytest.raises(CardionerError, match="another pipeline is called es_small"):
        Annotators(Service((model, f"{model}/")))
