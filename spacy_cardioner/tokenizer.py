"""Clinical tokenization: spaCy's tokenizer with rules that match the boundaries of annotators.

All languages share the affix rules, so that a multilingual pipeline tokenizes a text like the
pipeline of its language. A language adds only its abbreviations and contractions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy
import spacy
from numpy.typing import NDArray
from spacy.attrs import IDX, LENGTH
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
from spacy.lexeme import Lexeme
from spacy.symbols import NORM, ORTH
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.util import (
    compile_infix_regex,
    compile_prefix_regex,
    compile_suffix_regex,
    get_lang_class,
)

from spacy_cardioner.characters import LINE_END, ODD, UNSEEN, seen
from spacy_cardioner.cuts import cuts
from spacy_cardioner.errors import CardionerError

TOKENIZER = "spacy_cardioner.ClinicalTokenizer.v1"

# The tokenizer splits off each line end, so this list also covers several in a row.
LINE_ENDS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"]
SENTENCE_ENDS = [".", "!", "?", "…", *LINE_ENDS]
# Most characters that the tokenizer sees without a change between white space and others. The
# longest words of clinical notes have some 50 characters, addresses of web pages 200.
LONGEST = 500
# Most invisible characters in a row inside a word.
LONGEST_UNSEEN = 8
_SPACES = re.compile(rf"\s{{{LONGEST}}}")
_RUN = re.compile(rf"\s{{{LONGEST},}}|\S{{{LONGEST},}}")
# A token ends after these wherever they stand.
_BREAK = re.compile(r"[\n;=<>|()\[\]{}!?]|[,:/](?=[^0-9])")

# Decomposed accents belong to the letter before them.
_LETTER = rf"[{ALPHA}{COMBINING_DIACRITICS}]"
_WORD = rf"[{ALPHA}{COMBINING_DIACRITICS}0-9]"
_LOWER = rf"[{ALPHA_LOWER}{COMBINING_DIACRITICS}]"
_UPPER = rf"[{ALPHA_UPPER}]"
_HYPHEN = r"[-‐‑–−]"
_APOSTROPHE = r"['’‘ʼ´`]"
_LINE_END = rf"[{LINE_END}]"
# Remains of "®" and of layout in badly decoded or copied text.
_DEBRIS = r"[\x7f-\x9f\u200b\ufeff]"
_UNIT = r"(?:[mnpµμuk]?g|mcg|[mdcµμu][lL]|cc|[cm]m|mmHg|m?Eq|[mnpµμu]mol|UI|IU|h)"

_MARKS = [_DEBRIS, *LIST_PUNCT, *LIST_ELLIPSES, *LIST_QUOTES, *LIST_CURRENCY, *LIST_ICONS]

_PREFIXES = [
    *_MARKS,
    r"[§%=/|^~≥≤±≈→←↑↓™ʼ]",
    r"\+(?![0-9])",
    r"—+",
    # The dash of a list item ("-Xarelto", "-3TC"), but not a minus sign.
    rf"{_HYPHEN}+(?=[0-9]?{_LETTER})",
    rf"{_HYPHEN}+(?=[(\[\"“«¿¡])",
    # A full stop with the space on the wrong side ("fiebre .No").
    rf"\.(?={_UPPER}{_LOWER})",
]

_SUFFIXES = [
    *_MARKS,
    r"['’][sS]",
    r"[%=/|^~≥≤±≈→←↑↓™ʼ]",
    r"—+",
    # "ceftriaxona+ daptomicina", but not the charge of an ion ("Na+").
    rf"(?<={_LETTER}{{3}})(?:\+|{_HYPHEN})+",
    rf"(?<=[0-9)\]%])(?:\+|{_HYPHEN}+)",
    rf"(?<=[0-9{ALPHA_LOWER}{COMBINING_DIACRITICS}%²³ºª®\-+{PUNCT}{CONCAT_QUOTES}])\.",
    rf"(?<=[{ALPHA}0-9/+\-]{_UPPER})\.",
    # Letters that end clinical terms ("hepatitis C.", "Mobitz I."). Others are mostly initials
    # ("E. coli"), where a separate full stop would end the sentence.
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
    # A full stop without a space before the next sentence.
    rf"(?<=[{ALPHA}0-9%)\]][{ALPHA_LOWER}0-9%)\]\"”»])\.(?={_UPPER})",
    rf"(?<={_UPPER}{_UPPER})\.(?={_UPPER}{_LOWER})",
    # Hyphens join drugs ("CDDP-ADR-VP16"). Split them between words of two or more characters, so
    # that "T-DM1", "5-fluorouracilo", "IL-6" and "COVID-19" stay whole.
    rf"(?<={_WORD}{{2}}){_HYPHEN}(?={_LETTER}{_WORD}|[0-9]{_HYPHEN}?{_LETTER}{{2}})",
    # A drug before a number ("oxaliplatino-5 fluorouracilo"); "omega-3" stays whole.
    rf"(?<={_LOWER}{{6}}){_HYPHEN}(?=[0-9])",
    rf"(?<=[)\]]){_HYPHEN}|{_HYPHEN}(?=[(\[])",
    # Boundaries without a delimiter: after an elision, between a word and a dose or citation,
    # between a number and its unit.
    rf"(?<={_LETTER}{_APOSTROPHE})(?=[{ALPHA}0-9\"“])",
    rf"(?<={_LOWER}{{4}})(?=[0-9])",
    rf"(?<=[0-9])(?={_UNIT}(?!{_WORD}))",
]

# "v.o.", "i.v.", "p.m."; and rules made of one character ("======").
_WHOLE = re.compile(rf"(?:(?:{_LETTER}\.){{2,}}|([-=_*#~+.|])\1{{3,}})$")
_URL = re.compile(r"(?:https?://|www\.)\S+$")

_ABBREVIATION = re.compile(
    rf"{_LETTER}+\.(?: ?{_LETTER}+\.)*|{_LETTER}*(?:{_APOSTROPHE}{_LETTER}*)+"
)
# Units, words and types ("Ia.") that end a sentence far more often than they are abbreviations.
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


class Reading(NamedTuple):
    """A text as its tokens are sought: without invisible characters, and with a space at each cut.

    places (NDArray[Any]): The place of each character in the given text, -1 for an added space.
    """

    text: str
    places: NDArray[Any]


class ClinicalTokenizer(Tokenizer):
    """spaCy's tokenizer, for texts in which characters are too many, too few, or unseen.

    - In linear time: spaCy splits affixes off one by one, each time from a copy of the rest, and
      makes a word of any length a token. So this one cuts longer runs of white space, or of other
      characters, than `LONGEST`: where a token ends, if there is such a place.
    - Between words that lack a space: after the mark of a list item, before a dose, see `cuts`.
    - Over invisible characters: those in a word belong to its token, whose norm lacks them; others
      are tokens of their own, see `characters`.

    All else is as in spaCy.
    """

    def __call__(self, string: str) -> Doc:
        """Tokenize a text. RETURNS (Doc): Its text is the given one."""
        reading = _read(string)
        if reading is None:
            doc = self._tokenize(string)
            for token in doc if ODD.search(string) else ():
                if ODD.search(token.text):
                    token.norm_ = self._look(token.text).norm_
            return doc
        plain = not ODD.search(reading.text)
        words: list[str] = []
        spaces: list[bool] = []
        norms: list[int] = []
        for text, word, norm in _tokens(string, reading, self._tokenize(reading.text)):
            if text == " " and not word and words and not spaces[-1]:
                spaces[-1] = True
                continue
            words.append(text)
            spaces.append(False)
            odd = not word or (not plain and ODD.search(word))
            norms.append(self._look(text).norm if odd else norm)
        doc = Doc(self.vocab, words=words, spaces=spaces)
        table: Any = numpy.array(norms, dtype="uint64").reshape(-1, 1)
        return doc.from_array([NORM], table) if norms else doc

    def explain(self, text: str) -> list[tuple[str, str]]:
        """Name the rule behind each token. RETURNS (list[tuple[str, str]]): Rules and tokens."""
        reading = _read(text)
        if reading is None:
            return self._explain(text)
        rules = iter(self._explain(reading.text))
        return [
            (next(rules)[0] if word else "IGNORED", part)
            for part, word, _ in _tokens(text, reading, self._tokenize(reading.text))
            if not (word or part).isspace()
        ]

    def _look(self, text: str) -> Lexeme:
        """What a token looks like."""
        return self.vocab[seen(text) or " "]

    def _tokenize(self, string: str) -> Doc:
        pieces = list(_pieces(string))
        if len(pieces) == 1:
            return super().__call__(string)
        docs = [super(ClinicalTokenizer, self).__call__(piece) for piece in pieces]
        # Special cases may set NORM.
        return Doc.from_docs(docs, ensure_whitespace=False, attrs=[NORM])

    def _explain(self, text: str) -> list[tuple[str, str]]:
        explain = super().explain
        return [token for piece in _pieces(text) for token in explain(piece)]


def _read(text: str) -> Reading | None:
    """Find how a text reads, or None if it has nothing to cut and nothing invisible."""
    # The first search is faster, and nearly all texts have nothing odd.
    unseen = ODD.search(text) and UNSEEN.search(text)
    given = _without_unseen(text) if unseen else Reading(text, numpy.arange(len(text)))
    places = cuts(given.text)
    if not (unseen or places):
        return None
    parts = [given.text[start:end] for start, end in pairwise((0, *places, len(given.text)))]
    return Reading(" ".join(parts), numpy.insert(given.places, places, -1))


def _without_unseen(text: str) -> Reading:
    """Leave out invisible characters, or put a space where one separates two words."""
    parts: list[str] = []
    places: list[int] = []
    done = 0
    for match in UNSEEN.finditer(text):
        start, end = match.span()
        parts.append(text[done:start])
        places += range(done, start)
        if _separates(match[0], text[max(0, start - 1) : start], text[end : end + 1]):
            parts.append(" ")
            places.append(start)
        done = end
    places += range(done, len(text))
    return Reading("".join((*parts, text[done:])), numpy.array(places, dtype="i"))


def _separates(unseen: str, before: str, after: str) -> bool:
    """Whether characters that are not seen separate what is before and after them."""
    if unseen.isspace():
        return True
    # Two texts that a byte order mark separates, or cells of a table.
    apart = before.islower() and after.isupper()
    return (apart or len(unseen) > LONGEST_UNSEEN) and not (before.isspace() or after.isspace())


def _tokens(text: str, reading: Reading, read: Doc) -> Iterator[tuple[str, str, int]]:
    """The parts of a text, each with the text and the norm of its token in the reading, if any."""
    done = 0
    firsts, lengths, norms = read.to_array([IDX, LENGTH, NORM]).T
    lasts = firsts + lengths
    ends = reading.places[lasts - 1] + 1
    columns = (each.tolist() for each in (firsts, lasts, reading.places[firsts], ends, norms))
    for first, last, start, end, norm in zip(*columns, strict=True):
        if done < start:
            yield from ((char, "", 0) for char in text[done:start])
        done = end
        yield text[start:end], reading.text[first:last], norm
    yield from ((char, "", 0) for char in text[done:])


def _pieces(text: str) -> Iterator[str]:
    """Cut a text inside its long runs."""
    done = 0
    # Nearly all texts have none, and this is the fastest way to see it.
    if max(map(len, text.split()), default=0) > LONGEST or _SPACES.search(text):
        for run in _RUN.finditer(text):
            start, end = run.span()
            while end - start > LONGEST:
                breaks = [found.end() for found in _BREAK.finditer(text, start, start + LONGEST)]
                start = breaks[-1] if breaks else start + LONGEST
                yield text[done:start]
                done = start
    yield text[done:]


def create_clinical_tokenizer() -> Callable[[Language], Tokenizer]:
    """Create `spacy_cardioner.ClinicalTokenizer.v1`.

    RETURNS (Callable[[Language], Tokenizer]): Makes the tokenizer of a pipeline. All rules are data
        and are saved with the pipeline.
    """

    def make_tokenizer(nlp: Language) -> Tokenizer:
        return ClinicalTokenizer(
            nlp.vocab,
            rules=_exceptions(nlp.lang or "xx"),
            prefix_search=compile_prefix_regex(_PREFIXES).search,
            suffix_search=compile_suffix_regex(_SUFFIXES).search,
            infix_finditer=compile_infix_regex(_INFIXES).finditer,
            token_match=_WHOLE.match,
            url_match=_URL.match,
        )

    return make_tokenizer


def _exceptions(lang: str) -> dict[str, list[dict[int, str]]]:
    """The abbreviations and contractions of a language, or of all three for "xx"."""
    found = {word: [{ORTH: word}] for word in _CLINICAL_ABBREVIATIONS}
    for code in ("en", "es", "it") if lang == "xx" else (lang,):
        # Others (emoticons such as "8)", "id" split into "i d") split clinical text wrongly.
        found |= {
            word: list(tokens)
            for word, tokens in get_lang_class(code).Defaults.tokenizer_exceptions.items()
            if _ABBREVIATION.fullmatch(word) and word not in _NOT_ABBREVIATIONS
        }
    return found


def blank(lang: str) -> Language:
    """Create a pipeline with the clinical tokenizer and sentences that also end at line ends.

    RAISES (CardionerError): spaCy does not have the language.
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
