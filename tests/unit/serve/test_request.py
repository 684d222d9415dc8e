"""What requests may ask for, and of which pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_cardioner.serve.languages import guess_language
from spacy_cardioner.serve.request import Body, Note, Refused, choose, parse, read_note
from spacy_cardioner.serve.settings import Service

SERVICE = Service(("x",), max_characters=100)


def pipeline(name: str, lang: str, *context: str) -> dict[str, Any]:
    return {"name": name, "lang": lang, "labels": ["A", "B"], "context": list(context)}


ES, EN = pipeline("es_x", "es", "es"), pipeline("en_x", "en")
XX = pipeline("xx_x", "xx", "es", "en", "it")
SPANISH, ENGLISH = "El paciente no tiene fiebre.", "The patient has no fever."


def chosen(*pipelines: Mapping[str, Any], text: str = "", **options: Any) -> tuple[Any, ...]:
    wanted = choose(parse(Body, options), [text], pipelines)
    return (wanted.choice.pipeline, wanted.lang, *wanted.choice[1:])


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        (SPANISH, "es"),
        (ENGLISH, "en"),
        ("Il paziente non ha la febbre.", "it"),
        ("EL PACIENTE NO TIENE FIEBRE", "es"),
        ("Denies chest pain, and is on warfarin for AF", "en"),
        ("Nega dolore toracico; in terapia con ramipril", "it"),
        ("Varón de 65 años con fibrilación auricular", "es"),
        ("", "es"),
        ("bisoprolol 2,5 mg", "es"),
    ],
)
def test_a_language_is_guessed_by_common_words(text: str, lang: str) -> None:
    assert guess_language([text]) == lang


def test_a_language_is_guessed_over_all_notes() -> None:
    assert guess_language(["", "bisoprolol", ENGLISH]) == "en"
    assert guess_language([SPANISH], among=["en", "it"]) in ("en", "it")


def test_a_request_goes_to_the_first_pipeline_of_its_language() -> None:
    assert chosen(ES, EN, text=ENGLISH) == ("en_x", "en", (), False)
    assert chosen(ES, EN, pipeline("es_y", "es"), text=SPANISH)[0] == "es_x"
    assert chosen(ES, EN, text=ENGLISH, lang="es")[:2] == ("es_x", "es")
    assert chosen(ES, EN, text=ENGLISH, pipeline="es_x")[:2] == ("es_x", "es")
    assert chosen(ES, XX, text=ENGLISH)[:2] == ("xx_x", "en")
    assert chosen(XX, text=SPANISH, pipeline="xx_x")[:2] == ("xx_x", "es")
    assert chosen(pipeline("ca_x", "ca"), text=SPANISH)[:2] == ("ca_x", "ca")


def test_context_has_the_rules_of_the_language() -> None:
    assert chosen(ES, text=SPANISH, context=True)[-1] is True
    assert chosen(XX, text=ENGLISH, context=True)[-1] == "en"
    with pytest.raises(Refused, match="medspaCy"):
        chosen(EN, text=ENGLISH, context=True)


def test_labels_have_one_order() -> None:
    assert chosen(ES, labels=["B", "A", "B"])[2] == ("A", "B")


@pytest.mark.parametrize(
    "options", [{"pipeline": "no"}, {"lang": "it"}, {"labels": ["A", "C"]}, {"context": 3}]
)
def test_what_no_pipeline_can_do_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Refused) as raised:
        chosen(ES, EN, **options)
    assert raised.value.status == 422
    assert not raised.value.retry


@given(st.binary() | st.text().map(str.encode))
def test_any_body_is_read_or_refused_without_quoting_it(content: bytes) -> None:
    try:
        parse(Body, content)
    except Refused as error:
        assert error.status == 422
        assert error.message.isascii()
        assert len(error.message) < 1000


@given(st.text(), st.none() | st.text() | st.integers(-(2**70), 2**70))
def test_any_note_is_good_or_has_a_fault(text: str, note_id: Any) -> None:
    note, footer = read_note(Note(id=note_id, text=text), 3, SERVICE)
    assert note.text == ("" if note.fault else text)
    assert len(note.text) <= 100
    assert footer == {}
    assert note.id


@pytest.mark.parametrize(
    "content",
    [
        b'{"Zacarias-Secreto": 1}',
        b'{"notes": [{"text": "x", "Zacarias-Secreto": 1}]}',
        b'{"min_score": "Zacarias-Secreto"}',
        b'{"text": Zacarias-Secreto}',
    ],
)
def test_messages_name_no_field_or_value_of_others(content: bytes) -> None:
    with pytest.raises(Refused) as raised:
        parse(Body, content)
    assert "Zacarias" not in raised.value.message
