"""Clinical tokenization: spaCy's own tokenizer with token borders where annotators put them.

One set of affix rules serves every language, so that a multilingual pipeline cuts a text as the
language's own pipeline does; a language only contributes its abbreviations and contractions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import spacy
from spacy.lang.char_classes import (
    ALPHA,
    ALPHA_LOWER,
    ALPHA_UPPER,
    COMBINING_DIACRITICS,
    CONCAT_QUOTES,
    LIST_CURRENCY,
    LIST_ELLIPSES,
    LIST_ICONS,
    LIST_PUNCT,
    LIST_QUOTES,
    PUNCT,
)
from spacy.language import Language
from spacy.symbols import ORTH
from spacy.tokenizer import Tokenizer
from spacy.util import (
    compile_infix_regex,
    compile_prefix_regex,
    compile_suffix_regex,
    get_lang_class,
)

from spacy_cardioner.errors import CardionerError

TOKENIZER = "spacy_cardioner.ClinicalTokenizer.v1"

# The tokenizer makes each line break a token of its own, so this list covers any run of them.
LINE_ENDS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"]
SENTENCE_ENDS = [".", "!", "?", "…", *LINE_ENDS]

# Decomposed accents belong to their letter.
_LETTER = rf"[{ALPHA}{COMBINING_DIACRITICS}]"
_WORD = rf"[{ALPHA}{COMBINING_DIACRITICS}0-9]"
_LOWER = rf"[{ALPHA_LOWER}{COMBINING_DIACRITICS}]"
_UPPER = rf"[{ALPHA_UPPER}]"
_HYPHEN = r"[-‐‑–−]"
_APOSTROPHE = r"['’‘ʼ´`]"
_LINE_END = r"[\n\r\x0b\x0c\x85\u2028\u2029]"
# What is left of "®" and of line layout in badly decoded or copied text.
_DEBRIS = r"[\x7f-\x9f\u200b\ufeff]"
_UNIT = r"(?:[mnpµμuk]?g|mcg|[mdcµμu][lL]|cc|[cm]m|mmHg|m?Eq|[mnpµμu]mol|UI|IU|h)"

_PREFIXES = [
    _DEBRIS,
    *LIST_PUNCT,
    *LIST_ELLIPSES,
    *LIST_QUOTES,
    *LIST_CURRENCY,
    *LIST_ICONS,
    r"[§%=/|^~≥≤±≈→←↑↓™ʼ]",
    r"\+(?![0-9])",
    r"—+",
    # A list's dash ("-Xarelto", "-3TC"), but not a minus sign.
    rf"{_HYPHEN}+(?=[0-9]?{_LETTER})",
    rf"{_HYPHEN}+(?=[(\[\"“«¿¡])",
    # A full stop with its space on the wrong side ("fiebre .No").
    rf"\.(?={_UPPER}{_LOWER})",
]

_SUFFIXES = [
    _DEBRIS,
    *LIST_PUNCT,
    *LIST_ELLIPSES,
    *LIST_QUOTES,
    *LIST_CURRENCY,
    *LIST_ICONS,
    r"['’][sS]",
    r"[%=/|^~≥≤±≈→←↑↓™ʼ]",
    r"—+",
    # "ceftriaxona+ daptomicina", but the sign of an ion ("Na+") stays.
    rf"(?<={_LETTER}{{3}})(?:\+|{_HYPHEN})+",
    rf"(?<=[0-9)\]%])(?:\+|{_HYPHEN}+)",
    rf"(?<=[0-9{ALPHA_LOWER}{COMBINING_DIACRITICS}%²³ºª®\-+{PUNCT}{CONCAT_QUOTES}])\.",
    rf"(?<=[{ALPHA}0-9/+\-]{_UPPER})\.",
    # The letters that end clinical terms ("hepatitis C.", "Mobitz I."); the others are mostly
    # initials ("E. coli"), where a full stop on its own would end the sentence.
    rf"(?<=(?<![{ALPHA}.])[ABCDGIKX])\.",
]

_INFIXES = [
    # Before and after a line end, but not inside "\r\n".
    rf"(?!(?<=\r)\n)(?:(?<={_LINE_END})|(?={_LINE_END}))",
    _DEBRIS,
    *LIST_ELLIPSES,
    *LIST_ICONS,
    r"[()\[\]{}\"“”„«»;=<>≥≤±≈→←↑↓™|%—¿¡?!]",
    # Numbers stay whole: "2,5", "10:30", "120/80".
    r"[,:/](?![0-9])|(?<![0-9])[,:/]",
    rf"(?<=[{ALPHA}0-9)])\+(?=[{ALPHA}0-9(])",
    r"(?<=[0-9])[x×*X](?=[0-9])",
    # A full stop with no space before the next sentence.
    rf"(?<=[{ALPHA}0-9%)\]][{ALPHA_LOWER}0-9%)\]\"”»])\.(?={_UPPER})",
    rf"(?<={_UPPER}{_UPPER})\.(?={_UPPER}{_LOWER})",
    # Hyphens join drugs ("CDDP-ADR-VP16") as well as words. They are cut between words of two
    # characters or more, so that "T-DM1", "5-fluorouracilo", "IL-6" and "COVID-19" stay whole.
    rf"(?<={_WORD}{{2}}){_HYPHEN}(?={_LETTER}{_WORD}|[0-9]{_HYPHEN}?{_LETTER}{{2}})",
    # A drug before a number ("oxaliplatino-5 fluorouracilo"); "omega-3" stays whole.
    rf"(?<={_LOWER}{{6}}){_HYPHEN}(?=[0-9])",
    rf"(?<=[)\]]){_HYPHEN}|{_HYPHEN}(?=[(\[])",
    # Borders without a character of their own: elision, a dose or a citation glued to a word,
    # a unit glued to its number.
    rf"(?<={_LETTER}{_APOSTROPHE})(?=[{ALPHA}0-9\"“])",
    rf"(?<={_LOWER}{{4}})(?=[0-9])",
    rf"(?<=[0-9])(?={_UNIT}(?!{_WORD}))",
]

# "v.o.", "i.v.", "p.m."; and lines drawn with one character ("======").
_WHOLE = re.compile(rf"(?:(?:{_LETTER}\.){{2,}}|([-=_*#~+.|])\1{{3,}})$")
_URL = re.compile(r"(?:https?://|www\.)\S+$")

_ABBREVIATION = re.compile(
    rf"{_LETTER}+\.(?: ?{_LETTER}+\.)*|{_LETTER}*(?:{_APOSTROPHE}{_LETTER}*)+"
)
# Units, and words and types ("Ia."), that end a sentence far more often than they abbreviate.
# fmt: off
_NOT_ABBREVIATIONS = {
    "cm.", "d.", "g.", "h.", "l.", "m.", "s.",
    "Ala.", "Co.", "co.", "Del.", "Ga.", "Ia.", "Id.", "Ill.", "Ind.", "La.", "Mar.", "Mass.",
    "Miss.", "Mo.", "Ore.", "Pa.", "Va.", "Wash.",
}
_CLINICAL_ABBREVIATIONS = [
    "Dr.", "Dra.", "Dres.", "Drs.", "Sr.", "Sra.", "Prof.", "Dott.", "Dott.ssa", "Sig.", "Sig.ra",
    "ej.", "p.ej.", "P.ej.", "aprox.", "vs.", "Vs.", "ca.", "es.", "p.es.", "P.es.", "e.g.", "i.e.",
]
# fmt: on
_MULTILINGUAL = ("en", "es", "it")

Exceptions = dict[str, list[dict[int, str]]]


def create_clinical_tokenizer() -> Callable[[Language], Tokenizer]:
    """Registered function: a clinical tokenizer for a pipeline's language.

    RETURNS (Callable[[Language], Tokenizer]): What spaCy calls with the pipeline to build.
    """
    return make_tokenizer


def make_tokenizer(nlp: Language) -> Tokenizer:
    """Build the clinical tokenizer: all its rules are plain data, saved with the pipeline.

    nlp (Language): The pipeline, for its vocabulary and its language's abbreviations.
    RETURNS (Tokenizer): spaCy's tokenizer.
    """
    return Tokenizer(
        nlp.vocab,
        rules=tokenizer_exceptions(nlp.lang or "xx"),
        prefix_search=compile_prefix_regex(_PREFIXES).search,
        suffix_search=compile_suffix_regex(_SUFFIXES).search,
        infix_finditer=compile_infix_regex(_INFIXES).finditer,
        token_match=_WHOLE.match,
        url_match=_URL.match,
    )


def tokenizer_exceptions(lang: str) -> Exceptions:
    """Abbreviations and contractions; the multilingual language "xx" has those of all three.

    spaCy's other exceptions (emoticons such as "8)", "id" cut into "i d") cut clinical text
    at the wrong places.

    lang (str): The language's code.
    RETURNS (dict): Exceptions as spaCy's tokenizer takes them.
    """
    exceptions: Exceptions = {word: [{ORTH: word}] for word in _CLINICAL_ABBREVIATIONS}
    for code in _MULTILINGUAL if lang == "xx" else (lang,):
        defaults = get_lang_class(code).Defaults.tokenizer_exceptions
        exceptions.update(_abbreviations(defaults.items()))
    return exceptions


def _abbreviations(rules: Iterable[tuple[str, Any]]) -> Exceptions:
    return {
        word: list(tokens)
        for word, tokens in rules
        if _ABBREVIATION.fullmatch(word) and word not in _NOT_ABBREVIATIONS
    }


def blank(lang: str) -> Language:
    """A blank pipeline with the clinical tokenizer and sentences that also end at line ends.

    lang (str): The language's code; "xx" for all.
    RETURNS (Language): The pipeline; its config names the tokenizer, so it can be saved.
    RAISES (CardionerError): spaCy has no such language.
    """
    try:
        get_lang_class(lang)
    except ImportError as error:
        raise CardionerError(
            f"spaCy has no language '{lang}'; give es, en, it, or xx for several"
        ) from error
    nlp = spacy.blank(lang, config={"nlp": {"tokenizer": {"@tokenizers": TOKENIZER}}})
    nlp.add_pipe("sentencizer", config={"punct_chars": SENTENCE_ENDS})
    return nlp
