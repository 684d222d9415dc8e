"""Notes in capitals, in lower case or without accents are seen as they are usually written."""

from __future__ import annotations

import gc
import pickle
import runpy
import unicodedata
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_cardioner import characters
from spacy_cardioner.brat import read_folder
from spacy_cardioner.spelling import Spelling, in_capitals, list_path, spelling_of, usual_spelling
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT

LANGS = ("es", "en", "it", "xx")
NLP = {lang: blank(lang) for lang in LANGS}
WORDS = ["HTA", "náuseas", "Parkinson", "asma", "está", "esta", "Sjögren", "y", "NaCl", "ñoño"]


def seen(text: str, lang: str = "es") -> str:
    return usual_spelling(NLP[lang].make_doc(text)).text


@pytest.mark.parametrize(
    ("word", "usual"),
    [
        ("ASMA", "asma"),
        ("HTA", "HTA"),
        ("XYZ", "XYZ"),
        ("INSUFICIENCIA", "insuficiencia"),
        ("NAUSEAS", "náuseas"),
        ("NÁUSEAS", "náuseas"),
        ("PARKINSON", "Parkinson"),
        ("SJOGREN", "Sjögren"),
        ("NACL", "NaCl"),
        ("ESTÁ", "está"),
        ("ESTA", "esta"),
        ("Y", "y"),
        ("A", "A"),
        ("mg", "mg"),
        ("2,5", "2,5"),
        ("", ""),
    ],
)
def test_a_word_in_capitals(word: str, usual: str) -> None:
    assert Spelling(WORDS).from_capitals(word) == usual


@pytest.mark.parametrize(
    ("word", "usual"),
    [
        ("hta", "HTA"),
        ("parkinson", "Parkinson"),
        ("nacl", "NaCl"),
        ("asma", "asma"),
        ("nauseas", "nauseas"),
        ("bisoprolol", "bisoprolol"),
        ("HTA", "HTA"),
    ],
)
def test_a_word_in_lower_case(word: str, usual: str) -> None:
    assert Spelling(WORDS).from_lower_case(word) == usual


@pytest.mark.parametrize(
    ("word", "usual"),
    [
        ("nauseas", "náuseas"),
        ("Nauseas", "Náuseas"),
        ("NAUSEAS", "NAUSEAS"),
        ("Sjogren", "Sjögren"),
        ("nono", "ñoño"),
        ("esta", "esta"),
        ("hta", "hta"),
        ("Hta", "Hta"),
        ("HTA", "HTA"),
        ("nacl", "nacl"),
        ("bisoprolol", "bisoprolol"),
    ],
)
def test_a_word_without_accents(word: str, usual: str) -> None:
    assert Spelling(WORDS).with_accents(word) == usual


LINES = st.sampled_from(
    [
        "Paciente con HTA.",
        "INSUFICIENCIA CARDIACA CRONICA",
        "nauseas y vomitos",
        "IAM. FA.",
        "40 mg",
    ]
)


@settings(max_examples=60)
@given(
    st.lists(LINES | st.text(max_size=20), max_size=6),
    st.sampled_from(["\n", "\r\n", " ", "\u2028", ""]),
    st.sampled_from([str, str.upper, str.lower]),
    st.sampled_from(LANGS),
)
def test_tokens_and_spaces_stay(lines: list[str], end: str, change: type[str], lang: str) -> None:
    doc = NLP[lang].make_doc(change(end.join(lines)))
    spelled = usual_spelling(doc)
    assert [token.whitespace_ for token in spelled] == [token.whitespace_ for token in doc]
    assert usual_spelling(spelled).text == spelled.text
    for token, other in zip(doc, spelled, strict=True):
        if token.text == other.text:
            assert token.norm == other.norm
        else:
            assert bare(token.text) == bare(other.text)


def bare(word: str) -> str:
    letters = unicodedata.normalize("NFKD", (characters.seen(word) or word).casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("DISNEA Y NAUSEAS. HTA.", "Disnea y náuseas. HTA."),
        ("INSUFICIENCIA CARDÍACA. TIENE UNA HERNIA", "Insuficiencia cardíaca. Tiene una hernia"),
        ("Dolor torácico. NO TOMA MEDICACION.", "Dolor torácico. NO TOMA MEDICACION."),
        ("IAM. TEP. FA. TOS.", "IAM. TEP. FA. TOS."),
        ("paciente con hta y epoc, sin disnea", "Paciente con HTA y EPOC, sin disnea"),
        ("niega náuseas.\ntoma aas", "Niega náuseas.\nToma AAS"),
        ("Niega nauseas y vomitos, DM", "Niega náuseas y vómitos, DM"),
        ("Niega na\u0301useas", "Niega náuseas"),
        ("El niño no tiene nauseas", "El niño no tiene náuseas"),
        ("Está bien. Niega nauseas", "Está bien. Niega nauseas"),
    ],
)
def test_texts(text: str, usual: str) -> None:
    assert seen(text) == usual


def test_a_part_in_capitals_is_longer_than_a_title() -> None:
    part = "DISNEA DE ESFUERZO.\n\nNO TOS.\nTOMA FUROSEMIDA 40 MG Y BISOPROLOL"
    spelled = "Disnea de esfuerzo.\n\nNo tos.\nToma furosemida 40 mg y bisoprolol"
    assert seen(f"Refiere dolor torácico.\n{part}\nExploración normal.") == (
        f"Refiere dolor torácico.\n{spelled}\nExploración normal."
    )
    for title in (
        "ANTECEDENTES PERSONALES",
        "TRATAMIENTO\nAL ALTA",
        "ENFERMEDAD ACTUAL Y EVOLUCIÓN",
    ):
        text = f"{title}\nRefiere dolor torácico."
        assert seen(text) == text


def test_a_whole_note_in_capitals_decides_for_its_short_lines() -> None:
    assert seen("INSUFICIENCIA CARDIACA\nNO TOS") == "Insuficiencia cardiaca\nNo tos"
    assert not in_capitals(NLP["es"].make_doc("NO TOS")).any()


def sample_texts(lang: str) -> list[str]:
    folders = [ROOT / "assets/notes" / lang, *ROOT.glob(f"assets/sample/track2/*/{lang}/brat")]
    return [note.text for folder in folders for note in read_folder(folder)]


@pytest.mark.parametrize("lang", LANGS)
def test_notes_in_ordinary_spelling_do_not_change(lang: str) -> None:
    texts = [
        text for one in ("es", "en", "it") if lang in (one, "xx") for text in sample_texts(one)
    ]
    assert len(texts) > 20
    for text in texts:
        doc = NLP[lang].make_doc(text)
        assert usual_spelling(doc) is doc


def test_another_language_has_no_usual_spelling() -> None:
    assert spelling_of("de") is None
    doc = blank("de").make_doc("HERZINSUFFIZIENZ UND ASTHMA")
    assert usual_spelling(doc) is doc


def test_a_norm_of_its_own_is_kept() -> None:
    doc = NLP["es"].make_doc("niega nauseas y toma aas")
    doc[3].norm_ = "bebe"
    assert [token.norm_ for token in usual_spelling(doc)][1::2] == ["náuseas", "bebe"]


PLACEHOLDERS = ["XXX", "XXXX", "Xxxxx", "xxxxxx", "XXXX.", "YYYY", "ZZZ", "XYZ", "AAAA", "mmmmm"]
NO_PLACEHOLDERS = ["III", "AAA", "VIII", "XX", "XXY", "XYY", "DDD", "PPPD", "xifo"]


def test_placeholders_of_anonymised_texts_are_no_words() -> None:
    count = runpy.run_path(str(ROOT / "assets/spelling/make.py"))["count"]
    words = [*PLACEHOLDERS, *NO_PLACEHOLDERS]
    texts = [f"Seen by {word} with {word} and asma." for word in words]
    assert set(count("en", texts)) & set(words) == set(NO_PLACEHOLDERS)


@pytest.mark.parametrize("lang", LANGS)
def test_the_lists_hold_no_placeholders(lang: str) -> None:
    placeholder = runpy.run_path(str(ROOT / "assets/spelling/make.py"))["PLACEHOLDER"]
    words = list_path(lang).read_text(encoding="utf-8").splitlines()
    assert not list(filter(placeholder.fullmatch, words))


def test_the_usual_spelling_is_found_again_when_the_words_change() -> None:
    doc = NLP["es"].make_doc("PACIENTE CON INSUFICIENCIA CARDIACA")
    first = usual_spelling(doc)
    assert usual_spelling(doc) is first
    doc[0].norm_ = "enfermo"
    assert usual_spelling(doc)[0].norm_ == "paciente"
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[2:4])
    changed = usual_spelling(doc)
    assert changed is not first
    assert len(changed) == len(doc) == 3


@pytest.mark.parametrize("text", ["PACIENTE CON INSUFICIENCIA CARDIACA", "Paciente con asma."])
def test_a_document_and_its_usual_spelling_are_freed(text: str) -> None:
    doc = NLP["es"].make_doc(text)
    given, usual = weakref.ref(doc), weakref.ref(usual_spelling(doc))
    doc.to_bytes()
    pickle.dumps(doc)
    assert not doc.user_data
    del doc
    gc.collect()
    assert given() is None
    assert usual() is None
