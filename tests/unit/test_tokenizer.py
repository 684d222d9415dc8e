"""Token borders: the hard cases as data, the real corpus, saving, and any text at all."""

from __future__ import annotations

import os
import pickle
import re
import time
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokenizer import Tokenizer

from spacy_cardioner.brat import entities, read_folder
from spacy_cardioner.characters import ODD, seen
from spacy_cardioner.cuts import cuts
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import LINE_ENDS, LONGEST, SENTENCE_ENDS, TOKENIZER, blank

LANGUAGES = ["es", "en", "it", "xx"]

# Text and its tokens, parted by spaces; the same in every language.
EVERYWHERE = {
    # doses and units glued to a word or a number
    "Cefazolina2g i.v.": "Cefazolina 2 g i.v.",
    "paracetamol 1g/8h": "paracetamol 1 g / 8 h",
    "atropina1%/8 h": "atropina 1 % / 8 h",
    "heparina 50UI, 3x2cm": "heparina 50 UI , 3 x 2 cm",
    "mg/dl mEq/L 10*9/l": "mg / dl mEq / L 10 * 9 / l",
    "neumonía7 previa": "neumonía 7 previa",
    # drugs joined by a character
    "toma AAS/ y AAS/clopidogrel": "toma AAS / y AAS / clopidogrel",
    "capecitabina+oxaliplatino": "capecitabina + oxaliplatino",
    "ceftriaxona+ daptomicina": "ceftriaxona + daptomicina",
    "(CDDP-ADR-VP16)": "( CDDP - ADR - VP16 )",
    "oxaliplatino-5-fluorouracilo": "oxaliplatino - 5-fluorouracilo",
    "(20 mg)/hidroclorotiazida": "( 20 mg ) / hidroclorotiazida",
    "carboplatino- y -ertapenem-": "carboplatino - y - ertapenem -",
    "-Digoxina\n-3TC": "- Digoxina \n - 3TC",
    "Aspirina® Sintrom™ Acalka\x82": "Aspirina ® Sintrom ™ Acalka \x82",
    # single letters and a full stop at the end
    "hepatitis C. Mobitz I. estadio 3A.": "hepatitis C . Mobitz I . estadio 3A .",
    "gripe A, (vitamina K).": "gripe A , ( vitamina K ) .",
    "E. coli, S. aureus": "E. coli , S. aureus",
    # no space where one should be
    "M2.Se EPOC.Ingresa 20%.Trombo": "M2 . Se EPOC . Ingresa 20 % . Trombo",
    "(AR)de la IVs(shock)": "( AR ) de la IVs ( shock )",
    "fiebre .No tos .5 mg": "fiebre . No tos .5 mg",
    'sigue:"Válvula;aorta': 'sigue : " Válvula ; aorta',
    "PSA=4 FC>100 <50 ±5 ≥3": "PSA = 4 FC > 100 < 50 ± 5 ≥ 3",
    # elision, with every kind of apostrophe
    "dell'aspirina l’AAS un`ulcera c'è": "dell' aspirina l’ AAS un` ulcera c' è",
    "Crohn's Behçet’s": "Crohn 's Behçet ’s",
    # decomposed accents are letters
    "o\u0301seo-u\u0301rico": "o\u0301seo - u\u0301rico",
    # what stays whole
    "2,5 1.000 120/80 10:30 1-0-1 -5": "2,5 1.000 120/80 10:30 1-0-1 -5",
    "12-03-2015 12/03/2015": "12-03-2015 12/03/2015",
    "COVID-19 IL-6 T-DM1 D-dímero FOLFOX-4": "COVID-19 IL-6 T-DM1 D-dímero FOLFOX-4",
    "5-fluorouracilo omega-3 VP16 B12": "5-fluorouracilo omega-3 VP16 B12",
    "K+ Na+ HER2 p.Arg117His 38ºC": "K+ Na+ HER2 p.Arg117His 38ºC",
    "v.o. p.m. S.A. Dr. Dra. p.ej. vs.": "v.o. p.m. S.A. Dr. Dra. p.ej. vs.",
    "====== ______ https://a.org/b-c": "====== ______ https://a.org/b-c",
    # marks of list items
    "1.Furosemida\n2.-Bisoprolol 3-Apixabán": "1 . Furosemida \n 2.- Bisoprolol 3-Apixabán",
    "1-Furosemida\n2-digoxina\n3-AAS": "1 - Furosemida \n 2 - digoxina \n 3 - AAS",
    "Alta: 1-iam 2-angor 3.FA (4.HTA)": "Alta : 1 - iam 2 - angor 3 . FA ( 4 . HTA )",
    "1ºFA 2ª)HTA #3.DM #4EPOC": "1º FA 2ª ) HTA # 3 . DM # 4 EPOC",
    "a.FA\nb.htas\nI.HTA\nII.EPOC": "a. FA \n b. htas \n I . HTA \n II . EPOC",
    ".-FA\noFiebre\n\uf0b7Tos\n•FA": ".- FA \n o Fiebre \n \uf0b7 Tos \n • FA",
    "C.Isquemica\nD.Mellitus\nc.difficile": "C.Isquemica \n D.Mellitus \n c.difficile",
    "5-FU 5-ASA 6-mercaptopurina 2-vessel": "5-FU 5-ASA 6-mercaptopurina 2-vessel",
    "5-FU\n3-vessel\n2-day\n2-Mar-2015": "5-FU \n 3-vessel \n 2-day \n 2-Mar-2015",
    "1.5 mg 1.2.2024 24.h 1º 8:00 1.er 3.ª": "1.5 mg 1.2.2024 24.h 1º 8:00 1.er 3.ª",
    "I-II i.v. a.m. 38ºC E.coli": "I-II i.v. a.m. 38ºC E.coli",
    # doses in capitals, and names with numbers
    "FUROSEMIDA40MG/24H ENALAPRIL20 AAS100": "FUROSEMIDA 40 MG / 24 H ENALAPRIL 20 AAS 100",
    "BISOPROLOL2,5MG SINTROM4MG1-0-0": "BISOPROLOL 2,5 MG SINTROM 4 MG 1-0-0",
    "LASIX40 SINTROM-4MG aas-100mg Aas100Mg": "LASIX 40 SINTROM - 4 MG aas - 100 mg Aas 100 Mg",
    "CEFAZOLINA1G. 10,5H. 0,25MG": "CEFAZOLINA 1 G . 10,5 H . 0,25 MG",
    "T4 D3 HbA1c CA125 CHA2DS2-VASc COVID19": "T4 D3 HbA1c CA125 CHA2DS2 - VASc COVID19",
    "PCR2 HPV16 SGLT2i FOLFOX4 CD4 p.Arg5902": "PCR2 HPV16 SGLT2i FOLFOX4 CD4 p.Arg5902",
    "CYP2C19 P2Y12 MYBPC3 ADAMTS13 20G 18G-x": "CYP2C19 P2Y12 MYBPC3 ADAMTS13 20G 18G-x",
    # what no reader sees
    "\ufefffuro\u200bsemida\u200f 40\u00a0mg": "\ufeff furo\u200bsemida \u200f 40 \u00a0 mg",
    "insufi\u00adciencia insufi\u00ad\nciencia": "insufi\u00adciencia insufi\u00ad\nciencia",
    "mellitus\ufeffInfarto FA\u2003HTA\x0cDM": "mellitus \ufeff Infarto FA \u2003 HTA \x0c DM",
    # spaCy's exceptions that misread clinical text
    "8) (8 :) :3 id ill shell hell were well": "8 ) ( 8 : ) : 3 id ill shell hell were well",
    "5 cm. 8 h. 3 g.": "5 cm . 8 h . 3 g .",
}
# Cases that differ: contractions and abbreviations that only one language has.
PER_LANGUAGE = [
    ("en", "don't can't cannot", "do n't ca n't cannot"),
    ("xx", "don't can't", "do n't ca n't"),
    ("it", "un po' d'acqua, ecc.", "un po' d' acqua , ecc."),
    ("xx", "un po' d'acqua, ecc.", "un po' d' acqua , ecc."),
    ("es", "el núm. 3 de la Av. Goya", "el núm. 3 de la Av. Goya"),
    ("xx", "el núm. 3 de la Av. Goya", "el núm. 3 de la Av. Goya"),
    ("en", "Mr. Smith, type Ia. Mass. Ill. Miss.", "Mr. Smith , type Ia . Mass . Ill . Miss ."),
]
NOTE = """Alérgico a penicilina.\r
Dr. García: Cefazolina2g v.o. y AAS/clopidogrel (CDDP-ADR-VP16)+5FU.\r
\r
-Digoxina 0,25mg/24h; don't "id" dell'aspirina® 38,5ºC, E. coli.   \n \n\tTipo A. p.ej. 8)
"""


@cache
def pipeline(lang: str) -> Language:
    return blank(lang)


def words(nlp: Language, text: str) -> list[str]:
    return [token.text for token in nlp.make_doc(text)]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(("text", "tokens"), EVERYWHERE.items(), ids=ascii)
def test_hard_cases(lang: str, text: str, tokens: str) -> None:
    assert words(pipeline(lang), text) == tokens.split(" ")


@pytest.mark.parametrize(("lang", "text", "tokens"), PER_LANGUAGE)
def test_language_cases(lang: str, text: str, tokens: str) -> None:
    assert words(pipeline(lang), text) == tokens.split(" ")


@pytest.mark.parametrize("lang", ["fr", "pt", "de"])
def test_other_languages_share_the_rules(lang: str) -> None:
    tokens = words(blank(lang), "Cefazolin2g, Rituximab-Bendamustin (l'AAS) 2,5mg")

    assert " ".join(tokens) == "Cefazolin 2 g , Rituximab - Bendamustin ( l' AAS ) 2,5 mg"


def test_an_unknown_language_is_told_to_the_person() -> None:
    with pytest.raises(CardionerError, match="no language 'qq'"):
        blank("qq")


# Sentences end at each of these; "mg." ends one too, for a dose's border lies before its full stop.
SENTENCES = [
    "Alérgico a penicilina\n",
    "Dr. García, p.ej. 2,5 mg v.o. con E. coli.\r\n\r\n",
    "HTA  \n",
    " \n",
    "Tipo A. ",
    "Dolor torácico? ",
    "Toma 5 mg. ",
    "cada 8 h.\u2028",
    "Alta\x85",
    "Control.",
]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_sentences_end_at_line_ends_and_not_at_abbreviations(lang: str) -> None:
    doc = pipeline(lang)("".join(SENTENCES))

    assert [sentence.text_with_ws for sentence in doc.sents] == SENTENCES


@pytest.mark.parametrize("line_end", LINE_ENDS, ids=ascii)
@pytest.mark.parametrize("around", ["{0}", "{0}{0}{0}", " {0}", "  {0} {0}\t", "\t{0}\t{0}"])
def test_a_line_end_ends_the_sentence_whatever_white_space_is_around(
    line_end: str, around: str
) -> None:
    text = "HTA" + around.format(line_end) + "DM"

    last = pipeline("es")(text)[-1]

    assert last.text == "DM"
    assert "HTA" not in last.sent.text


white_space = st.text(alphabet=" \t\n\r\x0b\x0c\x1c\x85\xa0\u2028\u2029\u3000")
clinical = st.lists(
    st.one_of(
        st.sampled_from(
            "\u00ad \u200b \u200f \ufeff \uf0b7 \ufb01 • 1.F 2-F a.F 40MG AAS100 FORXIGA".split(" ")
        ),
        st.sampled_from([text for text in EVERYWHERE] + [NOTE, "EE. UU.", "'s", "°C.", "\u0301"]),
        st.sampled_from(list("aA1.,:;/+-–*()[]'’\"%®=<>x°ºñ")),
        white_space,
    )
).map("".join)


@settings(deadline=None)
@given(text=st.one_of(st.text(), clinical), lang=st.sampled_from(LANGUAGES))
def test_no_character_is_lost(text: str, lang: str) -> None:
    doc = pipeline(lang)(text)

    assert doc.text == text
    assert all(doc.text[token.idx : token.idx + len(token)] == token.text for token in doc)


@settings(deadline=None)
@given(text=white_space)
def test_each_line_end_is_a_token_of_its_own(text: str) -> None:
    for token in words(pipeline("es"), text):
        assert token in LINE_ENDS or not set(token) & set("".join(LINE_ENDS))


HOSTILE = {
    "a rule": "=" * 100_000,
    "line ends": "\n" * 100_000,
    "CRLF": "\r\n" * 50_000,
    "spaces": " " * 1_000_000,
    "all white space": "\t \xa0" * 100_000,
    "hyphens": "a-" * 50_000,
    "apostrophes": "'a" * 50_000,
    "digits": "1" * 1_000_000,
    "full stops": "a.b" * 100_000,
    "slashes": "a/" * 60_000,
    "question marks": "?" * 60_000,
    "numbers": "1.5," * 75_000,
    "brackets": "(" * 30_000 + ")" * 30_000,
    "a word": "a" * 1_000_000,
    "accents": "a\u0301" * 500_000,
    "items": "1.Aa2-b " * 40_000,
    "items without spaces": "1.Aa" * 60_000,
    "numbers before words": ".1-" * 60_000 + "aa",
    "doses": "FUROSEMIDA40MG" * 20_000,
    "letters and digits": "A1" * 100_000,
    "bullets": "\uf0b7a" * 60_000,
    "soft hyphens": "\u00ad" * 300_000,
    "parted letters": "a\u200b" * 100_000,
    "spaces after soft hyphens": "\u00ad" + " \t" * 100_000,
    "no-break spaces": "a\u00a0" * 60_000,
    "an address": "http://a.org/" + "b/?" * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_long_runs_take_linear_time_and_make_short_tokens(text: str) -> None:
    start = time.process_time()
    doc = pipeline("xx").make_doc(text)
    assert time.process_time() - start < 5
    assert doc.text == text
    assert all(text.startswith(token.text, token.idx) for token in doc)
    assert max(len(seen(token.text)) for token in doc) <= LONGEST


def test_a_long_run_is_cut_where_a_token_ends() -> None:
    listed = "aspirina,clopidogrel;2,5(ticagrelor)|" * 100
    assert (
        words(pipeline("es"), listed)
        == [*("aspirina", ",", "clopidogrel", ";", "2,5", "(", "ticagrelor", ")", "|")] * 100
    )


def test_words_before_and_after_a_long_run_are_what_they_are_without_it() -> None:
    nlp = pipeline("en")
    for run in ("x" * 3000, " " * 3000):
        texts = [NOTE, run, " I don't. ", run, NOTE]
        doc = nlp.make_doc("".join(texts))
        assert doc.text == "".join(texts)
        assert "n't" in [token.text for token in doc]
        assert next(token.norm_ for token in doc if token.text == "n't") == "not"
        found = [token.text for token in doc if not set(token.text) & set("x ")]
        parts = [word for text in texts for word in words(nlp, text)]
        assert found == [word for word in parts if not set(word) & set("x ")]


@settings(deadline=None, max_examples=50)
@given(text=st.one_of(st.text(), clinical), times=st.integers(1, 100))
def test_a_text_with_long_runs_is_the_text(text: str, times: int) -> None:
    nlp = pipeline("es")
    doc = nlp.make_doc(text * times)
    assert doc.text == text * times
    ordinary = not (ODD.search(doc.text) or cuts(doc.text))
    if ordinary and max(map(len, re.split(r"(\s+)", doc.text))) <= LONGEST:
        plain = Tokenizer.__call__(tokenizer_of(nlp), doc.text)
        assert [token.text for token in doc] == [token.text for token in plain]


@pytest.mark.parametrize("text", [NOTE, "a,b;" * 500 + " fin."])
def test_each_token_can_be_explained(text: str) -> None:
    nlp = pipeline("es")
    explained = [token for _, token in tokenizer_of(nlp).explain(text)]
    assert explained == [word for word in words(nlp, text) if not word.isspace()]


def tokenizer_of(nlp: Language) -> Tokenizer:
    tokenizer = nlp.tokenizer
    assert isinstance(tokenizer, Tokenizer)
    return tokenizer


def from_disk(nlp: Language, folder: Path) -> Language:
    nlp.to_disk(folder)
    return spacy.load(folder)


def from_bytes(nlp: Language, folder: Path) -> Language:
    return spacy.blank(str(nlp.lang), config=nlp.config).from_bytes(nlp.to_bytes())


def from_pickle(nlp: Language, folder: Path) -> Language:
    copy: Language = pickle.loads(pickle.dumps(nlp))
    return copy


def tokenizer_over_a_plain_one(nlp: Language, folder: Path) -> Language:
    plain = spacy.blank(str(nlp.lang))
    tokenizer_of(plain).from_bytes(tokenizer_of(nlp).to_bytes())
    return plain


@pytest.mark.parametrize("copy", [from_disk, from_bytes, from_pickle, tokenizer_over_a_plain_one])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_saved_tokenizer_comes_back_whole(
    lang: str, copy: Callable[[Language, Path], Language], tmp_path: Path
) -> None:
    nlp = pipeline(lang)

    loaded = copy(nlp, tmp_path)

    before, after = tokenizer_of(nlp), tokenizer_of(loaded)
    assert after.rules == before.rules
    for affix in ("prefix_search", "suffix_search", "infix_finditer", "token_match", "url_match"):
        assert getattr(after, affix).__self__.pattern == getattr(before, affix).__self__.pattern
    for text in [NOTE, *EVERYWHERE]:
        # A plain tokenizer has the rules of affixes, not those of texts.
        read = type(after).__call__(before, text)
        assert words(loaded, text) == [token.text for token in read]


def test_the_config_names_the_tokenizer_and_the_sentence_ends() -> None:
    config = pipeline("es").config

    assert config["nlp"]["tokenizer"] == {"@tokenizers": TOKENIZER}
    assert config["components"]["sentencizer"]["punct_chars"] == SENTENCE_ENDS


def test_norms_are_those_of_what_is_seen() -> None:
    doc = pipeline("en").make_doc(
        "FURO\u200bSEMIDE do\u00adn't \ufb01brosis cafe\u0301\u200f\x0c\u00a0"
    )
    assert [token.norm_ for token in doc] == [
        *("furosemide", "do", " ", "not", "fibrosis", "café", " ", "\n", " "),
    ]


def test_processes_cut_alike() -> None:
    nlp = pipeline("es")
    texts = [NOTE, *EVERYWHERE]

    docs = list(nlp.pipe(texts, n_process=2, batch_size=8))

    assert [[token.text for token in doc] for doc in docs] == [words(nlp, text) for text in texts]


def folders(lang: str) -> list[Path]:
    root = os.environ.get("MULTICARDIONER_DIR")
    if not root:
        pytest.skip("MULTICARDIONER_DIR is not set: the MultiCardioNER corpus is needed")
    found = [*Path(root).glob(f"track2/*/{lang}/brat")]
    return found + [*Path(root).glob("track1/*/brat")] if lang == "es" else found


def misaligned(nlp: Language, folder: Path) -> tuple[int, int]:
    """Entities that char_span cannot find, and all entities."""
    spans = []
    for note in read_folder(folder):
        doc = nlp.make_doc(note.text)
        spans += [doc.char_span(e.start, e.end) for e in entities(note)]
    return spans.count(None), len(spans)


@pytest.mark.parametrize("multilingual", [False, True], ids=["own", "xx"])
@pytest.mark.parametrize("lang", ["es", "en", "it"])
def test_the_corpus_is_aligned(lang: str, multilingual: bool) -> None:
    counts = [misaligned(pipeline("xx" if multilingual else lang), f) for f in folders(lang)]

    assert len(counts) == (4 if lang == "es" else 2)
    assert min(total for _, total in counts) > 2000
    assert [n for n, total in counts if n > total / 1000] == []


def test_the_corpus_is_not_shattered() -> None:
    (folder,) = [f for f in folders("en") if "cardioccc_dev" in f.parts]
    texts = [note.text for note in islice(read_folder(folder), 50)]

    ours, default = (
        sum(len(nlp.make_doc(text)) for text in texts)
        for nlp in (pipeline("en"), spacy.blank("en"))
    )

    assert ours < 1.05 * default
