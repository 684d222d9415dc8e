"""Augmenters: other words, the same entities."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.util import registry

from spacy_cardioner.corpus import SPANS_KEY, convert, layers_of, write_docbin
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.augment import Edit, rewrite, strip_accents
from tests.conftest import ROOT

SAMPLE = ROOT / "assets/sample"


@pytest.fixture(scope="module")
def nlp() -> Language:
    return blank("es")


@pytest.fixture(scope="module")
def docs(nlp: Language) -> list[Doc]:
    return convert(
        [SAMPLE / "track2/cardioccc_dev/es/brat", SAMPLE / "track1/cardioccc_dev/brat"], nlp
    )


def examples(nlp: Language, docs: list[Doc]) -> list[Example]:
    return [Example(nlp.make_doc(doc.text), doc) for doc in docs]


def spans(doc: Doc) -> list[tuple[str, str]]:
    return [(span.text, span.label_) for span in doc.spans[SPANS_KEY]]


def augmented(name: str, nlp: Language, docs: list[Doc], **settings: float) -> list[Example]:
    random.seed(13)
    augment = registry.augmenters.get(f"spacy_cardioner.{name}.v1")(**settings)
    return [new for example in examples(nlp, docs) for new in augment(nlp, example)]


def test_everything_moves_along(nlp: Language, docs: list[Doc]) -> None:
    doc = next(doc for doc in docs if len(doc.spans[SPANS_KEY]) > 3)
    (example,) = examples(nlp, [doc])
    first = doc.spans[SPANS_KEY][0]

    new = rewrite(
        nlp, example, [Edit(first.start, first.end, ["una", "cosa", "larga"], [True, True])]
    )

    assert spans(new.reference) == [("una cosa larga", first.label_), *spans(doc)[1:]]
    assert new.reference.text == doc.text.replace(first.text, "una cosa larga", 1)
    assert new.predicted.text == new.reference.text
    assert layers_of(new.reference) == layers_of(doc)
    sents = [sent.text.replace(first.text, "una cosa larga") for sent in doc.sents]
    assert [sent.text for sent in new.reference.sents] == sents
    assert len(new.reference.ents) == len(doc.ents)
    assert new.reference.user_data["note_id"] == doc.user_data["note_id"]
    assert spans(example.reference) == spans(doc), "the original stays"


def test_unknown_tokens_stay_unknown(nlp: Language) -> None:
    doc = nlp("Toma bisoprolol hoy")
    doc.set_ents([], default="missing")
    (example,) = examples(nlp, [doc])

    new = rewrite(nlp, example, [Edit(0, 1, ["Recibe", "ya"], [True])])

    assert [token.ent_iob for token in new.reference] == [0, 0, 0, 0]


def test_mentions_are_replaced_by_others_of_their_label(nlp: Language, docs: list[Doc]) -> None:
    known = {pair for doc in docs for pair in spans(doc)}

    new = augmented("replace_mentions", nlp, docs, level=1.0)

    assert {pair for eg in new for pair in spans(eg.reference)} <= known
    assert spans(new[0].reference) == spans(docs[0]), "nothing has been seen before the first"
    changed = sum(spans(eg.reference) != spans(doc) for eg, doc in zip(new, docs, strict=True))
    assert changed > len(docs) / 2
    for example, doc in zip(new, docs, strict=True):
        labels = [span.label_ for span in example.reference.spans[SPANS_KEY]]
        assert labels == [span.label_ for span in doc.spans[SPANS_KEY]]


def test_tokens_are_replaced_and_spans_keep_their_place(nlp: Language, docs: list[Doc]) -> None:
    new = augmented("replace_tokens", nlp, docs, level=1.0, share=0.25)

    pairs = list(zip(new, docs, strict=True))[1:]
    share = [
        sum(a.text != b.text for a, b in zip(eg.reference, doc, strict=True)) / len(doc)
        for eg, doc in pairs
    ]
    assert 0.1 < sum(share) / len(share) < 0.25
    for example, doc in pairs:
        places = [(s.start, s.end, s.label_) for s in example.reference.spans[SPANS_KEY]]
        assert places == [(s.start, s.end, s.label_) for s in doc.spans[SPANS_KEY]]


@pytest.mark.parametrize("style", ["lower", "upper", "no_accents"])
def test_respelling_changes_letters_alone(nlp: Language, docs: list[Doc], style: str) -> None:
    changes = {"lower": str.lower, "upper": str.upper, "no_accents": strip_accents}
    none = dict.fromkeys(changes, 0.0)

    new = augmented("respell", nlp, docs, **{**none, style: 1.0})

    for example, doc in zip(new, docs, strict=True):
        expected = [(changes[style](text), label) for text, label in spans(doc)]
        assert spans(example.reference) == expected


def test_accents() -> None:
    assert strip_accents("Señor Müller: FIBRILACIÓN, più, 2,5 µg") == (
        "Señor Muller: FIBRILACION, piu, 2,5 µg"
    )


@pytest.mark.parametrize("name", ["replace_tokens", "replace_mentions", "respell"])
def test_a_corpus_reader_takes_them_and_level_0_changes_nothing(
    nlp: Language, docs: list[Doc], tmp_path: Path, name: str
) -> None:
    write_docbin(tmp_path / "x.spacy", docs)
    make = registry.augmenters.get(f"spacy_cardioner.{name}.v1")
    none = {"lower": 0, "upper": 0, "no_accents": 0} if name == "respell" else {"level": 0}

    for augment in (make(), make(**none)):
        read = list(Corpus(tmp_path / "x.spacy", augmenter=augment)(nlp))
        assert len(read) == len(docs)
    assert [spans(eg.reference) for eg in read] == [spans(doc) for doc in docs]


def test_combined_augmenters_follow_one_another_anew_for_each_copy(
    nlp: Language, docs: list[Doc], tmp_path: Path
) -> None:
    settings = {
        "augmenter": {
            "@augmenters": "spacy_cardioner.combine.v1",
            "copies": 3,
            "augmenters": {
                "tokens": {
                    "@augmenters": "spacy_cardioner.replace_tokens.v1",
                    "level": 1.0,
                    "share": 0.5,
                },
                "case": {
                    "@augmenters": "spacy_cardioner.respell.v1",
                    "lower": 0.0,
                    "upper": 1.0,
                    "no_accents": 0.0,
                },
            },
        }
    }
    # `spacy train` fills in a config before it makes what the config names.
    augment = registry.resolve(registry.fill(settings))["augmenter"]
    write_docbin(tmp_path / "docs.spacy", docs)
    random.seed(13)
    found = list(Corpus(tmp_path / "docs.spacy", augmenter=augment)(nlp))
    assert len(found) == 3 * len(docs)
    assert all(example.reference.text.isupper() for example in found)
    last = [example.reference.text for example in found[-3:]]
    assert len(set(last)) == 3
    assert docs[-1].text.upper() not in last
